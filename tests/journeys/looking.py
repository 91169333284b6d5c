"""Looking at a page as its readers do: at three widths, in both lights, with larger text, by axe.

With ``JOURNEY_SHOTS`` in the environment every page that is looked at is also kept there as pictures, for designers.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request, ViewportSize

from tests.journeys.axe import BY_SIGHT, violations
from tests.journeys.browsing import DESK, NARROW, PHONE, overflow

_SHOTS = os.environ.get("JOURNEY_SHOTS")


def shoot(page: Page, name: str) -> None:
    """Keep pictures of a page, if they are wanted."""
    if not _SHOTS:
        return
    folder = Path(_SHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    with _size_kept(page):
        for size in (DESK, PHONE):
            page.set_viewport_size(size)
            page.screenshot(path=folder / f"{name}-{size['width']}.png", full_page=True)


def faults_of(page: Page, name: str) -> list[str]:
    """List what keeps someone from reading a page."""
    shoot(page, name)
    with _size_kept(page):
        # Colours glide from day to night: a look halfway would see neither.
        page.emulate_media(reduced_motion="reduce")
        faults = _faults_at(page, DESK) + violations(page)
        faults += _faults_at(page, PHONE)
        page.emulate_media(color_scheme="dark")
        faults += _faults_at(page, NARROW) + [f"in the dark: {fault}" for fault in violations(page, BY_SIGHT)]
        page.emulate_media(color_scheme="light")
        faults += _faults_of_large_text(page) + _faults_of_spaced_text(page) + _faults_of_forced_colours(page, name)
    return faults


def _faults_at(page: Page, size: ViewportSize) -> list[str]:
    page.set_viewport_size(size)
    return [f"scrolls sideways at {size['width']} pixels"] if overflow(page) > 0 else []


def _faults_of_large_text(page: Page) -> list[str]:
    """Try the page with text at 200 % (WCAG 1.4.4)."""
    page.set_viewport_size(DESK)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    is_wide = overflow(page) > 0
    page.evaluate("document.documentElement.style.fontSize = ''")
    return ["scrolls sideways with text at 200 %"] if is_wide else []


#: The spacing that a reader may ask for (WCAG 1.4.12).
_SPACING = """* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; }
p { margin-bottom: 2em !important; }"""
#: Elements that hide a part of their own text.
_CUT = """Array.from(document.querySelectorAll('body *')).filter(each => {
  const style = getComputedStyle(each);
  return each.clientWidth > 1 && !each.closest('svg, input') && !each.querySelector('img') &&
    ['hidden', 'clip'].includes(style.overflowX) && style.display !== 'inline' &&
    (each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1);
}).map(each => each.outerHTML.slice(0, 80))"""
#: What is pressed, ticked or filled in, and shows no edge when colours are the reader's own.
_EDGELESS = """Array.from(document.querySelectorAll('.btn:not(.quiet), input:not([type=hidden]), select, textarea'))
.filter(each => each.checkVisibility() && !['checkbox', 'radio'].includes(each.type)).filter(each => {
  const style = getComputedStyle(each);
  return parseFloat(style.borderTopWidth) < 1 || style.borderTopStyle === 'none';
}).map(each => each.outerHTML.slice(0, 80))"""
#: How the focused element shows that it is.
_OUTLINE = """(style => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2)(
  getComputedStyle(document.activeElement))"""


def _faults_of_spaced_text(page: Page) -> list[str]:
    """Try the page with text spaced as WCAG 1.4.12 says, at the narrowest width."""
    page.set_viewport_size(NARROW)
    page.evaluate(
        """css => { window.spacing = new CSSStyleSheet(); window.spacing.replaceSync(css);
        document.adoptedStyleSheets.push(window.spacing); }""",
        _SPACING,
    )
    faults = ["scrolls sideways with text spaced"] if overflow(page) > 0 else []
    faults += [f"cut with text spaced: {each}" for each in page.evaluate(_CUT)]
    page.evaluate("document.adoptedStyleSheets = []")
    return faults


def _faults_of_forced_colours(page: Page, name: str) -> list[str]:
    """Try the page in the reader's own colours, as Windows' high contrast gives: edges and focus must still show."""
    page.set_viewport_size(DESK)
    page.emulate_media(forced_colors="active")
    faults = [f"has no edge in forced colours: {each}" for each in page.evaluate(_EDGELESS)]
    page.evaluate("document.querySelector('main').focus()")
    page.keyboard.press("Tab")
    if page.evaluate("document.activeElement !== document.body") and not page.evaluate(_OUTLINE):
        faults.append("focus does not show in forced colours")
    shoot(page, f"{name}-forced")
    page.emulate_media(forced_colors="none")
    return faults


@contextmanager
def _size_kept(page: Page) -> Iterator[None]:
    size = page.viewport_size
    yield
    if size is not None:
        page.set_viewport_size(size)


class Watch:
    """What a browser complained of, and where it went, from the moment it is watched."""

    def __init__(self, context: BrowserContext) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.complaints.append(f"script: {error.error}"))
        context.on("request", self._note)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not _is_a_page_that_refuses(message):
            self.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

    def _note(self, request: Request) -> None:
        self.requests.append(request.url)


def _is_a_page_that_refuses(message: ConsoleMessage) -> bool:
    """Tell whether this is how Chromium notes a page whose status is 4xx: a form with faults (422), an unknown address.

    It says so of files too; those are not the page's own address.
    """
    page = message.page
    is_note = message.text.startswith("Failed to load resource: the server responded with a status of 4")
    return is_note and page is not None and message.location["url"].split("#")[0] == page.url.split("#")[0]
