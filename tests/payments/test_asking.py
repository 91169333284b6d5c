"""Asking the bank about payments that have no end yet."""

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest

from sevres_familles.domain.payment import EvidenceKind, PaymentState
from sevres_familles.payments.asking import ask_all, next_ask, waiting
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.gateways.port import BankUnreachable
from sevres_familles.payments.measures import measures_of_payments
from sevres_familles.payments.scripts import ask
from sevres_familles.payments.services import apply
from sevres_familles.web.sealing import DamagedRecord
from tests import factories
from tests.payments.making import AT, evidence, gateway, opened

K, S = EvidenceKind, PaymentState


class AnsweringBank:
    """A bank whose answers the test sets; it counts the questions."""

    def __init__(self):
        self.answer = ()
        self.asked = []
        self.fails_on = ""
        self.page_life = timedelta(minutes=12)
        self.depart = gateway().depart

    def ask(self, order, *, at):
        self.asked.append((order.reference, at))
        if order.reference == self.fails_on:
            raise DamagedRecord("a fault of ours")
        if self.answer is None:
            raise BankUnreachable("down")
        return self.answer


@pytest.fixture
def bank(registry):
    bank = AnsweringBank()
    registry.gateways = {"systempay": bank}
    return bank


@pytest.fixture
def reference(stored, registry, bank, clock):
    clock.moment = AT
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        return opened(portal, registry).reference


def state(stored, reference):
    with stored() as portal:
        return portal["paiements"][reference].state


def test_asks_at_30_s_2_5_15_30_min_2_h_then_daily_for_7_days(registry):
    settings, moment, asked = registry.settings_of_portal, AT, []
    while (moment := next_ask(settings, AT, moment)) is not None:
        asked.append(moment - AT)

    minutes = [timedelta(minutes=each) for each in (0.5, 2, 5, 15, 30, 120)]
    assert asked == minutes + [timedelta(days=each) for each in range(1, 8)]


def test_does_not_ask_before_30_s(registry, bank, clock, reference):
    clock.advance(seconds=29)

    assert ask_all(registry) == 0
    assert bank.asked == []


def test_a_lost_notification_is_made_up_for(registry, bank, clock, reference, stored):
    clock.advance(seconds=31)
    bank.answer = (evidence(K.AUTHORISED),)

    ask_all(registry)

    assert state(stored, reference) is S.ACCEPTED
    with stored() as portal:
        assert reference not in portal["paiements"].to_ask


def test_what_the_bank_does_not_know_waits_while_its_page_lives(registry, bank, clock, reference, stored):
    clock.advance(minutes=11)

    ask_all(registry)

    assert state(stored, reference) is S.REDIRECTED


def test_and_expires_once_its_page_has_died(registry, bank, clock, reference, stored):
    clock.advance(minutes=15)

    ask_all(registry)

    assert state(stored, reference) is S.EXPIRED
    with stored() as portal:
        assert portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"].open_payment is None
        assert not portal["paiements"].to_ask


def test_a_bank_that_is_silent_expires_nothing_and_is_asked_again(registry, bank, clock, reference, stored):
    clock.advance(hours=3)
    bank.answer = None

    ask_all(registry)

    assert state(stored, reference) is S.REDIRECTED
    with stored() as portal:
        assert portal["paiements"].to_ask[reference] == clock.now() + timedelta(minutes=1)


def test_a_long_wait_at_the_bank_alerts_once(registry, bank, clock, reference, stored):
    clock.advance(seconds=31)
    bank.answer = (evidence(K.PENDING),)
    ask_all(registry)

    for _ in range(3):
        clock.advance(hours=25)
        ask_all(registry)

    with stored() as portal:
        texts = [alert.text for alert in portal.stores["alerts"].values()]
    assert texts == ["en attente à la banque depuis plus de deux heures"]


def test_after_seven_days_it_is_asked_no_more(registry, bank, clock, reference, stored):
    bank.answer = (evidence(K.PENDING),)
    for _ in range(9):
        clock.advance(days=1)
        ask_all(registry)

    with stored() as portal:
        assert not portal["paiements"].to_ask


@pytest.fixture
def both(stored, registry, reference):
    """The references of two payments that are open, in the order in which the bank is asked about them."""
    with stored() as portal:
        family = portal["familles"]["26719"]
        factories.store_invoice(family, factories.facts("9174"))
        return sorted([reference, opened(portal, registry, "2026-9174").reference])


def test_one_about_which_the_bank_is_silent_does_not_keep_the_others_from_being_asked(registry, bank, clock, both):
    clock.advance(seconds=31)
    bank.answer = None

    assert ask_all(registry) == 2
    assert [each for each, _ in bank.asked] == both


def test_one_that_fails_does_not_keep_the_others_from_being_asked(registry, bank, clock, both, stored, caplog):
    first, second = both
    clock.advance(seconds=31)
    bank.fails_on = first
    bank.answer = (evidence(K.AUTHORISED),)

    assert ask_all(registry) == 2

    assert (state(stored, first), state(stored, second)) == (S.REDIRECTED, S.ACCEPTED)
    assert f"Asking about {first} failed" in caplog.text
    with stored() as portal:
        assert dict(portal["paiements"].to_ask) == {first: clock.now() + timedelta(minutes=1)}


def test_one_that_is_gone_does_not_keep_the_others_from_being_asked(registry, bank, clock, reference, stored):
    with stored() as portal:
        portal["paiements"].to_ask["P-222222222"] = AT
    clock.advance(seconds=31)
    bank.answer = (evidence(K.AUTHORISED),)

    ask_all(registry)

    assert state(stored, reference) is S.ACCEPTED


def test_one_whose_answer_cannot_be_taken_is_asked_about_again_a_minute_later(registry, bank, clock, reference, stored):
    clock.advance(seconds=31)
    bank.answer = (evidence(K.AUTHORISED)._replace(amount=None),)
    ask_all(registry)
    assert state(stored, reference) is S.REDIRECTED

    bank.answer = (evidence(K.AUTHORISED),)
    clock.advance(minutes=1)
    ask_all(registry)

    assert state(stored, reference) is S.ACCEPTED
    with stored() as portal:
        assert not portal["paiements"].unanswered


def alerts(stored):
    with stored() as portal:
        return [alert.text for alert in portal.stores["alerts"].values()]


def test_a_card_that_is_taken_after_a_refusal_is_found_though_nobody_tells(registry, bank, clock, reference, stored):
    """The bank's page offers another card as long as it lives: a refusal is asked about once more after it has died."""
    clock.advance(seconds=31)
    refusal = evidence(K.REFUSED, transaction="u0")
    bank.answer = (refusal,)
    ask_all(registry)
    assert state(stored, reference) is S.REFUSED
    bank.answer = (refusal, evidence(K.AUTHORISED, sequence=2))
    clock.advance(minutes=15)

    ask_all(registry)

    assert state(stored, reference) is S.ACCEPTED
    with stored() as portal:
        assert not portal["paiements"].to_ask


def test_a_refusal_is_asked_about_no_more_once_the_page_has_died(registry, bank, clock, reference, stored):
    bank.answer = (evidence(K.REFUSED, transaction="u0"),)
    for _ in range(4):
        clock.advance(minutes=8)
        ask_all(registry)

    with stored() as portal:
        assert not portal["paiements"].to_ask
    assert len(bank.asked) == 2


def test_a_long_silence_alerts_once(registry, bank, clock, reference, stored):
    bank.answer = None
    for _ in range(3):
        clock.advance(hours=3)
        ask_all(registry)

    assert alerts(stored) == ["la banque ne répond pas à son sujet depuis plus de deux heures"]
    assert state(stored, reference) is S.REDIRECTED


def test_what_has_no_answer_after_seven_days_is_left_to_staff(registry, bank, clock, reference, stored):
    bank.answer = (evidence(K.PENDING),)
    for _ in range(9):
        clock.advance(days=1)
        ask_all(registry)

    assert alerts(stored)[-1] == "sans réponse claire de la banque, qui n’est plus interrogée : à vérifier"
    assert state(stored, reference) is S.PENDING


@pytest.fixture
def left(registry, bank, clock, reference, stored, request):
    """The reference of a payment about which the bank said this for seven days."""
    bank.answer = (evidence(request.param),)
    for _ in range(9):
        clock.advance(days=1)
        ask_all(registry)
    return reference


EITHER = pytest.mark.parametrize("left", [K.PENDING, K.UNCLEAR], indirect=True)


@EITHER
def test_what_is_left_to_staff_is_counted_listed_and_no_fault_of_the_books(registry, clock, left, stored):
    with stored() as portal:
        payments = portal["paiements"]
        (one,) = waiting(payments)
        measures = {each.name: each.value for each in measures_of_payments(portal, registry, clock.now())}

        assert (one.payment.reference, one.is_left) == (left, True)
        assert one.payment.account["2026-9161"].open_payment == left
        assert measures["payments_waiting"] == measures["payments_left_to_staff"] == 1
        assert measures["payments_oldest_seconds"] == timedelta(days=9).total_seconds()
        assert verify_portal(portal).faults == ()


@EITHER
@pytest.mark.parametrize(
    ("end", "expected"), [(K.AUTHORISED, S.ACCEPTED), (K.REFUSED, S.REFUSED), (K.VOIDED, S.CANCELLED)]
)
def test_what_is_left_to_staff_ends_by_what_the_bank_tells_at_last(registry, left, stored, end, expected):
    with stored() as portal:
        payment = portal["paiements"][left]
        apply(portal, registry, payment, evidence(end))

        assert (payment.state, payment.account["2026-9161"].open_payment) == (expected, None)
        assert waiting(portal["paiements"]) == []
        assert verify_portal(portal).faults == ()


@pytest.mark.parametrize("left", [K.PENDING], indirect=True)
def test_what_is_left_to_staff_is_asked_about_again_when_the_bank_tells_something_else(registry, left, stored):
    with stored() as portal:
        apply(portal, registry, portal["paiements"][left], evidence(K.PENDING, transaction="u2"))

        assert [each.is_left for each in waiting(portal["paiements"])] == [False]


def test_a_payment_that_nobody_follows_is_a_fault_of_the_books(registry, reference, stored):
    with stored() as portal:
        del portal["paiements"].to_ask[reference]

        assert verify_portal(portal).faults == (
            f"paiement {reference} : en cours, et personne ne le demande à la banque",
        )


def unanswered(registry, stored, clock):
    with stored() as portal:
        measures = measures_of_payments(portal, registry, clock.now())
        (found,) = (each for each in measures if each.name == "payments_unanswered_seconds")
        return found.value, found.is_good


def test_for_how_long_the_bank_is_asked_in_vain_is_measured(registry, bank, clock, reference, stored):
    clock.advance(minutes=1)
    assert unanswered(registry, stored, clock) == (0, True)
    bank.answer = None
    for _ in range(2):
        ask_all(registry)
        clock.advance(hours=1)
    assert unanswered(registry, stored, clock) == (7200, False)

    bank.answer = (evidence(K.PENDING),)
    ask_all(registry)

    assert unanswered(registry, stored, clock) == (0, True)


def test_words_that_the_bank_alone_knows_are_left_to_staff(registry, bank, clock, reference, stored):
    clock.advance(seconds=31)
    bank.answer = (evidence(K.UNCLEAR),)

    ask_all(registry)

    assert state(stored, reference) is S.REDIRECTED
    assert alerts(stored) == ["message « AUTHORISED » mis de côté"]


def test_the_list_tells_what_waits_and_when_the_bank_is_asked_next(registry, clock, reference, stored):
    with stored() as portal:
        (one,) = waiting(portal["paiements"])

        assert (one.payment.reference, one.at, one.is_left) == (reference, AT + timedelta(seconds=30), False)


@pytest.fixture
def command(registry, monkeypatch):
    """The command, on the portal of the test."""

    @contextmanager
    def opened_here(ini):
        yield SimpleNamespace(registry=registry)

    monkeypatch.setattr("sevres_familles.payments.scripts.opened", opened_here)
    monkeypatch.setattr("sys.argv", ["sevres-ask", "x.ini", "--list"])
    return ask


@pytest.mark.parametrize("left", [K.UNCLEAR], indirect=True)
def test_the_command_lists_what_is_left_to_staff(command, left, capsys):
    command()

    assert capsys.readouterr().out.splitlines() == [
        f"{left} : 60,00\u00a0€, parti à la banque, commencé le lundi 23 novembre 2026 à 15:40, "
        "à vérifier auprès de la banque, qui n’est plus interrogée depuis le lundi 30 novembre 2026 à 15:40",
        "1 paiement à suivre auprès de la banque, dont 1 sans réponse définitive.",
    ]


def test_the_command_lists_what_waits_and_asks_nothing(command, bank, reference, capsys):
    command()

    assert capsys.readouterr().out.splitlines() == [
        f"{reference} : 60,00\u00a0€, parti à la banque, commencé le lundi 23 novembre 2026 à 15:40, "
        "prochaine question le lundi 23 novembre 2026 à 15:40",
        "1 paiement à suivre auprès de la banque, dont 1 sans réponse définitive.",
    ]
    assert bank.asked == []


def test_the_command_counts_an_accepted_payment_as_followed_but_answered(command, reference, stored, registry, capsys):
    with stored() as portal:
        apply(portal, registry, portal["paiements"][reference], evidence(K.AUTHORISED))

    command()

    listed, count = capsys.readouterr().out.splitlines()
    assert "accepté, commencé le" in listed
    assert count == "1 paiement à suivre auprès de la banque, dont 0 sans réponse définitive."
