"""What an invoice is, what is left to pay on it, and the state that follows.

The billing software owns invoices: number, lines and total never change here.  What is left to pay comes from its last
file, less those of our payments that the file does not count yet.  The state is computed, never stored.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from sevres_familles.domain.money import Money, total


class BillingState(StrEnum):
    """What the billing software says of an invoice."""

    DUE = "due"
    PAID_AT_COUNTER = "payée au guichet"
    SENT_TO_TREASURY = "transmise au Trésor"
    CANCELLED = "annulée"


class InvoiceState(StrEnum):
    """What a family reads beside an invoice (requirements D6)."""

    DUE = "à payer"
    LATE = "en retard"
    PENDING = "paiement en cours"
    PART_PAID = "partiellement payée"
    PAID = "payée"
    SENT_TO_TREASURY = "transmise au Trésor"
    CANCELLED = "annulée"


class InvoiceKey(NamedTuple):
    """What makes an invoice one within its régie: exercice (a year) and number (requirements D8)."""

    exercice: int
    number: str

    def __str__(self) -> str:
        return f"{self.exercice}-{self.number}"


class InvoiceLine(NamedTuple):
    """One line: an activity for a child.  ``quantity`` is text as printed (``10``, ``7,5``)."""

    child: str
    activity: str
    quantity: str
    unit_price: Money
    amount: Money
    deductible: bool


class InvoiceFacts(NamedTuple):
    """What never changes on an invoice.

    ``lot`` is the billing run (``CANTINES``); ``period`` is as printed; the total is the sum of the lines.
    """

    key: InvoiceKey
    label: str
    lot: str
    issued_on: date
    due_on: date
    period: str
    total: Money
    lines: tuple[InvoiceLine, ...]


class BillingFigures(NamedTuple):
    """What the last file says is left to pay, in which state, counting which of our payments (by reference)."""

    remaining: Money
    state: BillingState
    counted: frozenset[str] = frozenset()


class InvoiceStatus(NamedTuple):
    """An invoice as it stands at a moment: what is left to pay, and its state in words."""

    due: Money
    state: InvoiceState

    @property
    def payable(self) -> bool:
        """Whether it can be paid on line now."""
        return self.state in _PAYABLE


_PAYABLE = frozenset({InvoiceState.DUE, InvoiceState.LATE, InvoiceState.PART_PAID})


def left_to_pay(figures: BillingFigures, payments: Mapping[str, Money]) -> Money:
    """Compute what is left to pay: the file's figure, less our payments (by reference) that it does not count.

    Negative when the family paid more than it owed.
    """
    if not payments:
        return figures.remaining
    return figures.remaining - total(amount for reference, amount in payments.items() if reference not in figures.counted)


def status_of(
    figures: BillingFigures,
    payments: Mapping[str, Money],
    *,
    due_on: date,
    today: date,
    pending: bool,
    invoiced: Money,
) -> InvoiceStatus:
    """Compute how an invoice stands today.

    :param payments: our payments on this invoice, by reference, refunds taken off.
    :param pending: whether a payment of it is under way at the bank.
    """
    due = left_to_pay(figures, payments)
    return InvoiceStatus(due, _state(figures, due, due_on=due_on, today=today, pending=pending, invoiced=invoiced))


def _state(
    figures: BillingFigures, due: Money, *, due_on: date, today: date, pending: bool, invoiced: Money
) -> InvoiceState:
    if figures.state == BillingState.CANCELLED:
        return InvoiceState.CANCELLED
    if due.cents <= 0 or figures.state == BillingState.PAID_AT_COUNTER:
        return InvoiceState.PAID
    if figures.state == BillingState.SENT_TO_TREASURY:
        return InvoiceState.SENT_TO_TREASURY
    if pending:
        return InvoiceState.PENDING
    if today > due_on:
        return InvoiceState.LATE
    return InvoiceState.PART_PAID if due < invoiced else InvoiceState.DUE
