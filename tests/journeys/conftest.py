"""One browser and two towns for all journeys; a journey has families of its own, and a visitor that is watched."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.journeys.browsing import DESK, browsing
from tests.journeys.looking import Watch
from tests.journeys.town import Town, running_town

#: How long a page may take to show what is expected, in milliseconds: the machines of tests are busy.
PATIENCE = 30_000

Visit = Callable[..., Page]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="package")
def town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town where nothing hurries."""
    with running_town(tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture(scope="package")
def hasty_town(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A town where the bank's page dies within seconds."""
    folder = tmp_path_factory.mktemp("hasty-town")
    with running_town(folder, bank_page_life=6, bank_margin="1", ask_delays="1 2 4 8 10 15 20 30 60") as town:
        yield town


@pytest.fixture
def watches() -> Iterator[list[Watch]]:
    """What every browser of this journey complained of: nothing may be left at its end."""
    watches: list[Watch] = []
    yield watches
    assert [complaint for watch in watches for complaint in watch.complaints] == []


@pytest.fixture
def contexts(chromium: Browser, watches: list[Watch]) -> Iterator[Callable[..., BrowserContext]]:
    """Open browsers that share nothing: ``contexts(java_script_enabled=False)``."""
    with ExitStack() as stack:

        def opened(**options: Any) -> BrowserContext:
            settings = {"viewport": DESK, "locale": "fr-FR", "timezone_id": "Europe/Paris", **options}
            context = stack.enter_context(chromium.new_context(**settings))
            context.set_default_timeout(PATIENCE)
            watches.append(Watch(context))
            return context

        yield opened


@pytest.fixture
def visit(contexts: Callable[..., BrowserContext]) -> Visit:
    """Open the window of a new visitor."""
    return lambda **options: contexts(**options).new_page()


@pytest.fixture
def page(visit: Visit) -> Page:
    """The window of the journey's visitor."""
    return visit()
