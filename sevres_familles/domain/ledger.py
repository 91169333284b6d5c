"""The ledger of a family's account with a régie: double entry, append-only, chained by hashes.

An entry moves one positive sum from an account that is credited to an account that is debited, so that every entry
balances by construction.  Nothing is ever edited: a correction is a new entry.  An account keeps two journals, as
bookkeeping does: *facturation*, written by imports alone, and *encaissement*, written by payments alone; each is a
chain in which an entry carries its sequence, the hash of the one before, and its own (requirements D3, R8, INV6).
Entries whose time is over are replaced by one sealed opening, which keeps their sums and the hash of the last (I14).
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.packing import pack, unpack

#: What the first entry of a journal carries as the hash of the one before.
GENESIS = bytes(32)


class LedgerAccount(StrEnum):
    """The accounts that entries move sums between."""

    FAMILY = "redevable"
    BILLING = "facturation"
    BANK = "banque"
    UNCLASSIFIED = "recettes à classer"


class EntryKind(StrEnum):
    """Why an entry was written."""

    INVOICED = "facture émise"
    BILLING_CHANGE = "écart du fichier de facturation"
    PAYMENT = "paiement"
    REFUND = "remboursement"
    VOID = "annulation par la banque"
    CHARGEBACK = "impayé"


class Draft(NamedTuple):
    """What an entry says, before it takes its place in a journal.

    ``at`` is an aware moment in UTC; ``amount`` is positive; ``invoice`` is its key, or none; ``document`` names the
    proof: a payment's reference and bank transaction, or an import lot.
    """

    at: datetime
    kind: EntryKind
    debit: LedgerAccount
    credit: LedgerAccount
    amount: Money
    invoice: str | None
    document: str


class Entry(NamedTuple):
    """One entry in its place in a journal."""

    sequence: int
    draft: Draft
    previous: bytes
    digest: bytes


class Opening(NamedTuple):
    """What stands for the first entries of a journal once they are gone.

    ``sequence`` and ``sealed`` are the number and the hash of the last of them, which the next entry goes on from;
    ``until`` is its moment; ``sums`` are cents by ledger account, debits less credits; ``before`` is the digest of the
    opening that this one took in, or `GENESIS`.
    """

    sequence: int
    sealed: bytes
    until: datetime
    sums: tuple[tuple[LedgerAccount, int], ...]
    before: bytes
    digest: bytes

    def balance(self, account: LedgerAccount = LedgerAccount.FAMILY) -> Money:
        """Give what the sealed entries did to an account."""
        return Money(dict(self.sums).get(account, 0))


class BrokenChain(Exception):
    """An entry is not what was written, or not where it was written."""


def digest_of(sequence: int, draft: Draft, previous: bytes) -> bytes:
    """Hash an entry: SHA-256 of the hash before it and of its canonical JSON."""
    return _digest(previous, _canonical(sequence, draft))


def _digest(previous: bytes, content: str) -> bytes:
    return hashlib.sha256(previous + content.encode()).digest()


def _canonical(sequence: int, draft: Draft) -> str:
    moved = draft.kind, draft.debit, draft.credit, draft.amount.cents
    return pack((sequence, _moment(draft.at), *moved, draft.invoice, draft.document))


@lru_cache(maxsize=16)
def _moment(at: datetime) -> str:
    """Write a moment: the entries of an import have the same by thousands."""
    return at.astimezone(UTC).isoformat()


def append(lines: Sequence[str], *drafts: Draft, opening: Opening | None = None) -> tuple[str, ...]:
    """Give a journal with more entries; ``opening`` stands before its first line.

    Each entry is stored as one line: the hash before it, its own, and the canonical JSON that was hashed.

    :raises ValueError: when an amount is not positive, or the two accounts are the same.
    """
    sequence, previous = _end_of(opening)
    if lines:
        last = unpack_entry(lines[-1])
        previous, sequence = last.digest, last.sequence
    added = list(lines)
    for draft in drafts:
        if draft.amount <= ZERO or draft.debit == draft.credit:
            raise ValueError(f"not an entry: {draft}")
        sequence += 1
        content = _canonical(sequence, draft)
        digest = _digest(previous, content)
        added.append(f"{previous.hex()} {digest.hex()} {content}")
        previous = digest
    return tuple(added)


def unpack_entry(line: str) -> Entry:
    """Read an entry back, as it was written."""
    previous, digest, content = line.split(" ", 2)
    sequence, at, kind, debit, credit, cents, invoice, document = unpack(content)
    draft = Draft(
        at=datetime.fromisoformat(at),
        kind=EntryKind(kind),
        debit=LedgerAccount(debit),
        credit=LedgerAccount(credit),
        amount=Money(cents),
        invoice=invoice,
        document=document,
    )
    return Entry(sequence, draft, bytes.fromhex(previous), bytes.fromhex(digest))


def _end_of(opening: Opening | None) -> tuple[int, bytes]:
    """Give the number and the hash that the first entry of a journal goes on from."""
    return (opening.sequence, opening.sealed) if opening is not None else (0, GENESIS)


def check_chain(entries: Iterable[Entry], opening: Opening | None = None) -> None:
    """Check that a journal is whole: sequence without gap, each hash right, its opening included.

    :raises BrokenChain: naming the first entry that is not.
    """
    if opening is not None and opening.digest != _digest(opening.before, _canonical_opening(opening)):
        raise BrokenChain("the opening is not what was written")
    last, previous = _end_of(opening)
    expected = last + 1
    for entry in entries:
        if entry.sequence != expected:
            raise BrokenChain(f"entry {entry.sequence} stands where {expected} should")
        if entry.previous != previous or entry.digest != digest_of(entry.sequence, entry.draft, previous):
            raise BrokenChain(f"entry {entry.sequence} is not what was written")
        previous, expected = entry.digest, expected + 1


def seal(entries: Sequence[Entry], opening: Opening | None = None) -> Opening:
    """Make the opening that stands for the first entries of a journal, and for the opening before them.

    :raises ValueError: when there is none.
    """
    if not entries:
        raise ValueError("nothing to seal")
    last = entries[-1]
    sums = (
        (account, (balance(entries, account) + (opening.balance(account) if opening else ZERO)).cents)
        for account in LedgerAccount
    )
    made = Opening(
        sequence=last.sequence,
        sealed=last.digest,
        until=last.draft.at,
        sums=tuple((account, cents) for account, cents in sums if cents),
        before=opening.digest if opening else GENESIS,
        digest=GENESIS,
    )
    return made._replace(digest=_digest(made.before, _canonical_opening(made)))


def _canonical_opening(opening: Opening) -> str:
    sums = tuple((str(account), cents) for account, cents in opening.sums)
    return pack((opening.sequence, opening.sealed.hex(), opening.until.astimezone(UTC).isoformat(), sums))


def pack_opening(opening: Opening) -> str:
    """Write an opening as one line, as entries are."""
    return f"{opening.before.hex()} {opening.digest.hex()} {_canonical_opening(opening)}"


def unpack_opening(line: str) -> Opening:
    """Read an opening back, as it was written."""
    before, digest, content = line.split(" ", 2)
    sequence, sealed, until, sums = unpack(content)
    return Opening(
        sequence=sequence,
        sealed=bytes.fromhex(sealed),
        until=datetime.fromisoformat(until),
        sums=tuple((LedgerAccount(account), cents) for account, cents in sums),
        before=bytes.fromhex(before),
        digest=bytes.fromhex(digest),
    )


def balance(entries: Iterable[Entry], account: LedgerAccount = LedgerAccount.FAMILY) -> Money:
    """Sum what entries did to an account: positive is owed by the family, negative is owed to it."""
    cents = 0
    for _, draft, _, _ in entries:
        if draft.debit == account:
            cents += draft.amount.cents
        elif draft.credit == account:
            cents -= draft.amount.cents
    return Money(cents)
