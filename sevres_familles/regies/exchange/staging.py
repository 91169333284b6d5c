"""The second pass: writing under a lot that nobody sees, publishing it, and taking away what a killed run left.

Every transaction is small, and is tried again when a family paid meanwhile.  A transaction notes which families it
touches (`resources.Imports.touched`), so a run that dies leaves a list of what to clean.
"""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from transaction import TransactionManager
from ZODB.POSException import ConflictError

from sevres_familles.domain.invoice import BillingFigures
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import Money
from sevres_familles.families.resources import Families, Family
from sevres_familles.identity.emails import lines_of
from sevres_familles.regies.exchange.comparing import AccountChanges, Changes, Comparison, Dossier, dossiers
from sevres_familles.regies.exchange.faults import Faults
from sevres_familles.regies.exchange.resources import ImportedFile, ImportReport, Imports, lot_document
from sevres_familles.regies.exchange.workspace import Workspace
from sevres_familles.regies.resources import Regie, accounts_for_import, accounts_of
from sevres_familles.web.logs import tell
from sevres_familles.web.root import Portal

#: How much one transaction stages, in invoices and families: some tenths of a second.
BATCH_WEIGHT = 2_500
_ADDRESSES_AT_ONCE = 5_000
_ATTEMPTS = 12

#: Told how much was done.
Progress = Callable[[int], Any]


class FaultsMeanwhile(Exception):
    """What was checked is no longer so: another hand wrote to the database.  Nothing shows."""


class Booked:
    """What was written to the journals of each régie: how many entries, and their sum in cents."""

    def __init__(self) -> None:
        self.entries: Counter[str] = Counter()
        self.cents: Counter[str] = Counter()

    def note(self, regie: str, drafts: Sequence[Draft]) -> None:
        """Note the entries of an account."""
        self.entries[regie] += len(drafts)
        self.cents[regie] += sum(
            draft.amount.cents if draft.debit == LedgerAccount.FAMILY else -draft.amount.cents for draft in drafts
        )

    def add(self, other: "Booked") -> None:
        """Add what another transaction wrote."""
        self.entries.update(other.entries)
        self.cents.update(other.cents)


class Import(NamedTuple):
    """An import that was checked: the portal, in a transaction of ``tm``, and what goes into it.

    ``key`` is that of the index of e-mail addresses.
    """

    tm: TransactionManager
    portal: Portal
    workspace: Workspace
    comparison: Comparison
    key: bytes
    at: datetime
    files: tuple[ImportedFile, ...]

    def stage_and_publish(self, progress: Progress) -> int:
        """Stage all that changes, publish it, and give the number of the lot."""
        lot: int = attempt(self.tm, self.portal.stores["lots"].give)
        # Its tallies count the attempts; those of the comparison before are told.
        checked = self.comparison
        comparison = Comparison(self.portal, self.workspace, checked.files, Faults(), checked.kept_since)
        booked = Booked()
        for number, batch in enumerate(_batches(dossiers(self.workspace, "planned"))):
            addresses, more = attempt(self.tm, lambda: self._stage_batch(lot, number, batch, comparison))  # noqa: B023 - run at once
            for line in addresses:
                self.workspace.add("addresses", line)
            booked.add(more)
            progress(len(batch))
        self._note_addresses()
        attempt(self.tm, lambda: self._publish(lot, booked))
        return lot

    def _stage_batch(
        self, lot: int, number: int, batch: Sequence[Dossier], comparison: Comparison
    ) -> tuple[list[tuple[bytes, str]], Booked]:
        """Stage some families; give the lines that the index of addresses is to have for them, and what was booked."""
        addresses: list[tuple[bytes, str]] = []
        booked = Booked()
        imports: Imports = self.portal.stores["imports"]
        imports.touch(number, [dossier.code for dossier in batch])
        for dossier in batch:
            changes = comparison.changes_of(dossier)
            if comparison.faults:
                raise FaultsMeanwhile(comparison.faults.report())
            self._stage(lot, dossier.code, changes, booked)
            if changes.record is not None:
                addresses += lines_of(self.key, dossier.code, dossier.emails.split())
        return addresses, booked

    def _stage(self, lot: int, code: str, changes: Changes, booked: Booked) -> None:
        families: Families = self.portal["familles"]
        family: Family | None = families.staged(code)
        if family is None:
            family = families.add(code, Family(code, self.portal.stores["lots"]))
        if changes.record is not None:
            family.stage_packed(lot, changes.record)
        for regie, account_changes in changes.accounts.items():
            self._stage_account(lot, family, self.portal["regies"][regie], account_changes, booked)

    def _stage_account(self, lot: int, family: Family, regie: Regie, changes: AccountChanges, booked: Booked) -> None:
        account = accounts_for_import(family).open(regie, lot, self.portal.stores["lots"])
        drafts: list[Draft] = []
        account.put_invoices({new.name: (new.facts, new.figures, lot) for new in changes.invoices})
        for new in changes.invoices:
            document = self._document(lot, new.file)
            drafts += self._drafts(EntryKind.INVOICED, new.total, new.name, document)
            drafts += self._drafts(EntryKind.BILLING_CHANGE, new.remaining - new.total, new.name, document)
        for name, figures, file in changes.figures:
            invoice = account.invoices[name]
            difference = _difference(invoice.figures, figures)
            invoice.stage(lot, figures)
            drafts += self._drafts(EntryKind.BILLING_CHANGE, difference.cents, name, self._document(lot, file))
        if drafts:
            account.billing.stage(lot, *drafts)
            booked.note(regie.__name__ or "", drafts)
        if changes.balance is not None:
            account.stage_balance(lot, *changes.balance)

    def _document(self, lot: int, file: int) -> str:
        return lot_document(lot, self.files[file].name)

    def _drafts(self, kind: EntryKind, cents: int, invoice: str, document: str) -> Iterator[Draft]:
        """Write what the family owes more, or less; nothing when it owes the same."""
        debit, credit = LedgerAccount.FAMILY, LedgerAccount.BILLING
        if cents < 0:
            debit, credit = credit, debit
        if cents:
            yield Draft(self.at, kind, debit, credit, Money(abs(cents)), invoice, document)

    def _note_addresses(self) -> None:
        """Write the index of addresses in the order of its keys: each part of the tree is written once."""
        self.workspace.order("addresses")
        lines = self.workspace.select("SELECT DISTINCT hash, code FROM addresses ORDER BY hash, code")
        while some := list(islice(lines, _ADDRESSES_AT_ONCE)):
            attempt(self.tm, lambda: self.portal.stores["emails"].note_lines(some))

    def _publish(self, lot: int, booked: Booked) -> None:
        comparison = self.comparison
        report = ImportReport(
            lot,
            self.at,
            files=self.files,
            families=asdict(comparison.families),
            invoices={regie: asdict(tally) for regie, tally in comparison.invoices.items()},
            balances={regie: asdict(tally) for regie, tally in comparison.balances.items()},
            booked={regie: (count, booked.cents[regie]) for regie, count in booked.entries.items()},
        )
        self.portal.stores["imports"].finish(report)
        self.portal.stores["lots"].publish(lot)
        tell(self.portal, "import", lot=lot, files=len(self.files))


def _difference(before: BillingFigures, after: BillingFigures) -> Money:
    """Compute what billing asks for more: the change of what is left, and our payments that it counts from now on.

    So the entries of an invoice always sum up to what the last file leaves to pay, less our payments that it does not
    count; a payment that it no longer counts is owed by nobody twice, and so takes its sum off again.
    """
    return after.billed - before.billed


def _batches(families: Iterable[Dossier]) -> Iterator[list[Dossier]]:
    batch: list[Dossier] = []
    weight = 0
    for dossier in families:
        batch.append(dossier)
        weight += dossier.weight
        if weight >= BATCH_WEIGHT:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


def attempt(tm: TransactionManager, act: Callable[[], Any]) -> Any:
    """Do something in a transaction of its own, again when another one wrote to the same.

    :raises ConflictError: when it was tried too often.
    """
    for tried in range(_ATTEMPTS):
        tm.begin()
        try:
            result = act()
            tm.commit()
        except ConflictError:
            tm.abort()
            if tried == _ATTEMPTS - 1:
                raise
            time.sleep(secrets.SystemRandom().uniform(0, 0.01 * 2 ** min(tried, 7)))
        except BaseException:
            tm.abort()
            raise
        else:
            return result
    raise AssertionError("unreachable")


def clean_up(tm: TransactionManager, portal: Portal) -> int:
    """Take away what a killed run left, and tell how many families it had touched.  Nobody ever saw any of it."""
    tm.begin()
    batches = list(portal.stores["imports"].touched)
    tm.abort()
    return sum(attempt(tm, lambda: _clean_batch(portal, batch)) for batch in batches)  # noqa: B023 - run at once


def _clean_batch(portal: Portal, batch: int) -> int:
    imports: Imports = portal.stores["imports"]
    families: Families = portal["familles"]
    codes = imports.touched[batch]
    for code in codes:
        family = families.staged(code)
        if family is None:
            continue
        accounts: Any = family.nodes.get("comptes")
        if accounts is not None:
            accounts.unstage(portal.stores["lots"])
        has_no_record = family.unstage()
        if has_no_record and next(iter(accounts_of(family)), None) is None:
            # One that was forgotten keeps its accounts: the sums of what was purged stand there.
            families.remove(code)
    del imports.touched[batch]
    return len(codes)
