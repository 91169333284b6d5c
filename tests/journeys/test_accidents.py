"""Every accident the bank can have, in a browser: the page says what became of the money, and the books are the bank's.

One family pays one invoice after the other, each with another card, in one browser that stays signed in.  After each
the oracle compares our books with the bank's own file (INV1 to INV5, INV8).
"""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from sevres_familles.domain.payment import PaymentState
from sevres_familles.sandbox.bank.records import NotificationState
from tests.journeys.browsing import DESK
from tests.journeys.looking import Watch, shoot
from tests.journeys.settling import bill, settle
from tests.journeys.test_cards import NOTHING_TAKEN, PAID, WAITING, in_books
from tests.journeys.town import Town
from tests.journeys.walking import CHALLENGE_CODE, come_back, confirm, leave, sign_in, type_card
from tests.sandbox.running import wait_until
from tests.sandbox.shop import (
    ACCEPTED,
    DISORDERED,
    EXPIRED_CARD,
    FORGED,
    HALVED,
    LATE,
    LOST,
    REFUSED,
    RETURN_FIRST,
    STOLEN,
    STRANDED,
    TECHNICAL,
    TWICE,
    UNAUTHENTICATED,
    UNNAMED_REFUSAL,
    VERIFIED,
)

CODE = "30100"
S = PaymentState
CHECKING = "La banque vérifie votre paiement"


class Desk(NamedTuple):
    """A family at its screen: it pays its invoices one after the other."""

    town: Town
    page: Page
    numbers: Iterator[str]

    def leave_for_the_bank(self) -> tuple[str, str]:
        """Choose the next invoice and go to the bank; give the payment's reference and the invoice's number."""
        number = next(self.numbers)
        self.page.goto(f"{self.town.url}familles/{CODE}/comptes/scolaire/")
        self.row(number).get_by_role("checkbox").check()
        self.page.get_by_role("button", name="Payer par carte bancaire").click()
        reference = confirm(self.page)
        leave(self.page)
        return reference, number

    def row(self, number: str) -> Locator:
        """The row of an invoice in the list."""
        return self.page.locator("tbody tr", has_text=f"CANTINES {number}")

    def expect_state(self, number: str, state: str) -> None:
        """Look at the list of invoices for how one stands."""
        self.page.goto(f"{self.town.url}familles/{CODE}/comptes/scolaire/")
        expect(self.row(number).locator(".state")).to_have_text(state)

    def expect_title(self, title: str) -> None:
        """Look at the page's heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)

    def pay(self, card: str) -> tuple[str, str]:
        """Pay the next invoice with a card, and come back."""
        reference, number = self.leave_for_the_bank()
        type_card(self.page, card)
        come_back(self.page, reference)
        return reference, number

    def at_the_merchant_s(self, reference: str) -> Locator:
        """Open the merchant's page at a payment."""
        self.page.goto(self.town.bank.merchant_url)
        return self.page.locator(f"[data-order={reference}]")

    def show(self, reference: str) -> None:
        """Open the page of a payment."""
        self.page.goto(f"{self.town.url}paiements/{reference}/")


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, town: Town) -> Iterator[tuple[Desk, Watch]]:
    numbers = [str(each) for each in range(9501, 9525)]
    settle(town, CODE, *(bill(number, label=f"CANTINES {number}") for number in numbers))
    with chromium.new_context(viewport=DESK, locale="fr-FR", timezone_id="Europe/Paris") as context:
        context.set_default_timeout(30_000)
        watch = Watch(context)
        page = context.new_page()
        sign_in(page, town, CODE)
        yield Desk(town, page, iter(numbers)), watch


@pytest.fixture
def desk(signed_in: tuple[Desk, Watch]) -> Iterator[Desk]:
    """The family's screen; at the end of each journey, no complaint of the browser and the books as the bank's."""
    desk, watch = signed_in
    watch.complaints.clear()
    yield desk
    assert watch.complaints == []
    assert desk.town.faults() == ()


@pytest.mark.parametrize("card", [UNNAMED_REFUSAL, EXPIRED_CARD, STOLEN, TECHNICAL])
def test_a_refusal_takes_nothing_and_frees_the_invoice(desk: Desk, card: str):
    reference, number = desk.pay(card)

    desk.expect_title("Le paiement n’a pas été accepté")
    expect(desk.page.get_by_role("heading", name=NOTHING_TAKEN)).to_be_visible()
    assert in_books(desk.town, reference) == (S.REFUSED, 0)
    desk.expect_state(number, "à payer")


def test_an_authentication_that_fails_is_a_refusal(desk: Desk):
    reference, number = desk.leave_for_the_bank()
    type_card(desk.page, UNAUTHENTICATED)
    desk.page.get_by_label("Saisissez le code reçu").fill(CHALLENGE_CODE)
    desk.page.get_by_role("button", name="Confirmer").click()
    come_back(desk.page, reference)

    desk.expect_title("Le paiement n’a pas été accepté")
    assert in_books(desk.town, reference) == (S.REFUSED, 0)
    desk.expect_state(number, "à payer")


def test_another_card_on_the_bank_s_page_after_a_refusal(desk: Desk):
    reference, number = desk.leave_for_the_bank()
    type_card(desk.page, REFUSED)
    shoot(desk.page, "accidents-bank-refused")
    desk.page.get_by_role("link", name="Essayer une autre carte").click()
    type_card(desk.page, ACCEPTED)
    come_back(desk.page, reference)

    desk.expect_title(PAID)
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_another_card_that_nobody_tells_of_is_found_by_asking(desk: Desk):
    reference, number = desk.leave_for_the_bank()
    type_card(desk.page, REFUSED)
    desk.page.get_by_role("link", name="Essayer une autre carte").click()
    type_card(desk.page, LOST)

    wait_until(lambda: in_books(desk.town, reference) == (S.ACCEPTED, 1), "the bank is asked again")

    desk.show(reference)
    desk.expect_title(PAID)
    desk.expect_state(number, "payée")


def test_a_verification_waits_then_turns_into_the_receipt_by_itself(desk: Desk):
    with desk.town.nobody_asks():
        reference, number = desk.pay(VERIFIED)
        desk.expect_title(CHECKING)
        expect(desk.page.get_by_role("heading", name="Ne payez pas une seconde fois")).to_be_visible()
        shoot(desk.page, "accidents-checking")
        assert in_books(desk.town, reference) == (S.PENDING, 0)

        desk.expect_title(PAID)

    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_a_verification_that_the_merchant_cancels_takes_nothing(desk: Desk):
    with desk.town.nobody_asks():
        reference, number = desk.pay(VERIFIED)
        desk.at_the_merchant_s(reference).get_by_role("button", name="Annuler le paiement").click()
        wait_until(lambda: in_books(desk.town, reference) == (S.CANCELLED, 0), "the cancellation is told")

    desk.show(reference)
    desk.expect_title("Ce paiement a été annulé")
    expect(desk.page.get_by_role("heading", name=NOTHING_TAKEN)).to_be_visible()
    expect(desk.page.get_by_text("La régie ou la banque a annulé ce paiement")).to_be_visible()
    shoot(desk.page, "accidents-called-off")
    desk.expect_state(number, "à payer")


@pytest.mark.parametrize("card", [LATE, RETURN_FIRST], ids=["late", "after the browser"])
def test_a_notification_that_comes_later_turns_the_page_into_the_receipt(desk: Desk, card: str):
    with desk.town.nobody_asks():
        reference, number = desk.leave_for_the_bank()
        type_card(desk.page, card)
        if card == LATE:
            come_back(desk.page, reference)
        desk.expect_title(WAITING)
        assert in_books(desk.town, reference) == (S.REDIRECTED, 0)

        desk.expect_title(PAID)

    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_told_twice_it_is_booked_once(desk: Desk):
    reference, number = desk.pay(TWICE)

    desk.expect_title(PAID)
    wait_until(
        lambda: [each.state for each in desk.town.bank.notifications(reference)] == [NotificationState.DELIVERED] * 2,
        "both notifications are delivered",
    )
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_a_bad_signature_is_refused_and_the_bank_is_asked(desk: Desk):
    with desk.town.nobody_asks():
        reference, number = desk.pay(FORGED)
        desk.expect_title(WAITING)
        assert in_books(desk.town, reference) == (S.REDIRECTED, 0)
        (told,) = desk.town.bank.notifications(reference)
        assert told.attempts[0].answer == "réponse 403"

    desk.expect_title(PAID)
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_a_wrong_amount_pays_in_part_and_leads_to_the_rest(desk: Desk):
    reference, number = desk.pay(HALVED)

    desk.expect_title("Votre paiement est accepté en partie")
    expect(desk.page.get_by_text("Elle a reçu 30,00\u00a0€ sur 60,00\u00a0€ demandés")).to_be_visible()
    shoot(desk.page, "accidents-short")
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    assert desk.town.faults() == ()

    desk.page.get_by_role("button", name="Payer ce reste").click()
    rest = confirm(desk.page)
    leave(desk.page)
    type_card(desk.page, ACCEPTED)
    come_back(desk.page, rest)
    desk.expect_state(number, "payée")


def test_a_browser_that_never_returns_finds_its_invoice_paid(desk: Desk):
    reference, number = desk.leave_for_the_bank()
    type_card(desk.page, STRANDED)
    expect(desk.page.get_by_text("ne ramène pas à la boutique")).to_be_visible()

    desk.expect_state(number, "payée")
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)


def test_a_refusal_told_after_the_acceptance_changes_nothing(desk: Desk):
    reference, number = desk.pay(DISORDERED)
    refused, _ = desk.town.bank.store.payments_of_order(reference)
    wait_until(
        lambda: desk.town.bank.store.notifications(refused.uuid)[0].state is NotificationState.DELIVERED,
        "the refusal is told",
    )

    desk.show(reference)
    desk.expect_title(PAID)
    assert in_books(desk.town, reference) == (S.ACCEPTED, 1)
    desk.expect_state(number, "payée")


def test_a_cancelled_payment_is_due_again(desk: Desk):
    reference, number = desk.pay(ACCEPTED)
    desk.at_the_merchant_s(reference).get_by_role("button", name="Annuler le paiement").click()
    wait_until(lambda: in_books(desk.town, reference) == (S.ACCEPTED, 2), "the cancellation is told")

    desk.show(reference)
    desk.expect_title("Ce paiement a été annulé")
    expect(desk.page.get_by_text("Votre carte n’est pas débitée")).to_be_visible()
    shoot(desk.page, "accidents-voided")
    desk.expect_state(number, "à payer")


def test_a_refund_in_part_then_whole(desk: Desk):
    reference, number = desk.pay(ACCEPTED)
    section = desk.at_the_merchant_s(reference)
    section.get_by_role("button", name="Remettre en banque").click()
    section.get_by_label("Somme à rembourser").fill("12,50")
    section.get_by_role("button", name="Rembourser").click()
    wait_until(lambda: in_books(desk.town, reference) == (S.CAPTURED, 2), "the refund is told")

    desk.show(reference)
    desk.expect_title("Une partie de ce paiement vous a été rendue")
    shoot(desk.page, "accidents-reduced")
    assert desk.town.faults() == ()
    desk.expect_state(number, "partiellement payée")

    desk.at_the_merchant_s(reference).get_by_role("button", name="Rembourser").click()
    wait_until(lambda: in_books(desk.town, reference) == (S.CAPTURED, 3), "the second refund is told")
    desk.show(reference)
    desk.expect_title("Ce paiement vous a été remboursé")
    shoot(desk.page, "accidents-returned")
    desk.expect_state(number, "à payer")


def test_the_bank_s_night_and_its_journals(desk: Desk):
    """The next morning: what nobody told of is in the journal, all is pointed; two days later, an impayé."""
    bank = desk.town.bank
    with desk.town.nobody_asks():
        lost, number = desk.leave_for_the_bank()
        type_card(desk.page, LOST)
        unpaid, second = desk.pay(ACCEPTED)

        desk.page.goto(bank.merchant_url)
        desk.page.get_by_role("button", name="Avancer d’un jour").click()
        expect(desk.page.get_by_text("Elle avance de 1 jour")).to_be_visible()
        shoot(desk.page, "accidents-merchant")
        told = desk.town.run("sevres-journal", str(bank.journals()[-1]))

    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{lost}, 60,00\u00a0€, notification perdue, appliquée" in told.stdout
    assert in_books(desk.town, lost) == (S.RECONCILED, 1)
    desk.expect_state(number, "payée")
    assert desk.town.faults() == ()

    desk.at_the_merchant_s(unpaid).get_by_role("button", name="Déclarer impayé").click()
    desk.page.get_by_role("button", name="Avancer d’un jour").click()
    expect(desk.page.get_by_text("Elle avance de 2 jours")).to_be_visible()
    told = desk.town.run("sevres-journal", str(bank.journals("JRI")[-1]), str(bank.journals()[-1]))

    assert told.returncode == 0, told.stdout + told.stderr
    assert f"{unpaid}, 60,00\u00a0€, impayé" in told.stdout
    desk.show(unpaid)
    desk.expect_title("Votre banque a repris ce paiement")
    shoot(desk.page, "accidents-unpaid")
    desk.expect_state(second, "à payer")
