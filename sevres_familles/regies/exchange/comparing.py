"""Setting the files against the database: what is refused, what changes, what stays.

`Comparison.changes_of` looks at one family and changes nothing; it serves twice, to check and count before anything is
written, and in each transaction that stages (families pay meanwhile, so figures are read again).
"""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from sevres_familles.domain import invoice as domain
from sevres_familles.domain.family import join_record
from sevres_familles.domain.invoice import BillingFigures, BillingState, CountedPayment
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.packing import pack, unpack
from sevres_familles.families.resources import Family
from sevres_familles.regies.exchange.crossing import wrong_figures
from sevres_familles.regies.exchange.faults import Fault, Faults, shown
from sevres_familles.regies.exchange.workspace import Workspace
from sevres_familles.regies.resources import FamilyAccount, Invoice, accounts_of
from sevres_familles.web.root import Portal

_STORED, _FAMILY, _CHILD, _INVOICE, _BALANCE = range(5)


class InvoiceRow(NamedTuple):
    """An invoice of the files, its lines with it (packed, in pieces); ``state`` is the name of a `BillingState`."""

    file: int
    line: int
    regie: str
    name: str
    head: str | None
    total: int | None
    remaining: int | None
    state: str | None
    counted: str
    issued: str | None
    lines: tuple[str, ...]


class BalanceRow(NamedTuple):
    """A balance of the files."""

    file: int
    line: int
    regie: str
    amount: int | None
    computed_on: str | None


@dataclass
class Dossier:
    """All that the files say of one family code.  ``first`` is the file and line to name when the code is unknown."""

    code: str
    first: tuple[int, int] | None = None
    guardians: str | None = None
    emails: str = ""
    children: list[str] = field(default_factory=list)
    invoices: list[InvoiceRow] = field(default_factory=list)
    balances: list[BalanceRow] = field(default_factory=list)

    @property
    def weight(self) -> int:
        """How much staging it writes, roughly, in invoices."""
        return 1 + len(self.invoices)


def dossiers(workspace: Workspace, among: str, *, with_stored: bool = False) -> Iterator[Dossier]:
    """Go through the families of the files whose codes are in a table, by code; and through those stored, if asked."""
    join = f"JOIN {among} USING (code)"
    lines = "LEFT JOIN lines ON lines.regie = invoices.regie AND lines.name = invoices.name"
    streams = [
        workspace.select(query)
        for query in (
            f"SELECT code, {_FAMILY}, file, line, guardians, emails FROM families {join} ORDER BY code",
            f"SELECT code, {_CHILD}, file, line, child FROM children {join} ORDER BY code, children.rowid",
            f"SELECT code, {_INVOICE}, invoices.file, invoices.line, invoices.regie, invoices.name, head, "
            f"invoices.total, remaining, state, counted, issued, body, invoices.rowid FROM invoices {join} {lines} "
            "ORDER BY code, invoices.regie, invoices.name, invoices.rowid, lines.rowid",
            f"SELECT code, {_BALANCE}, file, line, regie, amount, computed_on FROM balances {join} "
            "ORDER BY code, regie",
        )
    ]
    if with_stored:
        streams.insert(0, workspace.select(f"SELECT code, {_STORED} FROM stored ORDER BY code"))
    for code, rows in groupby(heapq.merge(*streams, key=itemgetter(0)), key=itemgetter(0)):
        yield _dossier(code, rows)


def _dossier(code: str, rows: Iterator[tuple[Any, ...]]) -> Dossier:
    dossier = Dossier(code)
    last = None
    for _, kind, *row in rows:
        if kind == _STORED:
            continue
        if dossier.first is None:
            dossier.first = row[0], row[1]
        if kind == _FAMILY:
            dossier.guardians, dossier.emails = row[2], row[3]
        elif kind == _CHILD:
            dossier.children.append(row[2])
        elif kind == _BALANCE:
            dossier.balances.append(BalanceRow._make(row))
        else:
            *fields, body, rowid = row
            pieces = (body,) if body is not None else ()
            if rowid == last:
                before = dossier.invoices[-1]
                dossier.invoices[-1] = before._replace(lines=before.lines + pieces)
            else:
                dossier.invoices.append(InvoiceRow._make((*fields, pieces)))
            last = rowid
    return dossier


@dataclass
class Tally:
    """Counts and sums, in cents, of what is new, changed, the same; of invoices, past: older than we keep any."""

    new: int = 0
    new_cents: int = 0
    changed: int = 0
    changed_cents: int = 0
    same: int = 0
    same_cents: int = 0
    past: int = 0
    past_cents: int = 0


class NewInvoice(NamedTuple):
    """An invoice to put: its name, its facts and figures as they are stored, what they amount to in cents, its file."""

    name: str
    facts: str
    figures: str
    total: int
    remaining: int
    file: int


class NewFigures(NamedTuple):
    """Figures that an invoice is to have."""

    name: str
    figures: BillingFigures
    file: int


@dataclass
class AccountChanges:
    """What is to change in the account with one régie."""

    invoices: list[NewInvoice] = field(default_factory=list)
    figures: list[NewFigures] = field(default_factory=list)
    balance: tuple[Money, date] | None = None


@dataclass
class Changes:
    """What is to change for one family; ``record`` is packed."""

    record: str | None = None
    accounts: defaultdict[str, AccountChanges] = field(default_factory=lambda: defaultdict(AccountChanges))

    def __bool__(self) -> bool:
        return self.record is not None or bool(self.accounts)


class Comparison:
    """What the files would do to the portal.

    ``invoices`` and ``balances`` are tallies by régie; an invoice's sums are totals when new, differences of what is
    left to pay when changed, what is left to pay when the same.  An invoice that we do not know and that was issued
    before ``kept_since`` is past: it may have been here, paid, and purged.  It is left aside, whatever the file says of
    it, and counted, with what the file leaves to pay.
    """

    def __init__(
        self, portal: Portal, workspace: Workspace, files: Sequence[str], faults: Faults, kept_since: date
    ) -> None:
        self.portal = portal
        self.kept_since = kept_since
        self.files = files
        self.faults = faults
        self.families = Tally()
        self.invoices: defaultdict[str, Tally] = defaultdict(Tally)
        self.balances: defaultdict[str, Tally] = defaultdict(Tally)
        self._regies = frozenset(portal["regies"])
        self._has_children = workspace.count("children") > 0
        self._has_lines = workspace.count("lines") > 0

    def changes_of(self, dossier: Dossier) -> Changes:
        """Tell what is to change for a family, and note what is refused."""
        changes = Changes()
        family: Family | None = self.portal["familles"].staged(dossier.code)
        if family is not None and family.packed_record is None:
            family = None  # What a dead import left counts for nothing.
        accounts = {account.__name__: account for account in accounts_of(family)} if family is not None else {}
        rows = [row for row in dossier.invoices if row.regie in self._regies and None not in row]
        past = [row for row in rows if self._is_past(accounts.get(row.regie), row)]
        for row in past:
            self.invoices[row.regie].past += 1
            self.invoices[row.regie].past_cents += int(row.remaining or 0)
        if family is None and dossier.guardians is None:
            if len(past) == len(dossier.invoices) and not (dossier.children or dossier.balances):
                return changes
            advice = "Donnez-la dans un fichier des familles."
            self._fault(dossier.first or (0, 1), "code famille", f"La famille {dossier.code} est inconnue", advice)
            return changes
        self._compare_record(family, dossier, changes)
        for row in rows:
            if not self._is_past(accounts.get(row.regie), row):
                self._compare_invoice(accounts.get(row.regie), row, changes)
        for balance in dossier.balances:
            if balance.regie in self._regies and None not in balance:
                self._compare_balance(accounts.get(balance.regie), balance, changes)
        return changes

    def count_new(self, workspace: Workspace) -> None:
        """Count the families that were not looked at: everything of them is new."""
        ((families,),) = workspace.select(f"SELECT COUNT(*) FROM families WHERE {_NOT_LOOKED_AT}")
        self.families.new += families
        for tallies, table, column in ((self.invoices, "invoices", "total"), (self.balances, "balances", "amount")):
            query = f"SELECT regie, COUNT(*), SUM({column}) FROM {table} WHERE {_NOT_LOOKED_AT} GROUP BY regie"
            for regie, count, cents in workspace.select(query):
                tally = tallies[regie]
                tally.new += count
                tally.new_cents += cents or 0

    def _fault(self, where: tuple[int, int], column: str | None, found: str, advice: str) -> None:
        file, line = where
        self.faults.add(Fault(self.files[file], line, column, found, advice))

    def _is_past(self, account: FamilyAccount | None, row: InvoiceRow) -> bool:
        is_known = account is not None and row.name in account
        return not is_known and date.fromisoformat(str(row.issued)) < self.kept_since

    def _compare_record(self, family: Family | None, dossier: Dossier, changes: Changes) -> None:
        if dossier.guardians is None and not dossier.children:
            return
        guardians, children = dossier.guardians, f"[{','.join(dossier.children)}]"
        known = family.packed_record if family is not None else None
        if guardians is None or not self._has_children:
            if known is None:
                children = "[]"
            else:
                old_guardians, old_children = map(pack, unpack(known))
                guardians = guardians or old_guardians
                children = children if dossier.children else old_children
        record = join_record(str(guardians), children)
        if record == known:
            self.families.same += 1
        else:
            changes.record = record
            if known is None:
                self.families.new += 1
            else:
                self.families.changed += 1

    def _compare_invoice(self, account: FamilyAccount | None, row: InvoiceRow, changes: Changes) -> None:
        tally = self.invoices[row.regie]
        known = account[row.name] if account is not None and row.name in account else None
        if known is None and not row.lines:
            advice = "Donnez ses lignes dans un fichier des lignes."
            self._fault((row.file, row.line), None, f"La facture {row.name} n’a aucune ligne", advice)
            return
        if known is not None and not self._same_facts(known, row):
            return
        counted = self._counted(known, row)
        if counted is None:
            return
        invoiced, remaining, state = int(row.total or 0), int(row.remaining or 0), str(row.state)
        if known is None:
            facts = domain.pack_facts(str(row.head), *row.lines)
            # No payment of ours can be counted on it: its figures are written straight as they are stored.
            new = NewInvoice(row.name, facts, f"{remaining} {state}", invoiced, remaining, row.file)
            changes.accounts[row.regie].invoices.append(new)
            tally.new += 1
            tally.new_cents += invoiced
            return
        figures = BillingFigures(Money(remaining), BillingState[state], counted)
        if figures != known.figures:
            changes.accounts[row.regie].figures.append(NewFigures(row.name, figures, row.file))
            tally.changed += 1
            tally.changed_cents += remaining - known.figures.remaining.cents
        else:
            tally.same += 1
            tally.same_cents += remaining

    def _same_facts(self, known: Invoice, row: InvoiceRow) -> bool:
        """Tell whether the file says of an invoice what it said before; lines may be left out with their file."""
        without_lines = not row.lines and not self._has_lines
        lines = (domain.pack_lines(known.facts.lines),) if without_lines else row.lines
        packed = domain.pack_facts(str(row.head), *lines)
        if packed == known.packed_facts:
            return True
        before, now = known.facts, domain.unpack_facts(packed)
        differences = [
            f"{french} {_told(new)} au lieu de {_told(old)}"
            for name, french in _FACTS.items()
            if (new := getattr(now, name)) != (old := getattr(before, name))
        ]
        if before.lines != now.lines:
            differences.append("lignes différentes")
        if differences:
            found = f"La facture {row.name} est déjà connue autrement : {', '.join(differences)}"
            self._fault((row.file, row.line), None, found, _ISSUED)
        return not differences

    def _counted(self, known: Invoice | None, row: InvoiceRow) -> tuple[CountedPayment, ...] | None:
        """Read which of our payments a row counts, and for which sum: what was said last, unless it says it.

        None, with faults noted, when it counts what it may not, or leaves more to pay than these payments do.
        """
        if not row.counted:
            return ()
        payments = known.payments if known is not None else {}
        before = {each.reference: each.amount for each in known.figures.counted} if known is not None else {}
        counted = []
        for reference, cents in unpack(row.counted):
            fault = ""
            if reference not in payments:
                fault = f"Le paiement {reference} n’est pas de cette facture"
            elif cents is not None and Money(cents) > max(payments[reference], before.get(reference, ZERO)):
                fault = f"Le paiement {reference} est de {payments[reference]}, le fichier en compte {Money(cents)}"
            if fault:
                advice = "Ne comptez que nos paiements de cette facture, pour leur montant ou une part."
                self._fault((row.file, row.line), "paiements comptés", fault, advice)
                return None
            amount = Money(cents) if cents is not None else before.get(reference, payments[reference])
            counted.append(CountedPayment(reference, amount))
        taken = sum(each.amount.cents for each in counted)
        wrong = wrong_figures(int(row.total or 0), int(row.remaining or 0), taken, str(row.state))
        if wrong is not None:
            self._fault((row.file, row.line), *wrong)
        return tuple(counted) if wrong is None else None

    def _compare_balance(self, account: FamilyAccount | None, row: BalanceRow, changes: Changes) -> None:
        tally = self.balances[row.regie]
        balance = Money(row.amount or 0), date.fromisoformat(str(row.computed_on))
        if account is not None and account.imported_balance == balance:
            tally.same += 1
            tally.same_cents += balance[0].cents
            return
        changes.accounts[row.regie].balance = balance
        if account is None or account.imported_balance is None:
            tally.new += 1
            tally.new_cents += balance[0].cents
        else:
            tally.changed += 1
            tally.changed_cents += balance[0].cents


class Absent(NamedTuple):
    """The invoices of a régie that its file leaves out: how many, and the first ones."""

    number: int
    first: tuple[str, ...]


_FIRST_ABSENT = 10
_FAMILIES_BETWEEN_SWEEPS = 200


def plan(comparison: Comparison, workspace: Workspace, progress: Callable[[], Any]) -> dict[str, Absent]:
    """Note in the workspace the families that change, with what is refused, and tell what invoices the files leave out.

    The files of invoices are set against the whole database: an invoice may be another family's there.  Families that
    are not in it, and about which nothing is odd, are all new: they are counted without being looked at.
    """
    portal = comparison.portal
    regies = {regie for (regie,) in workspace.select("SELECT DISTINCT regie FROM invoices")}
    for code in portal["familles"]:
        workspace.add("stored", (code,))
    workspace.order("stored")
    workspace.fill("looked_at", _LOOKED_AT, comparison.kept_since.isoformat())
    workspace.order("looked_at")
    for number, dossier in enumerate(dossiers(workspace, "looked_at", with_stored=bool(regies))):
        if dossier.first is not None:
            progress()
            if comparison.changes_of(dossier):
                workspace.add("planned", (dossier.code,))
        for regie, name in _known_invoices(portal, dossier.code, regies):
            workspace.add("known", (dossier.code, regie, name))
        if number % _FAMILIES_BETWEEN_SWEEPS == 0:
            portal._p_jar.cacheGC()
    comparison.count_new(workspace)
    workspace.fill("planned", f"SELECT code FROM families WHERE {_NOT_LOOKED_AT}")
    workspace.order("planned", "known")
    _find_moved(comparison, workspace)
    return {regie: _absent(workspace, regie) for regie in sorted(regies)}


#: Codes that the database has, and those with something odd: no guardians, an invoice without lines, payments counted,
#: an invoice older than a day.
_LOOKED_AT = """
    SELECT code FROM stored
    UNION SELECT code FROM invoices WHERE counted <> '' OR issued < ?
    UNION SELECT code FROM invoices WHERE NOT EXISTS
        (SELECT 1 FROM lines WHERE lines.regie = invoices.regie AND lines.name = invoices.name)
    UNION SELECT code FROM (SELECT code FROM children UNION SELECT code FROM invoices UNION SELECT code FROM balances)
        WHERE code NOT IN (SELECT code FROM families)
"""
_NOT_LOOKED_AT = "code NOT IN (SELECT code FROM looked_at)"


def _known_invoices(portal: Portal, code: str, regies: set[str]) -> Iterator[tuple[str, str]]:
    family: Family | None = portal["familles"].staged(code)
    for account in accounts_of(family) if family is not None else ():
        if account.__name__ in regies:
            yield from ((account.__name__, str(invoice.__name__)) for invoice in account)


def _find_moved(comparison: Comparison, workspace: Workspace) -> None:
    query = """
        SELECT invoices.file, invoices.line, invoices.name, known.code FROM invoices
        JOIN known ON known.regie = invoices.regie AND known.name = invoices.name
        WHERE known.code <> invoices.code ORDER BY invoices.rowid
    """
    for file, line, name, code in workspace.select(query):
        found = f"La facture {name} est déjà connue pour la famille {code}"
        comparison.faults.add(Fault(comparison.files[file], line, "code famille", found, _ISSUED))


def _absent(workspace: Workspace, regie: str) -> Absent:
    lacking = """
        FROM known WHERE regie = ? AND NOT EXISTS
        (SELECT 1 FROM invoices WHERE invoices.regie = known.regie AND invoices.name = known.name)
    """
    ((count,),) = workspace.select(f"SELECT COUNT(*) {lacking}", regie)
    first = workspace.select(f"SELECT name, code {lacking} ORDER BY name LIMIT {_FIRST_ABSENT}", regie)
    return Absent(count, tuple(f"{name} (famille {code})" for name, code in first))


_ISSUED = "Une facture émise ne change pas : annulez-la et émettez-en une autre."
#: What never changes on an invoice, beside its lines, and how to call it.
_FACTS = {
    "label": "libellé",
    "lot": "lot",
    "issued_on": "date d’émission",
    "due_on": "date d’échéance",
    "period": "période",
    "total": "total",
}


def _told(value: Any) -> str:
    if isinstance(value, date):
        return f"{value:%d/%m/%Y}"
    return shown(value) if isinstance(value, str) else str(value)
