"""The journey on PostgreSQL, from sign-in to receipt, its server killed and started again on the way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.settling import bill, settle
from tests.journeys.town import Town, running_town
from tests.journeys.walking import come_back, go_to_the_bank, sign_in, state_of, type_card
from tests.postgres import Postgres, binaries, running_postgres
from tests.sandbox.shop import ACCEPTED, LOST

PAID = "Merci, votre paiement est accepté"


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server of this journey's own, for it is killed; what it has committed must be there afterwards."""
    assert binaries(), "PostgreSQL is not installed (apt-get install postgresql)"
    with running_postgres(hasty=False) as server:
        yield server


@pytest.fixture(scope="module")
def town(chromium: Browser, server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with server.database() as address, running_town(tmp_path_factory.mktemp("town"), storage=address) as town:
        yield town


def test_from_sign_in_to_receipt(page: Page, town: Town):
    code = settle(town, "30001", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)

    type_card(page, ACCEPTED)
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)
    receipt = page.request.get(f"{town.url}paiements/{reference}/recu.pdf")
    assert receipt.body().startswith(b"%PDF-")
    assert state_of(page, town, code) == "payée"
    assert town.faults() == ()


def test_a_database_that_is_killed_and_starts_again_loses_nothing(page: Page, town: Town, server: Postgres):
    code = settle(town, "30002", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)
    server.restart()

    # Every connection of portal and workers was cut.  The bank tells nobody of this card: it must be asked.
    type_card(page, LOST)
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)
    assert state_of(page, town, code) == "payée"
    assert town.faults() == ()
