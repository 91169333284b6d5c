"""How accounts and invoices stand, for the screens."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

from sevres_familles.domain.invoice import InvoiceState, InvoiceStatus
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import Money, total
from sevres_familles.regies.resources import FamilyAccount, FamilyAccounts, Invoice


class Standing(NamedTuple):
    """An invoice, and how it stands today."""

    invoice: Invoice
    status: InvoiceStatus


class AccountStanding(NamedTuple):
    """An account, and how its invoices stand, in the order in which a family reads them."""

    account: FamilyAccount
    invoices: tuple[Standing, ...]

    @property
    def payable(self) -> tuple[Standing, ...]:
        """The invoices that can be paid on line now, the most urgent first."""
        return tuple(each for each in self.invoices if each.status.payable)

    @property
    def due(self) -> Money:
        """What can be paid on line now."""
        return total(each.status.due for each in self.payable)

    def count(self, *states: InvoiceState) -> int:
        """Count the invoices in states."""
        return sum(each.status.state in states for each in self.invoices)


#: What asks for an act stands first, then what waits, then what is over.
_OVER = 3
_ORDER = {
    InvoiceState.LATE: 0,
    InvoiceState.DUE: 0,
    InvoiceState.PART_PAID: 0,
    InvoiceState.PENDING: 1,
    InvoiceState.SENT_TO_TREASURY: 2,
    InvoiceState.PAID: _OVER,
    InvoiceState.CANCELLED: _OVER,
}


def _reading_order(each: Standing) -> tuple[int, int, str]:
    """Order invoices: unpaid first, by deadline; then those that are over, the newest first."""
    facts, order = each.invoice.facts, _ORDER[each.status.state]
    day = -facts.issued_on.toordinal() if order == _OVER else facts.due_on.toordinal()
    return order, day, facts.key.number


def standing_of(account: FamilyAccount, today: date) -> AccountStanding:
    """Tell how an account stands today."""
    invoices = (Standing(invoice, invoice.status(today)) for invoice in account)
    return AccountStanding(account, tuple(sorted(invoices, key=_reading_order)))


def standings_of(accounts: FamilyAccounts, today: date) -> tuple[AccountStanding, ...]:
    """Tell how the accounts of a family stand today, the one with the nearest deadline first."""

    def urgency(standing: AccountStanding) -> tuple[date, str]:
        payable = standing.payable
        return payable[0].invoice.facts.due_on if payable else date.max, standing.account.regie.title

    return tuple(sorted((standing_of(account, today) for account in accounts), key=urgency))


class Movement(NamedTuple):
    """What a payment did to an invoice: ``reference`` is the payment's."""

    at: datetime
    kind: EntryKind
    amount: Money
    reference: str


def movements_of(invoice: Invoice) -> Iterable[Movement]:
    """Go through what our payments did to an invoice, oldest first, as the ledger tells it."""
    cash = invoice.account.cash
    name = str(invoice.facts.key)
    for entry in cash.entries if cash is not None else ():
        if entry.draft.invoice == name:
            draft = entry.draft
            yield Movement(draft.at, draft.kind, draft.amount, draft.document.partition(" ")[0])
