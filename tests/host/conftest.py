"""The town's application served for real, with a bank and a mailbox; its visitors are those of the journeys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import Found, chromium, contexts, found, page, visit, watches
from tests.journeys.town import Town

__all__ = ["chromium", "contexts", "found", "page", "visit", "watches"]


@pytest.fixture(scope="package")
def valombre(found: Found) -> Iterator[Town]:
    source = Path(__file__).with_name("portal.ini")
    with found("valombre", source=source, seat="famille/") as town:
        yield town
