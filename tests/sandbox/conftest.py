"""One bank and one mailbox for all tests that do not ask for their own; a shop a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sandbox.running import Bank, Mailbox, running_bank, running_mailbox
from tests.sandbox.shop import Shop, open_shop


@pytest.fixture(scope="session")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mailbox]:
    with running_mailbox(tmp_path_factory.mktemp("mailbox")) as mailbox:
        yield mailbox


@pytest.fixture(scope="session")
def bank(tmp_path_factory: pytest.TempPathFactory, mailbox: Mailbox) -> Iterator[Bank]:
    folder: Path = tmp_path_factory.mktemp("bank")
    with running_bank(folder, smtp=mailbox.smtp, ipn_delays=(0.1, 0.1, 0.1, 0.1)) as bank:
        yield bank


@pytest.fixture
def shop() -> Iterator[Shop]:
    with open_shop() as shop:
        yield shop
