"""What an invoice is, what is left to pay on it, and the state that follows.

The billing software owns invoices: number, lines and total never change here.  What is left to pay comes from its last
file, less those of our payments that the file does not count yet.  The state is computed, never stored.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from sevres_familles.domain.money import Money, total
from sevres_familles.domain.packing import pack, unpack


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
    CREDIT_NOTE = "avoir"
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


class CountedPayment(NamedTuple):
    """One of our payments that the file has taken off already, for the sum that it took off."""

    reference: str
    amount: Money


class BillingFigures(NamedTuple):
    """What the last file says is left to pay, in which state, counting which of our payments.

    A payment is counted for a sum, which stays: when the bank gives money back afterwards, the family owes it again
    until the file says otherwise.
    """

    remaining: Money
    state: BillingState
    counted: tuple[CountedPayment, ...] = ()

    @property
    def billed(self) -> Money:
        """What billing asks for, before any payment of ours: what *facturation* entries of the invoice sum up to."""
        return self.remaining + total(each.amount for each in self.counted)


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
    if not payments and not figures.counted:
        return figures.remaining
    return figures.billed - total(payments.values())


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
        return InvoiceState.CREDIT_NOTE if invoiced.cents < 0 else InvoiceState.PAID
    if figures.state == BillingState.SENT_TO_TREASURY:
        return InvoiceState.SENT_TO_TREASURY
    if pending:
        return InvoiceState.PENDING
    if today > due_on:
        return InvoiceState.LATE
    return InvoiceState.PART_PAID if due < invoiced else InvoiceState.DUE


def pack_head(facts: InvoiceFacts) -> str:
    """Write the facts of an invoice but its lines."""
    dates = facts.issued_on.isoformat(), facts.due_on.isoformat()
    return pack([*facts.key, facts.label, facts.lot, *dates, facts.period, facts.total.cents])


def pack_lines(lines: Iterable[InvoiceLine]) -> str:
    """Write lines of an invoice."""
    return pack([[*line[:3], line.unit_price.cents, line.amount.cents, line.deductible] for line in lines])


def pack_facts(head: str, *lines: str) -> str:
    """Put together the facts of an invoice from its head and its lines, packed.

    Equal facts give equal texts, so that an import compares and stores them without making an object of each line.
    """
    return f"[{head},[{','.join(each[1:-1] for each in lines)}]]"


def unpack_facts(text: str) -> InvoiceFacts:
    """Read the facts of an invoice back."""
    (exercice, number, label, lot, issued, due, period, cents), lines = unpack(text)
    return InvoiceFacts(
        key=InvoiceKey(exercice, number),
        label=label,
        lot=lot,
        issued_on=date.fromisoformat(issued),
        due_on=date.fromisoformat(due),
        period=period,
        total=Money(cents),
        lines=tuple(map(_unpack_line, lines)),
    )


def _unpack_line(fields: list[Any]) -> InvoiceLine:
    child, activity, quantity, unit_price, amount, deductible = fields
    return InvoiceLine(child, activity, quantity, Money(unit_price), Money(amount), deductible)


_BILLING_STATES = {str(state): state for state in BillingState}


def pack_figures(figures: BillingFigures) -> str:
    """Write figures as one text, ``6000 DUE P-7KQ4M2XDN=2000``; equal figures give equal texts."""
    counted = (f"{each.reference}={each.amount.cents}" for each in figures.counted)
    return " ".join((str(figures.remaining.cents), figures.state.name, *counted))


@lru_cache(maxsize=8192)
def unpack_figures(text: str) -> BillingFigures:
    """Read figures back."""
    cents, state, *counted = text.split(" ")
    return BillingFigures(Money(int(cents)), BillingState[state], tuple(map(_unpack_counted, counted)))


def _unpack_counted(text: str) -> CountedPayment:
    reference, _, cents = text.partition("=")
    return CountedPayment(reference, Money(int(cents)))
