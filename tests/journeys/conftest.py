"""One browser and two towns for all journeys; a journey has families of its own, and a visitor that is watched.

With ``JOURNEYS_ON=postgresql`` in the environment the towns keep what they know on PostgreSQL.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.journeys.browsing import DESK, browsing
from tests.journeys.looking import Watch
from tests.journeys.town import Town, running_town

#: How long a page may take to show what is expected, in milliseconds: the machines of tests are busy.
PATIENCE = 30_000

#: A town where the bank's page dies within seconds.
HASTY = {"bank_page_life": 6, "bank_margin": "1", "ask_delays": "1 2 4 8 10 15 20 30 60"}
ON_POSTGRESQL = os.environ.get("JOURNEYS_ON") == "postgresql"

Visit = Callable[..., Page]
Found = Callable[..., AbstractContextManager[Town]]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE)
    with browsing() as browser:
        yield browser


@pytest.fixture(scope="package")
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Run towns where journeys are to take place: ``with found("town", ask_pause="1") as town``."""

    @contextmanager
    def running(name: str, **settings: Any) -> Iterator[Town]:
        with ExitStack() as stack:
            if ON_POSTGRESQL:
                settings["storage"] = stack.enter_context(request.getfixturevalue("postgres").database())
            yield stack.enter_context(running_town(tmp_path_factory.mktemp(name), **settings))

    return running


@pytest.fixture(scope="package")
def town(chromium: Browser, found: Found) -> Iterator[Town]:
    """A town where nothing hurries."""
    with found("town") as town:
        yield town


@pytest.fixture(scope="package")
def hasty_town(chromium: Browser, found: Found) -> Iterator[Town]:
    """A town where the bank's page dies within seconds."""
    with found("hasty-town", **HASTY) as town:
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
