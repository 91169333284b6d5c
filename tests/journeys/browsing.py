"""A real browser for the journeys: Debian's chromium, driven by Playwright.

    with browsing() as browser, browser.new_context(viewport=PHONE) as context:
        page = context.new_page()

Without a chromium the journeys are skipped, loudly; where the environment variable ``CI`` is set they fail.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from tests.machine import program

DESK = ViewportSize(width=1280, height=900)
PHONE = ViewportSize(width=375, height=812)
#: 1280 pixels at 400 % (WCAG 1.4.10).
NARROW = ViewportSize(width=320, height=640)

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browsing() -> Iterator[Browser]:
    """Open a browser, and close it."""
    chromium = program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def overflow(page: Page) -> int:
    """Tell by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
