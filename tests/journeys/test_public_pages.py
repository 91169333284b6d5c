"""The public pages in a real browser: axe, small screens, night, weight, no script needed."""

import threading
from collections.abc import Iterator

import pytest
from waitress import create_server

from tests.journeys.axe import ALL, BY_SIGHT, violations
from tests.journeys.browsing import DESK, NARROW, PHONE, overflow
from tests.sandbox.running import wait_until

PATHS = (
    "/",
    "/aide/",
    "/aide/mode-d-emploi",
    "/aide/payer-autrement",
    "/aide/contact",
    "/accessibilite",
    "/donnees-personnelles",
    "/mentions-legales",
    "/securite",
    "/plan-du-site",
    "/nulle-part",
    "/%ff",
)


@pytest.fixture
def site(app) -> Iterator[str]:
    """The portal served, without a slash at the end."""
    server = create_server(app, listen="127.0.0.1:0")
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield f"http://localhost:{server.effective_port}"
    server.close()
    thread.join(timeout=5)


def test_axe_finds_nothing_and_nothing_scrolls_sideways(chromium, site):
    """By every rule on a desk and a telephone; by those that width and light decide in a narrow window and by night."""
    with chromium.new_context(reduced_motion="reduce") as context:
        page = context.new_page()
        for path in PATHS:
            page.goto(site + path)
            for size, scheme, rules in (
                (DESK, "light", ALL),
                (DESK, "dark", BY_SIGHT),
                (PHONE, "light", ALL),
                (NARROW, "light", BY_SIGHT),
            ):
                page.set_viewport_size(size)
                page.emulate_media(color_scheme=scheme)
                assert violations(page, rules) == [], (path, size, scheme)
                assert overflow(page) == 0, (path, size)


def test_axe_would_find_something(chromium):
    with chromium.new_context() as context:
        page = context.new_page()
        page.set_content('<html><body><img src="x"><a href="#a">a</a><a href="#b">b</a></body></html>')

        found = " ".join(violations(page))

        assert "image-alt" in found
        assert "html-has-lang" in found


def test_the_home_is_light(chromium, site):
    with chromium.new_context(viewport=PHONE) as context:
        page = context.new_page()
        page.goto(site + "/", wait_until="networkidle")

        # The emblem is picture and icon, and is fetched once: files are counted by name.
        listed = "performance.getEntriesByType('resource').map(each => [each.name, each.decodedBodySize])"
        files = dict(page.evaluate(listed))
        document = page.evaluate("performance.getEntriesByType('navigation')[0].decodedBodySize")

        assert len(files) + 1 <= 6
        assert document + sum(files.values()) <= 85 * 1024
        assert all(name.startswith(site) for name in files)


def test_the_policy_blocks_nothing_of_ours_and_everything_else(chromium, site):
    with chromium.new_context() as context:
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        for path in PATHS[:10]:
            page.goto(site + path)
        assert told == []

        blocked = page.evaluate(
            """new Promise(resolve => {
              document.addEventListener('securitypolicyviolation', each => resolve(each.effectiveDirective));
              document.body.insertAdjacentHTML('beforeend', '<img src="/x" onerror="window.ran = true">');
            })"""
        )

        assert blocked == "script-src-attr"
        wait_until(
            lambda: page.evaluate("document.querySelector('img[src=\"/x\"]').complete"), "the picture that is not there"
        )
        assert page.evaluate("window.ran") is None


def test_the_first_stop_of_the_keyboard_jumps_to_the_content(chromium, site):
    with chromium.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.goto(site + "/aide/mode-d-emploi")

        page.keyboard.press("Tab")
        skip = page.locator(":focus")
        assert skip.inner_text() == "Aller au contenu"
        assert (skip.bounding_box() or {})["y"] >= 0
        page.keyboard.press("Enter")

        assert page.evaluate("document.activeElement.id") == "contenu"
