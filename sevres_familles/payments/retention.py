"""Retention: nothing is kept longer than it must be (requirements I14).

Accounting pieces are kept for ten full exercices.  Then the first entries of an account's journals give way to sealed
openings, which keep their sums and the hash of the last, and the invoices and payments that they were about go.  What
is not closed (an unpaid invoice, money that no invoice could take) stays, and all that follows it in its journal.
Attempts that took no money, tokens and sessions go sooner.  Each family is a transaction, in which the proof of what
was purged is written too: killed anywhere, the next run goes on.  While an import is under way nothing is purged.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time
from functools import partial
from typing import Any, NamedTuple

import transaction

from sevres_familles.domain import french
from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.ledger import GENESIS, Entry
from sevres_familles.domain.money import ZERO
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.families.resources import Family
from sevres_familles.identity.retention import (
    drop_outdated,
    forget_addresses_of_nobody,
    forget_credentials,
    last_seen,
)
from sevres_familles.payments.journals.resources import forget_journals
from sevres_familles.payments.resources import Payment, Payments
from sevres_familles.payments.suspense import is_waiting
from sevres_familles.regies.exchange.resources import ImportReport, Imports
from sevres_familles.regies.keeping import kept_since
from sevres_familles.regies.resources import FamilyAccount, Invoice, Journal, accounts_of
from sevres_familles.web.root import Portal, portal_in
from sevres_familles.web.settings import Settings

_ATTEMPTS = 10
_NOTHING_MORE_IS_OWED_HERE = frozenset({BillingState.CANCELLED, BillingState.SENT_TO_TREASURY})


class Terms(NamedTuple):
    """Until when things are kept: what ended before these moments (UTC) goes."""

    now: datetime
    pieces: datetime
    attempts: datetime
    idle: datetime


class ImportUnderWay(Exception):
    """An import is writing, or died and no other has taken its remains away yet: nothing is purged beside it."""


class Closed(NamedTuple):
    """What of an account can go: invoices and payments by name, and how many first entries of each journal."""

    invoices: frozenset[str]
    payments: frozenset[str]
    cuts: Mapping[Journal, int]


class Done(NamedTuple):
    """What a transaction of the purge did: counts, and the digests of the openings that it sealed."""

    counts: Counter[str]
    digests: list[bytes]


def terms_at(settings: Settings, now: datetime) -> Terms:
    """Compute the terms."""
    return Terms(now, kept_since(settings, now), now - settings.keep_attempts, now - settings.keep_idle_families)


def purge(registry: Any, *, is_trial: bool = False) -> Counter[str]:
    """Purge the whole portal, and give the counts; a trial changes nothing.

    :raises ImportUnderWay: when an import is writing, or died: what was not purged yet waits for another purge.
    """
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    terms = terms_at(registry.settings_of_portal, registry.clock.now())
    counts: Counter[str] = Counter()
    try:
        with manager:
            codes = list(portal_in(connection.root(), registry)["familles"])
        parts: list[Callable[..., Done]] = [*(partial(purge_family, code=code) for code in codes), purge_lists]
        for part in parts:
            act = partial(purge_part, connection, registry, terms, part)
            counts += _in_transaction(manager, act, is_trial=is_trial)
            connection.cacheGC()
        return counts
    finally:
        connection.close()


def _in_transaction(manager: Any, act: Callable[[], Counter[str]], *, is_trial: bool) -> Counter[str]:
    """Do a part of the purge in one transaction, again when it meets another's; a trial is undone."""
    if is_trial:
        manager.begin()
        try:
            return act()
        finally:
            manager.abort()
    for attempt in manager.attempts(_ATTEMPTS):
        with attempt:
            counts = act()
    return counts


def purge_part(connection: Any, registry: Any, terms: Terms, part: Callable[..., Done]) -> Counter[str]:
    """Do a part of the purge and note the proof of it, unless an import is under way; give the counts.

    :raises ImportUnderWay: when one is.
    """
    portal = portal_in(connection.root(), registry)
    imports: Imports = portal.stores["imports"]
    if imports.is_under_way:
        raise ImportUnderWay
    # One that begins meanwhile must meet us: what it stages is not to be sealed.
    connection.readCurrent(imports.touched)
    done = part(portal, registry, terms=terms)
    _prove(portal, terms, done)
    return done.counts


def _prove(portal: Portal, terms: Terms, done: Done) -> None:
    """Add what was done to the proof that this purge leaves: the counts, and a hash chained over the openings."""
    proofs, key = portal.stores["purges"], terms.now.isoformat()
    before = proofs.get(key) or {"before": terms.pieces.isoformat(), "seals": GENESIS.hex()}
    seals = bytes.fromhex(before["seals"])
    for digest in done.digests:
        seals = hashlib.sha256(seals + digest).digest()
    counts = {name: before.get(name, 0) + count for name, count in (+done.counts).items()}
    if counts or key not in proofs:
        proofs[key] = {**before, **counts, "seals": seals.hex()}


def purge_family(portal: Portal, registry: Any, *, code: str, terms: Terms) -> Done:
    """Purge what is over of one family."""
    done = Done(Counter(), [])
    family: Family | None = portal["familles"].staged(code)
    if family is None:
        return done
    payments: Payments = portal["paiements"]
    counts = done.counts
    for payment in [each for each in payments.of(code) if _is_idle_attempt(each, terms.attempts)]:
        payments.forget(payment)
        counts["attempts"] += 1
    for account in accounts_of(family):
        closed = closed_in(account, [each for each in payments.of(code) if each.account is account], terms.pieces)
        done.digests.extend(_seal(account, closed, counts))
        _forget_payments(payments, closed, counts)
    counts["tokens"] += drop_outdated(portal, registry, code, terms.now)
    if family.packed_record is not None and _is_over(family, payments) and _last_moved(portal, family) < terms.idle:
        forget_credentials(portal, code)
        family.forget()
        counts["families"] += 1
    return done


def _is_idle_attempt(payment: Payment, before: datetime) -> bool:
    """Tell whether an attempt took no money, and ended long ago."""
    return not (payment.is_open or payment.receipts) and payment.settled_at < before


def closed_in(account: FamilyAccount, payments: list[Payment], before: datetime) -> Closed:
    """Find what of an account is over, and holds to nothing that is not.

    An invoice goes with all its payments and entries, a payment with all its invoices, and entries only as the first of
    their journal: whatever breaks that stays, until nothing changes any more.
    """
    invoices = {each.__name__ or "" for each in account if _is_closed(each, before)}
    references = {each.reference for each in payments if _is_settled(each, before)}
    journals = [each for each in (account.billing, account.cash) if each is not None]
    while True:
        cuts = {journal: _cut(journal.entries, invoices, references, before) for journal in journals}
        staying = [entry.draft for journal, cut in cuts.items() for entry in journal.entries[cut:]]
        kept = [each for each in payments if each.reference not in references]
        open_invoices = {draft.invoice for draft in staying} | {share.invoice for each in kept for share in each.shares}
        tied = {draft.document.partition(" ")[0] for draft in staying}
        tied |= {each.reference for each in payments if any(share.invoice not in invoices for share in each.shares)}
        if not (invoices & open_invoices or references & tied):
            return Closed(frozenset(invoices), frozenset(references), cuts)
        invoices -= {name for name in open_invoices if name is not None}
        references -= tied


def _is_closed(invoice: Invoice, before: datetime) -> bool:
    is_settled = invoice.left() == ZERO or invoice.figures.state in _NOTHING_MORE_IS_OWED_HERE
    return is_settled and invoice.open_payment is None and invoice.facts.issued_on < french.local(before).date()


def _is_settled(payment: Payment, before: datetime) -> bool:
    return not (payment.is_open or payment.unclassified) and payment.settled_at < before


def _cut(entries: tuple[Entry, ...], invoices: set[str], references: set[str], before: datetime) -> int:
    """Count the first entries that can go."""
    for count, (_, draft, _, _) in enumerate(entries):
        is_ours = draft.document.partition(" ")[0] in references if draft.invoice is None else draft.invoice in invoices
        if draft.at >= before or not is_ours:
            return count
    return len(entries)


def _seal(account: FamilyAccount, closed: Closed, counts: Counter[str]) -> Iterator[bytes]:
    """Replace the closed entries by openings, take the invoices out, and give the digests of the openings."""
    for journal, cut in closed.cuts.items():
        if cut:
            journal.seal(cut, account.lots)
            counts["entries"] += cut
            yield journal.opening.digest  # type: ignore[union-attr]
    if closed.invoices:
        account.purge_invoices(closed.invoices)
        counts["invoices"] += len(closed.invoices)


def _forget_payments(payments: Payments, closed: Closed, counts: Counter[str]) -> None:
    for reference in sorted(closed.payments):
        payment: Payment = payments[reference]
        for receipt in payment.receipts:
            payment.account.regie.purge_receipt(ReceiptNumber.read(receipt.number).year)
        payments.forget(payment)
        counts["payments"] += 1


def _is_over(family: Family, payments: Payments) -> bool:
    """Tell whether nothing is left of a family but sums."""
    has_invoices = any(account.invoices for account in accounts_of(family))
    return not has_invoices and next(payments.of(family.code), None) is None


def _last_moved(portal: Portal, family: Family) -> datetime:
    """Tell when something last happened about a family: a file changed it, or told its balance, or it came in."""
    report: ImportReport | None = portal.stores["imports"].reports.get(family.changed_in or 0)
    if report is None:
        return datetime.max.replace(tzinfo=UTC)  # Nobody knows: it stays.
    days = [each.imported_balance[1] for each in accounts_of(family) if each.imported_balance is not None]
    computed = [datetime.combine(day, time.min, UTC) for day in days]
    seen = last_seen(portal, family.code)
    return max([report.at, *computed, *([seen] if seen is not None else [])])


def purge_lists(portal: Portal, registry: Any, *, terms: Terms) -> Done:
    """Forget the alerts and unclassified money of payments that are gone, old journals, addresses of nobody."""
    oldest = (terms.pieces.astimezone(UTC).isoformat(), "")
    for name in ("alerts", "unclassified"):
        records = portal.stores[name]
        for key in [key for key in records.keys(max=oldest) if _is_gone(portal, records[key].reference)]:
            del records[key]
    forget_addresses_of_nobody(portal, registry)
    return Done(Counter(journals=forget_journals(portal, french.local(terms.pieces).date())), [])


def _is_gone(portal: Portal, reference: str) -> bool:
    """Tell whether an order is over: no payment has it, and no money of it waits in a suspense account."""
    return portal["paiements"].find(reference) is None and not is_waiting(portal, reference)
