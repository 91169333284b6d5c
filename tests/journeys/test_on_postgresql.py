"""The journeys of money on PostgreSQL: choosing, every card, the receipt; and a server that is killed on the way."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import HASTY
from tests.journeys.settling import bill, settle
from tests.journeys.test_cards import (
    test_a_closed_tab_expires_and_frees_the_invoice,
    test_a_notification_sent_again_changes_nothing,
    test_a_second_parent_is_told_that_a_payment_is_under_way,
    test_accepted,
    test_accepted_once_the_code_of_3d_secure_is_right,
    test_cancelled_at_the_bank,
    test_refused_then_paid_with_another_card,
    test_the_page_turns_into_the_receipt_by_itself_when_the_notification_was_lost,
    test_the_way_to_the_bank_is_open_as_long_as_its_page_would_be,
)
from tests.journeys.test_choosing import (
    test_a_choice_made_on_one_page_is_paid_with_that_of_another,
    test_the_sum_follows_the_ticks,
)
from tests.journeys.town import Town, running_town
from tests.journeys.walking import come_back, go_to_the_bank, sign_in, state_of, type_card
from tests.postgres import Postgres, binaries, running_postgres
from tests.sandbox.shop import ACCEPTED, LOST

# Journeys of other modules, taken again here: the fixtures of this module give them its towns.
__all__ = [
    "test_a_choice_made_on_one_page_is_paid_with_that_of_another",
    "test_a_closed_tab_expires_and_frees_the_invoice",
    "test_a_notification_sent_again_changes_nothing",
    "test_a_second_parent_is_told_that_a_payment_is_under_way",
    "test_accepted",
    "test_accepted_once_the_code_of_3d_secure_is_right",
    "test_cancelled_at_the_bank",
    "test_refused_then_paid_with_another_card",
    "test_the_page_turns_into_the_receipt_by_itself_when_the_notification_was_lost",
    "test_the_sum_follows_the_ticks",
    "test_the_way_to_the_bank_is_open_as_long_as_its_page_would_be",
]

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


@pytest.fixture(scope="module")
def hasty_town(chromium: Browser, server: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("hasty-town")
    with server.database() as address, running_town(folder, storage=address, **HASTY) as town:
        yield town


def test_from_sign_in_to_receipt(page: Page, town: Town):
    code = settle(town, "30011", bill())
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
    code = settle(town, "30012", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)
    server.restart()

    # Every connection of portal and workers was cut.  The bank tells nobody of this card: it must be asked.
    type_card(page, LOST)
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)
    assert state_of(page, town, code) == "payée"
    assert town.faults() == ()
