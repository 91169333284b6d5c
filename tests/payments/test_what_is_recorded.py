"""What is recorded when the bank says nothing, or says it oddly: a test a line of the table of docs/payments.md.

Each tells the real door what a bank would, and looks at all that could have changed.
"""

from datetime import timedelta
from typing import NamedTuple
from urllib.parse import urlencode

import pytest

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import ask_all
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.gateways.port import BankUnreachable
from sevres_familles.payments.journals.resources import Verdict
from sevres_familles.payments.journals.taking import take_journal
from tests import factories
from tests.payments.journal_making import chargeback, journal, row, unpaid
from tests.payments.making import AT, body_of, fields_of, gateway, opened, refused, sign

DOOR = "/paiements/notifications/systempay"
TEST_KEY, LIVE_KEY = "1" * 32, "2" * 32


class Recorded(NamedTuple):
    """All that a message can change, in short."""

    state: PaymentState
    invoice: InvoiceState
    #: Cents of ours on the invoice, cents in recettes à classer.
    paid: int
    unclassified: int
    messages: int
    receipts: int
    alerts: int


@pytest.fixture
def bank(registry, monkeypatch):
    """The shop's gateway; `ask` is answered by what the test puts in ``answers``, by nothing when that is none."""
    made = gateway(keys=(TEST_KEY,))
    made.answers = ()

    def ask(order, *, at):
        if made.answers is None:
            raise BankUnreachable("down")
        return made.answers

    monkeypatch.setattr(made, "ask", ask)
    registry.gateways = {"systempay": made}
    return made


@pytest.fixture
def payment(stored, registry, bank, clock):
    clock.moment = AT
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        return opened(portal, registry)


@pytest.fixture
def tell(browser, payment):
    """Post a body to the bank's door, and give the status of the answer."""

    def tell(body):
        return browser.post(
            DOOR, body, extra_environ={"REMOTE_ADDR": "127.0.0.1"}, expect_errors=True,
            content_type="application/x-www-form-urlencoded",
        ).status_int  # fmt: skip

    return tell


@pytest.fixture
def recorded(stored, payment):
    def recorded():
        with stored() as portal:
            found = portal["paiements"][payment.reference]
            invoice = found.account["2026-9161"]
            assert verify_portal(portal).faults == ()
            return Recorded(
                found.state,
                invoice.status(AT.date()).state,
                invoice.paid_online().cents,
                found.unclassified.cents,
                len(found.evidence),
                len(found.receipts),
                len(portal.stores["alerts"]),
            )

    return recorded


S, V = PaymentState, InvoiceState
NOTHING = Recorded(S.REDIRECTED, V.PENDING, 0, 0, 0, 0, 0)
CHECKED = NOTHING._replace(state=S.PENDING, messages=1)
PAID = Recorded(S.ACCEPTED, V.PAID, 6000, 0, 1, 1, 0)


def money(payment, **changes):
    return body_of(fields_of(payment, **changes), TEST_KEY)


def refund(payment, cents):
    return money(payment, operation_type="CREDIT", trans_uuid="u2", amount=str(cents), effective_amount=str(cents))


def test_nothing_and_the_bank_knows_nothing_the_payment_expires_and_frees_its_invoice(registry, clock, recorded):
    clock.advance(minutes=13)

    ask_all(registry)

    assert recorded() == NOTHING._replace(state=S.EXPIRED, invoice=V.DUE)


def test_nothing_but_the_bank_took_the_money_it_is_asked_and_booked(registry, clock, bank, recorded, payment):
    clock.advance(seconds=31)
    bank.answers = (bank.read_notification(money(payment), source="127.0.0.1", at=AT).evidence,)

    ask_all(registry)

    assert recorded() == PAID


def test_nothing_but_the_journal_shows_the_money_it_is_booked(registry, recorded, payment):
    take_journal(registry, "systempay", journal(row(payment)), name="jt.csv")

    assert recorded() == PAID._replace(state=S.RECONCILED)


def test_nothing_when_asked_for_two_hours_staff_are_told_once_and_nothing_expires(registry, clock, bank, recorded):
    bank.answers = None
    for _ in range(3):
        clock.advance(hours=2)
        assert ask_all(registry) == 1

    assert recorded() == NOTHING._replace(alerts=1)


def test_pending_for_long_staff_are_told_and_after_seven_days_that_it_is_asked_no_more(
    registry, clock, bank, tell, recorded, payment
):
    body = money(payment, trans_status="UNDER_VERIFICATION")
    assert tell(body) == 200
    bank.answers = (bank.read_notification(body, source="127.0.0.1", at=AT).evidence,)

    clock.advance(hours=3)
    ask_all(registry)
    assert recorded() == CHECKED._replace(alerts=1)

    for _ in range(7):
        clock.advance(days=1)
        ask_all(registry)
    assert recorded() == CHECKED._replace(alerts=2)
    assert ask_all(registry) == 0


def test_late_after_a_refusal_the_money_counts(tell, recorded, payment):
    tell(body_of(refused(payment, trans_uuid="u0"), TEST_KEY))

    assert tell(money(payment)) == 200

    assert recorded() == PAID._replace(messages=2)


def test_late_after_the_end_the_money_counts(registry, clock, tell, recorded, payment):
    clock.advance(minutes=13)
    ask_all(registry)
    assert recorded().state is S.EXPIRED
    clock.advance(days=3)

    assert tell(money(payment)) == 200

    assert recorded() == PAID


def test_late_after_another_payment_of_the_same_invoice_the_money_is_to_be_classified(
    stored, registry, clock, tell, recorded, payment
):
    clock.advance(minutes=13)
    ask_all(registry)
    with stored() as portal:
        second = opened(portal, registry, at=AT + timedelta(minutes=13))
    tell(body_of(fields_of(second, trans_uuid="u9"), TEST_KEY))

    assert tell(money(payment)) == 200

    late = recorded()
    assert (late.paid, late.unclassified, late.receipts, late.alerts) == (6000, 6000, 1, 1)


def test_twice_the_second_changes_nothing(registry, tell, recorded, payment):
    tell(money(payment))
    before = registry._zodb_databases[""].storage.lastTransaction()

    assert tell(money(payment)) == 200

    assert recorded() == PAID
    assert registry._zodb_databases[""].storage.lastTransaction() == before


def test_in_the_wrong_order_an_accepted_payment_stays_so_and_staff_are_told(tell, recorded, payment):
    tell(money(payment))

    assert tell(body_of(refused(payment, trans_uuid="u0"), TEST_KEY)) == 200

    assert recorded() == PAID._replace(messages=2, alerts=1)


def test_in_the_wrong_order_what_was_pending_after_its_acceptance_changes_nothing(tell, recorded, payment):
    tell(money(payment))

    assert tell(money(payment, trans_status="UNDER_VERIFICATION")) == 200

    assert recorded() == PAID._replace(messages=2)


def test_less_than_was_asked_is_allocated_and_the_invoice_is_part_paid(tell, recorded, payment):
    assert tell(money(payment, amount="2500", effective_amount="2500")) == 200

    assert recorded() == PAID._replace(invoice=V.PART_PAID, paid=2500, alerts=1)


def test_more_than_was_asked_is_to_be_classified(tell, recorded, payment):
    assert tell(money(payment, amount="6500", effective_amount="6500")) == 200

    assert recorded() == PAID._replace(unclassified=500, alerts=2)


def test_one_operation_with_two_amounts_the_first_stays_booked_and_staff_are_told(tell, recorded, payment):
    tell(money(payment))

    assert tell(money(payment, trans_status="CAPTURED", amount="5000", effective_amount="5000")) == 200

    assert recorded() == PAID._replace(state=S.CAPTURED, messages=2, alerts=1)


def test_cancelled_before_the_remittance_the_invoice_is_due_again(tell, recorded, payment):
    tell(money(payment))

    assert tell(money(payment, trans_status="CANCELLED")) == 200

    assert recorded() == PAID._replace(invoice=V.DUE, paid=0, messages=2, alerts=1)


def test_cancelled_before_it_was_accepted_nothing_was_taken(tell, recorded, payment):
    tell(money(payment, trans_status="UNDER_VERIFICATION"))

    assert tell(money(payment, trans_status="CANCELLED")) == 200

    assert recorded() == CHECKED._replace(state=S.CANCELLED, invoice=V.DUE, messages=2)


def test_taken_back_as_an_impaye_the_invoice_is_due_again(registry, tell, recorded, payment):
    tell(money(payment))

    take_journal(registry, "systempay", unpaid(chargeback(payment)), name="jri.csv")

    assert recorded() == PAID._replace(invoice=V.DUE, paid=0, messages=2, alerts=1)


def test_after_a_refund_the_acceptance_told_again_pays_nothing(tell, recorded, payment):
    tell(money(payment))
    tell(refund(payment, 6000))
    refunded = recorded()

    assert tell(money(payment)) == 200

    assert recorded() == refunded == PAID._replace(invoice=V.DUE, paid=0, messages=2, alerts=1)


def test_a_refund_before_its_payment_waits_for_it(tell, recorded, payment):
    assert tell(refund(payment, 2000)) == 200
    assert recorded() == NOTHING._replace(messages=1, alerts=1)

    tell(money(payment))

    assert recorded() == PAID._replace(invoice=V.PART_PAID, paid=4000, messages=2, alerts=2)


@pytest.mark.parametrize("change", [{"trans_id": "zzzzzz"}, {"trans_date": "20200101000000"}], ids=["number", "date"])
def test_with_another_number_or_date_than_we_sent_the_bank_s_own_answer_counts(
    registry, bank, tell, recorded, payment, change
):
    assert tell(money(payment, **change)) == 200
    assert recorded() == NOTHING._replace(alerts=1)
    bank.answers = (bank.read_notification(money(payment), source="127.0.0.1", at=AT).evidence,)

    assert ask_all(registry) == 1

    assert recorded() == PAID._replace(alerts=1)


def test_for_a_reference_that_we_do_not_know_staff_are_told_and_nothing_is_asked(registry, tell, recorded, payment):
    assert tell(money(payment, order_id="P-22222222X")) == 200

    assert recorded() == NOTHING._replace(alerts=1)
    assert ask_all(registry) == 0


UNCLEAR = NOTHING._replace(messages=1, alerts=1)


@pytest.mark.parametrize("change", [{"surprise": "x"}, {"auth_result": "05"}], ids=["unknown name", "disagreement"])
def test_unclear_the_message_is_kept_and_the_bank_s_own_answer_counts(registry, bank, tell, recorded, payment, change):
    assert tell(money(payment, **change)) == 200
    assert recorded() == UNCLEAR
    bank.answers = (bank.read_notification(money(payment), source="127.0.0.1", at=AT).evidence,)

    assert ask_all(registry) == 1

    assert recorded() == PAID._replace(messages=2, alerts=1)


def test_unclear_then_read_rightly_the_money_counts(tell, recorded, payment):
    tell(money(payment, surprise="x"))

    assert tell(money(payment)) == 200

    assert recorded() == PAID._replace(messages=2, alerts=1)


def test_unclear_then_in_the_journal_the_money_counts(registry, tell, recorded, payment):
    tell(money(payment, surprise="x"))

    report = take_journal(registry, "systempay", journal(row(payment)), name="jt.csv")

    assert dict(report.counts) == {Verdict.LOST_NOTICE: 1}
    assert recorded() == PAID._replace(state=S.RECONCILED, messages=2, alerts=1)


@pytest.mark.parametrize(
    ("make", "status"),
    [
        (lambda payment: money(payment, ctx_mode="PRODUCTION"), 403),
        (lambda payment: urlencode(fields_of(payment)).encode(), 403),
        (lambda payment: urlencode({**fields_of(payment), "signature": ""}).encode(), 403),
        (lambda payment: body_of(fields_of(payment), LIVE_KEY), 403),
        (lambda payment: money(payment, hash=None), 400),
    ],
    ids=["in the wrong mode", "unsigned", "with an empty signature", "with another key", "as the browser brings it"],
)
def test_what_is_not_authentic_leaves_a_line_in_the_log_and_nothing_else(
    registry, tell, recorded, payment, caplog, make, status
):
    before = registry._zodb_databases[""].storage.lastTransaction()

    assert tell(make(payment)) == status

    assert recorded() == NOTHING
    assert registry._zodb_databases[""].storage.lastTransaction() == before
    assert "Refused a notification" in caplog.text


@pytest.mark.parametrize("mode", ["TEST", "PRODUCTION"])
def test_in_production_what_the_test_key_signed_is_refused(registry, tell, recorded, payment, mode):
    """Whatever mode the message says: the key of tests is not even known there."""
    registry.gateways = {"systempay": gateway(keys=(LIVE_KEY,), mode="PRODUCTION")}

    assert tell(money(payment, ctx_mode=mode)) == 403

    assert recorded() == NOTHING
    live = {**fields_of(payment, ctx_mode="PRODUCTION")}
    assert tell(urlencode({**live, "signature": sign(live, LIVE_KEY)}).encode()) == 200
    assert recorded() == PAID
