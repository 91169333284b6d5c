"""The town's application served for real, with a bank and a mailbox; its visitors are those of the journeys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.conftest import chromium, contexts, page, visit, watches
from tests.journeys.town import Town, running_town

__all__ = ["chromium", "contexts", "page", "visit", "watches"]


@pytest.fixture(scope="package")
def valombre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    source = Path(__file__).with_name("portal.ini")
    with running_town(tmp_path_factory.mktemp("valombre"), source=source, seat="famille/") as town:
        yield town
