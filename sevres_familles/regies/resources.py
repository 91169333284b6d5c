"""Nodes of the régies area: régies, family accounts, invoices, and the journals of an account's ledger."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sevres_familles.domain import ledger
from sevres_familles.domain.invoice import (
    BillingFigures,
    InvoiceFacts,
    InvoiceStatus,
    left_to_pay,
    pack_facts,
    pack_figures,
    pack_head,
    pack_lines,
    status_of,
    unpack_facts,
    unpack_figures,
)
from sevres_familles.domain.money import ZERO, Money, total
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.families.resources import Family, Lots, Staged
from sevres_familles.web.container import Container, Node, Part
from sevres_familles.web.security import DENY_ALL
from sevres_familles.web.town import RegieDescription


class Regies(Container):
    """All the régies, by name."""

    __acl__ = (DENY_ALL,)


class ReceiptGap(NamedTuple):
    """Numbers of receipts that no book has, from the first to the last, and that are given to nobody any more.

    They may stand on receipts of a database that is lost (decision 10).  ``by`` is who said so, ``why`` a few words.
    """

    first: ReceiptNumber
    last: ReceiptNumber
    at: datetime
    by: str
    why: str


class Regie(Node):
    """A régie: what it cashes, whom to ask, by which gateway, and the numbers of its receipts.

    ``receipts`` is the last number of each year, ``receipt_gaps`` are those that were left out below it;
    ``purged_receipts`` counts by year those whose time is over.
    """

    purged_receipts: Mapping[int, int] = MappingProxyType({})
    receipt_gaps: tuple[ReceiptGap, ...] = ()

    def __init__(self, description: RegieDescription) -> None:
        self.description = description
        self.receipts: dict[int, int] = {}

    @property
    def title(self) -> str:
        """The régie's name as people read it."""
        return self.description.title

    def next_receipt_number(self, year: int) -> str:
        """Give the next receipt number of a year, without a gap: ``2026-SCO-000001``.

        Called in the very transaction that books the payment, so that an abort gives the number back.
        """
        count = self.receipts.get(year, 0) + 1
        self.receipts = {**self.receipts, year: count}
        return str(self._receipt_number(year, count))

    def leave_out_receipts(self, year: int, last: int, *, at: datetime, by: str, why: str) -> None:
        """Give no number of a year up to a last one any more, and keep who said so."""
        given = self.receipts.get(year, 0)
        if last > given:
            first_left, last_left = self._receipt_number(year, given + 1), self._receipt_number(year, last)
            self.receipt_gaps = (*self.receipt_gaps, ReceiptGap(first_left, last_left, at, by, why))
            self.receipts = {**self.receipts, year: last}

    def _receipt_number(self, year: int, count: int) -> ReceiptNumber:
        return ReceiptNumber(year, self.description.code, count)

    def purge_receipt(self, year: int) -> None:
        """Note that a receipt of a year is kept no longer."""
        self.purged_receipts = {**self.purged_receipts, year: self.purged_receipts.get(year, 0) + 1}


class Journal(Part):
    """A chain of entries of an account, each kept as one line: a part of the account.

    ``staged`` is how many entries count while its lot is not published.  ``opening`` stands for the entries that were
    purged, packed.
    """

    staged: Staged | None = None
    _opening: str | None = None
    _v_entries: tuple[ledger.Entry, ...] | None = None

    def __init__(self, account: "FamilyAccount", lines: tuple[str, ...] = (), staged: Staged | None = None) -> None:
        self.lines = lines
        self.staged = staged
        self.__parent__ = account

    @classmethod
    def restored(cls, account: "FamilyAccount", state: tuple[Any, ...]) -> "Journal":
        """Make a journal from what is stored of it."""
        journal = cls.__new__(cls)
        lines, staged, *opening = state
        journal.__dict__.update(lines=tuple(lines.splitlines()), staged=staged, __parent__=account)
        if opening:
            journal.__dict__["_opening"] = opening[0]
        return journal

    def state(self) -> tuple[Any, ...]:
        """Give what is stored: the lines as one text, what is staged, the opening when there is one."""
        opening = (self._opening,) if self._opening is not None else ()
        return "\n".join(self.lines), self.staged, *opening

    @property
    def opening(self) -> ledger.Opening | None:
        """What stands for the entries that were purged."""
        return ledger.unpack_opening(self._opening) if self._opening is not None else None

    def seal(self, count: int, lots: Lots) -> None:
        """Replace the first entries, so many of them, by an opening (requirements I14).

        :raises ValueError: when there is none to replace, or an import is under way.
        """
        if self._count(lots) is not None:
            raise ValueError("an import is under way")
        self.staged = None
        self._opening = ledger.pack_opening(ledger.seal(self.entries[:count], self.opening))
        self._set_lines(self.lines[count:])

    @property
    def entries(self) -> tuple[ledger.Entry, ...]:
        """Every entry, those of an unpublished lot included."""
        if self._v_entries is None:
            self._v_entries = tuple(map(ledger.unpack_entry, self.lines))
        return self._v_entries

    def append(self, *drafts: ledger.Draft) -> None:
        """Write entries that count at once."""
        self._set_lines(ledger.append(self.lines, *drafts, opening=self.opening))

    def stage(self, lot: int, *drafts: ledger.Draft) -> None:
        """Write entries that count when their lot is published."""
        if self.staged is None or self.staged.lot != lot:
            self.staged = Staged(lot, len(self.lines))
        self.append(*drafts)

    def counted(self, lots: Lots) -> tuple[ledger.Entry, ...]:
        """Give the entries that count."""
        return self.entries[: self._count(lots)]

    def unstage(self, lots: Lots) -> None:
        """Take away the entries that an import that died left: they never counted."""
        count = self._count(lots)
        if count is not None:
            self._set_lines(self.lines[:count])
            self.staged = None

    def _set_lines(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        self._v_entries = None

    def _count(self, lots: Lots) -> int | None:
        """Tell how many entries count, or none when all do."""
        return self.staged.value if self.staged is not None and not lots.shows(self.staged.lot) else None


_JOURNALS = {"billing", "cash"}


class FamilyAccounts(Part):
    """The accounts of a family, one a régie: a part of the family."""

    crumb = "Vos comptes"

    def __init__(self) -> None:
        self.accounts: dict[str, FamilyAccount] = {}

    def __getitem__(self, name: str) -> "FamilyAccount":
        """Find an account that shows.

        :raises KeyError: when there is none.
        """
        account = self.accounts[name]
        if not account.lots.shows(account.born):
            raise KeyError(name)
        return account

    def __iter__(self) -> Iterator["FamilyAccount"]:
        """Go through the accounts that show, in the order of the régies' names in the tree."""
        return (account for account in self.accounts.values() if account.lots.shows(account.born))

    def open(self, regie: Regie, lot: int, lots: Lots) -> "FamilyAccount":
        """Open the account with a régie, or find it, for an import."""
        name = regie.__name__ or ""
        account = self.accounts.get(name)
        if account is None:
            account = FamilyAccount(regie, lot, lots)
            account.__name__, account.family = name, self.__parent__  # type: ignore[assignment]
            self.accounts = dict(sorted({**self.accounts, name: account}.items()))
        return account

    def unstage(self, lots: Lots) -> None:
        """Take away what an import that died left."""
        shown = {name: account for name, account in self.accounts.items() if lots.shows(account.born)}
        if len(shown) < len(self.accounts):
            self.accounts = shown
        for account in shown.values():
            account.unstage()


class FamilyAccount(Node):
    """A family's account with a régie: its invoices, its two journals, and the balance that billing computed.

    ``born`` is the lot that opened it.  ``imported_balance`` is (`Money`, date du calcul), positive when the family
    owes, or none.
    """

    crumb = "Vos factures"
    #: The family whose account it is.
    family: Family
    cash: Journal | None = None
    #: Cents, and the day in ISO form; the staged one alike.
    _imported_balance: tuple[int, str] | None = None
    _staged_balance: Staged | None = None
    #: How it stands, as `services.standing_of` computed it last, and for what.
    _v_standing: tuple[Any, Any] | None = None

    def __init__(self, regie: Regie, born: int, lots: Lots) -> None:
        self.regie = regie
        self.born = born
        self.lots = lots
        self.invoices: dict[str, Invoice] = {}
        self.billing = Journal(self)

    @property
    def __parent__(self) -> Any:  # type: ignore[override]
        return self.family["comptes"]

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        state["invoices"] = {name: invoice.state() for name, invoice in self.invoices.items()}
        for name in _JOURNALS & state.keys():
            state[name] = state[name].state()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        invoices = {name: Invoice.restored(name, self, each) for name, each in state["invoices"].items()}
        journals = {name: Journal.restored(self, state[name]) for name in _JOURNALS & state.keys()}
        super().__setstate__({**state, **journals, "invoices": invoices})

    def __getitem__(self, name: str) -> "Invoice":
        """Find an invoice that shows.

        :raises KeyError: when there is none.
        """
        invoice = self.invoices[name]
        if not self.lots.shows(invoice.born):
            raise KeyError(name)
        return invoice

    def __contains__(self, name: str) -> bool:
        invoice = self.invoices.get(name)
        return invoice is not None and self.lots.shows(invoice.born)

    def __iter__(self) -> Iterator["Invoice"]:
        """Go through the invoices that show."""
        return (invoice for invoice in self.invoices.values() if self.lots.shows(invoice.born))

    @property
    def imported_balance(self) -> tuple[Money, date] | None:
        """The balance of the last published file, and the day it was computed."""
        packed = self._packed_balance()
        return (Money(packed[0]), date.fromisoformat(packed[1])) if packed is not None else None

    def _packed_balance(self) -> tuple[int, str] | None:
        if self._staged_balance is not None and self.lots.shows(self._staged_balance.lot):
            return self._staged_balance.value  # type: ignore[no-any-return]
        return self._imported_balance

    def stage_balance(self, lot: int, amount: Money, computed_on: date) -> None:
        """Write an imported balance that shows when the lot is published."""
        self._imported_balance = self._packed_balance()
        self._staged_balance = Staged(lot, (amount.cents, computed_on.isoformat()))

    def entries(self) -> tuple[ledger.Entry, ...]:
        """Give every entry that counts, of both journals."""
        cash = self.cash.entries if self.cash is not None else ()
        return self.billing.counted(self.lots) + cash

    def balance(self) -> Money:
        """Sum the entries: positive is owed by the family (requirements D4, INV4)."""
        openings = (journal.opening for journal in (self.billing, self.cash) if journal is not None)
        return ledger.balance(self.entries()) + total(each.balance() for each in openings if each is not None)

    def book(self, draft: ledger.Draft) -> None:
        """Write an entry of a payment.  The account is written too, so that two payments at once conflict (R3)."""
        if self.cash is None:
            self.cash = Journal(self)
        self.cash.append(draft)

    def add_invoice(self, invoice: "Invoice") -> None:
        """Put an invoice that an import brings."""
        invoice.__parent__ = self
        self.invoices[invoice.__name__ or ""] = invoice

    def put_invoices(self, stored: Mapping[str, tuple[Any, ...]]) -> None:
        """Put invoices from what is stored of them, by name: an import has them as texts already."""
        self.invoices = self.invoices | {name: Invoice.restored(name, self, state) for name, state in stored.items()}

    def purge_invoices(self, names: Iterable[str]) -> None:
        """Take out invoices whose time is over; the openings of the journals keep their sums."""
        gone = set(names)
        self.invoices = {name: each for name, each in self.invoices.items() if name not in gone}

    def unstage(self) -> None:
        """Take away what an import that died left."""
        shown = {name: each for name, each in self.invoices.items() if self.lots.shows(each.born)}
        if len(shown) < len(self.invoices):
            self.invoices = shown
        for invoice in shown.values():
            invoice.unstage()
        if self._staged_balance is not None and not self.lots.shows(self._staged_balance.lot):
            self._staged_balance = None
        self.billing.unstage(self.lots)


class Invoice(Part):
    """What one family owes to one régie, by a date: a part of its account.

    So whatever writes an invoice writes its account, two payments of one account at once conflict (R3), and a page of
    many invoices loads one object.

    ``payments`` are ours, by reference, refunds taken off; ``open_payment`` is the reference of the one that is under
    way at the bank, which shields the invoice against a second.
    """

    #: What is stored of it, in this order; new names come last.  Nothing else can be set.
    STORED = ("packed_facts", "_figures", "born", "payments", "_staged", "open_payment", "open_since")

    packed_facts: str
    born: int
    #: Packed, as `domain.invoice` writes them; the staged ones alike.
    _figures: str
    _staged: Staged | None = None
    payments: Mapping[str, Money] = MappingProxyType({})
    open_payment: str | None = None
    #: When that payment was opened, in UTC.
    open_since: datetime | None = None
    _v_facts: InvoiceFacts | None = None

    def __init__(self, facts: InvoiceFacts, figures: BillingFigures, born: int) -> None:
        self.__name__ = str(facts.key)
        self.packed_facts = pack_facts(pack_head(facts), pack_lines(facts.lines))
        self._figures = pack_figures(figures)
        self.born = born

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self.STORED and not name.startswith(("_v_", "__")):
            raise AttributeError(f"{name} would not be stored")
        super().__setattr__(name, value)

    @classmethod
    def restored(cls, name: str, account: FamilyAccount, state: tuple[Any, ...]) -> "Invoice":
        """Make an invoice from what is stored of it: an import has facts and figures packed already."""
        invoice = cls.__new__(cls)
        known = zip(cls.STORED, state, strict=False)
        if None in state:
            known = ((attribute, value) for attribute, value in known if value is not None)  # type: ignore[assignment]
        invoice.__dict__.update(known, __name__=name, __parent__=account)
        return invoice

    def state(self) -> tuple[Any, ...]:
        """Give what is stored: values alone, as far as any is set."""
        values = list(map(self.__dict__.get, self.STORED))
        while values[-1] is None:
            values.pop()
        return tuple(values)

    @property
    def facts(self) -> InvoiceFacts:
        """What never changes on it."""
        facts = self._v_facts
        if facts is None:
            facts = self._v_facts = unpack_facts(self.packed_facts)
        return facts

    @property
    def crumb(self) -> str:
        """The name in the breadcrumbs."""
        return self.facts.label

    @property
    def account(self) -> FamilyAccount:
        """The account it stands in."""
        return self.__parent__  # type: ignore[return-value]

    @property
    def reference(self) -> str:
        """The reference of the guide: ``CANTINES-9161-26719``."""
        return f"{self.facts.lot}-{self.facts.key.number}-{self.account.family.code}"

    @property
    def figures(self) -> BillingFigures:
        """What the last published file says."""
        return unpack_figures(self._packed_figures())

    def _packed_figures(self) -> str:
        if self._staged is not None and self.account.lots.shows(self._staged.lot):
            return self._staged.value  # type: ignore[no-any-return]
        return self._figures

    def stage(self, lot: int, figures: BillingFigures) -> None:
        """Write figures that show when the lot is published."""
        self._figures = self._packed_figures()
        self._staged = Staged(lot, pack_figures(figures))

    def unstage(self) -> None:
        """Take away what an import that died left."""
        if self._staged is not None and not self.account.lots.shows(self._staged.lot):
            self._staged = None

    def left(self) -> Money:
        """Compute what is left to pay; negative when the family paid more than it owed."""
        return left_to_pay(self.figures, self.payments)

    def paid_online(self) -> Money:
        """Sum our payments on it."""
        return sum(self.payments.values(), ZERO)

    def status(self, today: date, *, lasting: bool = False) -> InvoiceStatus:
        """Compute how it stands on a day.

        :param lasting: leave out a payment under way: what is printed is read when that has long come to its end.
        """
        return status_of(
            self.figures,
            self.payments,
            due_on=self.facts.due_on,
            today=today,
            pending=self.open_payment is not None and not lasting,
            invoiced=self.facts.total,
        )

    def record_payment(self, reference: str, amount: Money) -> None:
        """Add to what a payment of ours paid on it; a negative amount takes off (a refund)."""
        self.payments = {**self.payments, reference: self.payments.get(reference, ZERO) + amount}


def accounts_of(family: Family) -> FamilyAccounts:
    """Find the accounts of a family; one that has none yet gets an empty list of them, for reading."""
    accounts: Any = family.nodes.get("comptes")
    return accounts if accounts is not None else FamilyAccounts()


def accounts_for_import(family: Family) -> FamilyAccounts:
    """Find the accounts of a family, or make their list."""
    accounts: Any = family.nodes.get("comptes")
    if accounts is None:
        accounts = FamilyAccounts()
        accounts.__name__, accounts.__parent__ = "comptes", family
        family.nodes = {**family.nodes, "comptes": accounts}
    return accounts  # type: ignore[no-any-return]
