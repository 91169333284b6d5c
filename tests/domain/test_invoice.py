"""What is left to pay on an invoice, and its state."""

from datetime import date, timedelta

import pytest

from sevres_familles.domain.invoice import (
    BillingFigures,
    BillingState,
    CountedPayment,
    InvoiceState,
    left_to_pay,
    status_of,
)
from sevres_familles.domain.money import Money

DUE_ON = date(2026, 11, 30)
TOTAL = Money(6000)


def status(remaining=6000, state=BillingState.DUE, payments=None, *, day=DUE_ON, pending=False, counted=()):
    figures = BillingFigures(Money(remaining), state, tuple(counted))
    return status_of(figures, payments or {}, due_on=DUE_ON, today=day, pending=pending, invoiced=TOTAL)


def test_a_payment_that_the_file_does_not_count_is_deducted():
    assert left_to_pay(BillingFigures(TOTAL, BillingState.DUE), {"P-1": Money(2000)}) == Money(4000)


def test_a_payment_that_the_file_counts_is_not_deducted_twice():
    figures = BillingFigures(Money(4000), BillingState.DUE, (CountedPayment("P-1", Money(2000)),))

    assert left_to_pay(figures, {"P-1": Money(2000)}) == Money(4000)


def test_it_is_due_until_its_day_and_late_after():
    assert status(day=DUE_ON).state is InvoiceState.DUE
    assert status(day=DUE_ON + timedelta(days=1)).state is InvoiceState.LATE


@pytest.mark.parametrize(
    ("arguments", "state", "payable"),
    [
        ({}, InvoiceState.DUE, True),
        ({"remaining": 2500}, InvoiceState.PART_PAID, True),
        ({"payments": {"P-1": Money(100)}}, InvoiceState.PART_PAID, True),
        ({"pending": True}, InvoiceState.PENDING, False),
        ({"payments": {"P-1": TOTAL}}, InvoiceState.PAID, False),
        ({"remaining": 0, "state": BillingState.PAID_AT_COUNTER}, InvoiceState.PAID, False),
        ({"state": BillingState.SENT_TO_TREASURY}, InvoiceState.SENT_TO_TREASURY, False),
        ({"state": BillingState.SENT_TO_TREASURY, "pending": True}, InvoiceState.SENT_TO_TREASURY, False),
        ({"remaining": 0, "state": BillingState.CANCELLED}, InvoiceState.CANCELLED, False),
    ],
)
def test_the_state_follows_from_the_figures(arguments, state, payable):
    result = status(**arguments)

    assert (result.state, result.payable) == (state, payable)


@pytest.mark.parametrize(
    ("remaining", "state"), [(-3750, InvoiceState.CREDIT_NOTE), (0, InvoiceState.CREDIT_NOTE), (100, InvoiceState.DUE)]
)
def test_a_credit_note_is_told_apart_from_what_was_paid(remaining, state):
    figures = BillingFigures(Money(remaining), BillingState.DUE)

    found = status_of(figures, {}, due_on=DUE_ON, today=DUE_ON, pending=False, invoiced=Money(-3750))

    assert found.state is state


def test_what_was_paid_too_much_shows_as_negative():
    assert status(0, BillingState.PAID_AT_COUNTER, {"P-1": TOTAL}).due == Money(-6000)
