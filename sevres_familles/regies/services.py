"""How accounts and invoices stand, for the screens and on paper."""

from collections.abc import Iterable, Iterator
from datetime import date, datetime
from typing import NamedTuple

from sevres_familles.domain.invoice import InvoiceLine, InvoiceState, InvoiceStatus
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO, Money, total
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
    InvoiceState.CREDIT_NOTE: _OVER,
    InvoiceState.CANCELLED: _OVER,
}


def _reading_order(each: Standing) -> tuple[int, int, str]:
    """Order invoices: unpaid first, by deadline; then those that are over, the newest first."""
    facts, order = each.invoice.facts, _ORDER[each.status.state]
    day = -facts.issued_on.toordinal() if order == _OVER else facts.due_on.toordinal()
    return order, day, facts.key.number


def standing_of(account: FamilyAccount, today: date) -> AccountStanding:
    """Tell how an account stands today.

    What was told before is told again while neither the account, nor what shows, nor the day has changed: a family goes
    from page to page, and this is a sixth of the time of one.
    """
    # What shows is asked first: it loads the account, whose serial is right only then.
    key = account.lots.published, account._p_serial, today
    is_being_written = account._p_changed or account._p_jar is None
    if is_being_written or account._v_standing is None or account._v_standing[0] != key:
        invoices = (Standing(invoice, invoice.status(today)) for invoice in account)
        account._v_standing = key, AccountStanding(account, tuple(sorted(invoices, key=_reading_order)))
    standing: AccountStanding = account._v_standing[1]
    return standing


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


def deducted(amount: Money) -> str:
    """Write an amount of a bill, one to take off in words."""
    return f"{-amount} à déduire" if amount.cents < 0 else str(amount)


def multiplied(line: InvoiceLine) -> str:
    """Write quantity × unit price: what is taken off is told in words, by the amount, and by no minus."""
    return f"{line.quantity.removeprefix('-')} × {abs(line.unit_price)}"


def sums_of(invoiced: Money, status: InvoiceStatus) -> Iterator[tuple[str, str]]:
    """Give the sums under the lines of an invoice, each with its words: total, already paid, left to pay."""
    yield "Total", deducted(invoiced)
    if status.state is InvoiceState.CANCELLED:
        return
    if status.due < invoiced and invoiced > ZERO:
        yield "Déjà réglé", str(invoiced - status.due)
    elif status.due > invoiced:
        yield "Ajouté depuis", str(status.due - invoiced)
    yield ("Avoir en votre faveur", str(-status.due)) if status.due < ZERO else ("Reste à payer", str(status.due))
