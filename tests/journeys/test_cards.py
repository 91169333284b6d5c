"""Each card ends as docs/sandbox.md says; the page tells what became of the money; the books hold (INV1, 4, 5, 8)."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sevres_familles.domain.payment import PaymentState
from tests.journeys.looking import shoot
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town
from tests.journeys.walking import (
    CHALLENGE_CODE,
    choose,
    come_back,
    confirm,
    go_to_the_bank,
    leave,
    sign_in,
    state_of,
    type_card,
)
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED, CHALLENGED, LOST, REFUSED

PAID = "Merci, votre paiement est accepté"
WAITING = "Nous attendons la réponse de la banque"
NOTHING_TAKEN = "Rien n’a été débité"

Contexts = Callable[..., BrowserContext]


def in_books(town: Town, reference: str) -> tuple[PaymentState, int]:
    """Give the state of a payment, and how many entries of the ledger it has."""
    with town.store() as (portal, _):
        payment = portal["paiements"][reference]
        cash = payment.account.cash
        entries = [entry for entry in cash.entries if entry.draft.document.startswith(reference)] if cash else []
        return payment.state, len(entries)


def test_accepted(page: Page, town: Town):
    code = settle(town, "30001", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)

    type_card(page, ACCEPTED)
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)
    assert state_of(page, town, code) == "payée"
    assert in_books(town, reference) == (PaymentState.ACCEPTED, 1)
    assert town.faults() == ()


def test_accepted_once_the_code_of_3d_secure_is_right(page: Page, town: Town):
    code = settle(town, "30002", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)

    type_card(page, CHALLENGED)
    shoot(page, "cards-3d-secure")
    page.get_by_label("Saisissez le code reçu").fill("654321")
    page.get_by_role("button", name="Confirmer").click()
    expect(page.get_by_role("alert")).to_contain_text(NOTHING_TAKEN)
    assert in_books(town, reference) == (PaymentState.REDIRECTED, 0)
    page.get_by_label("Saisissez le code reçu").fill(CHALLENGE_CODE)
    page.get_by_role("button", name="Confirmer").click()
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)
    assert state_of(page, town, code) == "payée"
    assert in_books(town, reference) == (PaymentState.ACCEPTED, 1)
    assert town.faults() == ()


def test_refused_then_paid_with_another_card(page: Page, town: Town):
    code = settle(town, "30003", bill())
    sign_in(page, town, code)
    refused = go_to_the_bank(page, town, code)

    type_card(page, REFUSED)
    come_back(page, refused)

    expect(page.get_by_role("heading", level=1)).to_have_text("Le paiement n’a pas été accepté")
    expect(page.get_by_role("heading", name=NOTHING_TAKEN)).to_be_visible()
    shoot(page, "cards-refused")
    assert in_books(town, refused) == (PaymentState.REFUSED, 0)

    page.get_by_role("button", name="Réessayer").click()
    reference = confirm(page)
    leave(page)
    type_card(page, ACCEPTED)
    come_back(page, reference)

    assert reference != refused
    assert state_of(page, town, code) == "payée"
    assert in_books(town, reference) == (PaymentState.ACCEPTED, 1)
    assert town.faults() == ()


def test_cancelled_at_the_bank(page: Page, town: Town):
    code = settle(town, "30004", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)

    page.get_by_role("button", name="Annuler et revenir à la boutique").click()
    page.wait_for_url(re.compile(f"/paiements/{reference}/$"))

    expect(page.get_by_role("heading", level=1)).to_have_text("Vous avez annulé le paiement")
    expect(page.get_by_role("heading", name=NOTHING_TAKEN)).to_be_visible()
    shoot(page, "cards-cancelled")
    assert state_of(page, town, code) == "à payer"
    assert in_books(town, reference) == (PaymentState.CANCELLED, 0)
    assert town.faults() == ()


def test_the_page_turns_into_the_receipt_by_itself_when_the_notification_was_lost(page: Page, town: Town):
    code = settle(town, "30005", bill())
    sign_in(page, town, code)
    with town.nobody_asks():
        reference = go_to_the_bank(page, town, code)
        type_card(page, LOST)
        come_back(page, reference)
        expect(page.get_by_role("heading", level=1)).to_have_text(WAITING)
        expect(page.get_by_role("heading", name="Ne payez pas une seconde fois")).to_be_visible()
        shoot(page, "cards-waiting")
        page.evaluate("window.isTheSamePage = true")

    expect(page.get_by_role("heading", level=1)).to_have_text(PAID)

    expect(page.locator("#annonce[role=status]")).to_have_text(PAID)
    expect(page).to_have_title(re.compile(f"^{PAID}"))
    assert page.evaluate("window.isTheSamePage") is True
    assert state_of(page, town, code) == "payée"
    assert in_books(town, reference) == (PaymentState.ACCEPTED, 1)
    assert town.faults() == ()


def test_a_closed_tab_expires_and_frees_the_invoice(contexts: Contexts, hasty_town: Town):
    code = settle(hasty_town, "30006", bill())
    context = contexts()
    page = context.new_page()
    sign_in(page, hasty_town, code)
    reference = go_to_the_bank(page, hasty_town, code)
    page.close()
    page = context.new_page()
    assert state_of(page, hasty_town, code) == "paiement en cours"
    expect(page.get_by_role("button", name="Payer par carte bancaire")).to_have_count(0)

    wait_until(lambda: in_books(hasty_town, reference)[0] is PaymentState.EXPIRED, "the payment expires")

    page.goto(f"{hasty_town.url}paiements/{reference}/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Le paiement n’a pas abouti")
    expect(page.get_by_role("heading", name=NOTHING_TAKEN)).to_be_visible()
    shoot(page, "cards-expired")
    assert state_of(page, hasty_town, code) == "à payer"
    assert hasty_town.faults() == ()


def test_a_second_parent_is_told_that_a_payment_is_under_way(contexts: Contexts, town: Town):
    code = settle(town, "30007", bill())
    first, second = contexts().new_page(), contexts().new_page()
    for each in (first, second):
        sign_in(each, town, code)
        choose(each, town, code)
    reference = confirm(first)
    leave(first)

    second.get_by_role("button", name="Confirmer").click()

    refusal = second.get_by_role("alert").filter(has_text="paiement en cours")
    expect(refusal).to_contain_text("Ne payez pas une seconde fois")
    shoot(second, "cards-second-parent")
    second.get_by_role("link", name="Suivre ce paiement").click()
    expect(second.get_by_role("heading", level=1)).to_have_text(WAITING)

    type_card(first, REFUSED)
    come_back(first, reference)

    expect(second.get_by_role("heading", level=1)).to_have_text("Le paiement n’a pas été accepté")
    assert state_of(second, town, code) == "à payer"
    choose(second, town, code)
    assert confirm(second) != reference


def test_a_notification_sent_again_changes_nothing(page: Page, town: Town):
    code = settle(town, "30008", bill())
    sign_in(page, town, code)
    reference = go_to_the_bank(page, town, code)
    type_card(page, ACCEPTED)
    come_back(page, reference)
    with town.store() as (portal, _):
        before = portal["paiements"][reference].__getstate__()

    page.goto(town.bank.merchant_url)
    section = page.locator(f"[data-order={reference}]")
    section.get_by_role("button", name="Envoyer à nouveau la notification").click()

    expect(section.get_by_text("Notification demandée ici")).to_be_visible()
    with town.store() as (portal, _):
        assert portal["paiements"][reference].__getstate__() == before
    assert in_books(town, reference) == (PaymentState.ACCEPTED, 1)
    assert town.faults() == ()


@pytest.mark.parametrize("is_in_time", [True, False], ids=["in time", "too late"])
def test_the_way_to_the_bank_is_open_as_long_as_its_page_would_be(page: Page, hasty_town: Town, is_in_time: bool):
    code = settle(hasty_town, "30009" if is_in_time else "30010", bill())
    sign_in(page, hasty_town, code)
    choose(page, hasty_town, code)
    reference = confirm(page)

    if is_in_time:
        page.goto(f"{hasty_town.url}paiements/{reference}/")
        page.get_by_role("link", name="Continuer vers la banque").click()
        leave(page)
    else:
        wait_until(lambda: in_books(hasty_town, reference)[0] is PaymentState.EXPIRED, "the payment expires")
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Le paiement n’a pas abouti")
