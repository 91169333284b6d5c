"""The oracle: what the portal's books say, compared with the bank's own file.

    assert differences(bank_file, portal) == ()

The bank's SQLite file is read beside the bank, and nothing of the bank's code is used; nor is the portal's own
verification, but to be told once more.  It holds once nothing is under way: all that the bank took has been told, asked
or read in a journal.  Checked: every operation of the bank stands in the ledger exactly once, and nothing else (INV1,
INV2), sums by régie, day and means (INV3), balances (INV4), allocations and receipts (INV5), « payée » and entries
(INV8), and all that `sevres-verify` looks at (chains among it, INV6).

The régie of an operation is that of the payment that left for the bank; of an order that we do not know, none.
The ledger's day is that on which the bank told of it, by evidence that makes it count: it may be late, never early.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from sevres_familles.domain import french
from sevres_familles.domain.invoice import BillingState, InvoiceState
from sevres_familles.domain.ledger import Entry, EntryKind, LedgerAccount
from sevres_familles.domain.money import total
from sevres_familles.domain.payment import Evidence, entry_kind_of
from sevres_familles.payments.checking import verify_portal
from sevres_familles.regies.resources import accounts_of

MEANS = "carte"
#: How an invoice stands of which nothing is left to pay.
_NOTHING_OWED = frozenset({InvoiceState.PAID, InvoiceState.CREDIT_NOTE})


class Operation(NamedTuple):
    """Money that the bank moved: ``cents`` is positive when it came in."""

    kind: EntryKind
    transaction: str
    order: str
    cents: int
    day: date


def at_bank(bank_file: Path) -> dict[tuple[EntryKind, str], Operation]:
    """Read what the bank moved, from its own file: payments that stand, refunds, impayés.

    A payment that was cancelled before its remittance moved nothing in the end: it is not here (`cancelled_at_bank`).
    """
    with closing(sqlite3.connect(f"file:{bank_file}?mode=ro", uri=True)) as database:
        records = [json.loads(record) for (record,) in database.execute("SELECT record FROM payment")]
        chargebacks = database.execute("SELECT uuid, order_id, amount, at FROM chargeback").fetchall()
    operations = [
        _operation(EntryKind.PAYMENT, each["uuid"], each["order_id"], each["amount"], each["created_at"])
        if each.get("operation", "DEBIT") == "DEBIT"
        else _operation(EntryKind.REFUND, each["uuid"], each["order_id"], -each["amount"], each["created_at"])
        for each in records
        if each["status"] in ("AUTHORISED", "CAPTURED")
    ]
    operations += [_operation(EntryKind.CHARGEBACK, uuid, order, -cents, at) for uuid, order, cents, at in chargebacks]
    return {(each.kind, each.transaction): each for each in operations}


def cancelled_at_bank(bank_file: Path) -> frozenset[str]:
    """Read which payments were accepted, then cancelled before their remittance."""
    with closing(sqlite3.connect(f"file:{bank_file}?mode=ro", uri=True)) as database:
        query = "SELECT uuid FROM payment WHERE json_extract(record, '$.status') = 'CANCELLED'"
        return frozenset(uuid for (uuid,) in database.execute(query))


def _operation(kind: EntryKind, transaction: str, order: str, cents: int, moment: float) -> Operation:
    return Operation(kind, transaction, order, cents, datetime.fromtimestamp(moment, UTC).date())


def in_books(portal: Any) -> dict[tuple[EntryKind, str], int]:
    """Sum the entries of every account and of the suspense accounts by operation of the bank, in cents."""
    sums: Counter[tuple[EntryKind, str]] = Counter()
    for entry in _cash_entries(portal):
        draft = entry.draft
        if LedgerAccount.BANK in (draft.debit, draft.credit):
            sign = 1 if draft.debit == LedgerAccount.BANK else -1
            sums[draft.kind, draft.document.rpartition(" ")[2]] += sign * draft.amount.cents
    return dict(sums)


def _cash_entries(portal: Any) -> Iterator[Entry]:
    return (entry for _, entry in _placed_entries(portal))


def _placed_entries(portal: Any) -> Iterator[tuple[str, Entry]]:
    """Go through the entries of money, each with the régie in whose account it stands; none for suspense accounts."""
    for account in _accounts(portal):
        entries = account.cash.entries if account.cash is not None else ()
        yield from ((account.__name__, entry) for entry in entries)
    for suspense in (portal.stores.get("suspense") or {}).values():
        yield from (("", entry) for entry in suspense.entries())


def _accounts(portal: Any) -> Iterator[Any]:
    for family in portal["familles"].values():
        yield from accounts_of(family)


def differences(bank_file: Path, portal: Any, today: date | None = None) -> tuple[str, ...]:
    """Tell all in which the portal's books are not what the bank's file makes them, in words; none when they agree.

    :param today: the day on which invoices are looked at; today if none is named.
    """
    day = today or french.local(datetime.now(UTC)).date()
    return (
        *_money_differences(bank_file, portal),
        *_allocation_differences(portal),
        *(fault for account in _accounts(portal) for fault in _account_differences(account, day)),
        *verify_portal(portal).faults,
    )


def _money_differences(bank_file: Path, portal: Any) -> Iterator[str]:
    bank, cancelled, books = at_bank(bank_file), cancelled_at_bank(bank_file), in_books(portal)
    voided = {transaction: cents for (kind, transaction), cents in books.items() if kind is EntryKind.VOID}
    for key, operation in bank.items():
        booked = books.pop(key, 0)
        if booked != operation.cents:
            yield f"{operation.order} {operation.transaction}: {operation.cents} at the bank, {booked} booked"
    for (kind, transaction), cents in books.items():
        if kind is EntryKind.PAYMENT and transaction in cancelled:
            if cents + voided.get(transaction, 0):
                yield f"{transaction}: cancelled at the bank, {cents} booked and {voided.get(transaction, 0)} reversed"
        elif kind is not EntryKind.VOID or transaction not in cancelled:
            yield f"{transaction}: {cents} booked as « {kind} », unknown to the bank"
    yield from _daily_differences(bank, cancelled, portal, _days_ahead(bank_file))


def _daily_differences(
    bank: Mapping[tuple[EntryKind, str], Operation], cancelled: frozenset[str], portal: Any, days_ahead: timedelta
) -> Iterator[str]:
    """Sum the ledger by the régies and days of its own entries, and the bank's file by those that they must have."""
    moved: Counter[tuple[str, date, str]] = Counter()
    for operation in bank.values():
        regie, day = _due_place(portal, operation)
        if day < operation.day - days_ahead:
            yield f"{operation.transaction}: told on {day}, before the bank's own day {operation.day}"
        moved[regie, day, MEANS] += operation.cents
    booked: Counter[tuple[str, date, str]] = Counter()
    for regie, (_, draft, _, _) in _placed_entries(portal):
        if draft.document.rpartition(" ")[2] not in cancelled and LedgerAccount.BANK in (draft.debit, draft.credit):
            sign = 1 if draft.debit == LedgerAccount.BANK else -1
            booked[regie, draft.at.astimezone(UTC).date(), MEANS] += sign * draft.amount.cents
    for key in sorted(moved.keys() | booked.keys()):
        if moved[key] != booked[key]:
            regie, day, means = key
            yield f"{regie or 'suspense'}, {day}, {means}: {moved[key]} at the bank, {booked[key]} booked"


def _due_place(portal: Any, operation: Operation) -> tuple[str, date]:
    """Tell in which régie, and on which day, an operation of the bank must stand.

    The day is that on which it was first told; of money that went back, not before that on which money first came.
    """
    payment = portal["paiements"].find(operation.order)
    told = [(payment.account.__name__, payment.evidence)] if payment is not None else []
    told += [("", each.order(operation.order).evidence) for each in (portal.stores.get("suspense") or {}).values()]
    for regie, evidence in told:
        shown = [each.at for each in evidence if _shown_by(each) == (operation.kind, operation.transaction)]
        came = [each.at for each in evidence if _shown_by(each)[0] is EntryKind.PAYMENT]
        if shown and came:
            return regie, max(min(shown), min(came)).astimezone(UTC).date()
    return told[0][0] if told else "", operation.day


def _shown_by(evidence: Evidence) -> tuple[EntryKind | None, str]:
    return entry_kind_of(evidence), evidence.transaction


def _days_ahead(bank_file: Path) -> timedelta:
    """Read how far the bank's clock was moved on by hand, if it can be."""
    with closing(sqlite3.connect(f"file:{bank_file}?mode=ro", uri=True)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'number'").fetchone():
            return timedelta()
        (ahead,) = database.execute("SELECT coalesce(max(value), 0) FROM number WHERE name = 'clock ahead'").fetchone()
    return timedelta(seconds=ahead)


def _allocation_differences(portal: Any) -> Iterator[str]:
    for payment in portal["paiements"].values():
        moved = sum(fact.amount.cents * (1 if fact.takes else -1) for fact in payment.posted)
        if total(payment.held.values()).cents + payment.unclassified.cents != moved:
            yield f"{payment.reference}: shares do not sum up to {moved}"
        taken = sorted(fact.transaction for fact in payment.posted if fact.takes)
        if sorted(receipt.transaction for receipt in payment.receipts) != taken:
            yield f"{payment.reference}: receipts are not those of what was taken"


def _account_differences(account: Any, day: date) -> Iterator[str]:
    name = f"{account.family.code}/{account.__name__}"
    owed: Counter[str] = Counter()
    for entry in account.entries():
        draft = entry.draft
        if LedgerAccount.FAMILY in (draft.debit, draft.credit):
            owed[draft.invoice] += draft.amount.cents * (1 if draft.debit == LedgerAccount.FAMILY else -1)
    if account.balance().cents != sum(owed.values()):
        yield f"{name}: balance is not the sum of entries"
    for invoice in account:
        key, status = invoice.__name__, invoice.status(day)
        if invoice.left().cents != owed[key]:
            yield f"{name}/{key}: {invoice.left().cents} left, {owed[key]} by the entries"
        if invoice.figures.state is BillingState.DUE and (status.state in _NOTHING_OWED) != (owed[key] <= 0):
            yield f"{name}/{key}: « {status.state} », {owed[key]} by the entries"
        if invoice.paid_online().cents > max(invoice.facts.total.cents, 0):
            yield f"{name}/{key}: more allocated than its total"
