"""Retention: nothing is kept longer than it must be (requirements I14).

Accounting pieces are kept for ten full exercices.  Then the first entries of an account's journals give way to sealed
openings, which keep their sums and the hash of the last, and the invoices and payments that they were about go.  What
is not closed (an unpaid invoice, money that no invoice could take) stays, and all that follows it in its journal.
Attempts that took no money, tokens and sessions go sooner.  Each family is a transaction: killed anywhere, the next run
goes on.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import transaction

from sevres_familles.domain import french
from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.ledger import Entry
from sevres_familles.domain.money import ZERO
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.families.resources import Family
from sevres_familles.identity.retention import drop_outdated, forget_credentials
from sevres_familles.payments.resources import Payment, Payments
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


class Closed(NamedTuple):
    """What of an account can go: invoices and payments by name, and how many first entries of each journal."""

    invoices: frozenset[str]
    payments: frozenset[str]
    cuts: Mapping[Journal, int]


def terms_at(settings: Settings, now: datetime) -> Terms:
    """Compute the terms: pieces are kept until so many whole exercices (civil years, in the town's time) are over."""
    begins = french.local(now).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    pieces = begins.replace(year=begins.year - settings.keep_pieces_years)
    return Terms(now, pieces, now - settings.keep_attempts)


def purge(registry: Any, *, is_trial: bool = False) -> Counter[str]:
    """Purge the whole portal, keep a report of it, and give the counts; a trial changes nothing."""
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    terms = terms_at(registry.settings_of_portal, registry.clock.now())
    counts: Counter[str] = Counter()
    seals = hashlib.sha256()
    try:
        with manager:
            portal = portal_in(connection.root(), registry)
            codes = list(portal["familles"])
            counts["journals"] = len(_old_journals(portal, terms))
        for code in codes:
            done, digests = _in_transaction(registry, manager, connection, code, terms, is_trial=is_trial)
            counts += done
            for digest in digests:
                seals.update(digest)
            connection.cacheGC()
        if not is_trial:
            for attempt in manager.attempts(_ATTEMPTS):
                with attempt:
                    _finish(portal_in(connection.root(), registry), terms, counts, seals.hexdigest())
        return counts
    finally:
        connection.close()


def _in_transaction(
    registry: Any, manager: Any, connection: Any, code: str, terms: Terms, *, is_trial: bool
) -> tuple[Counter[str], list[bytes]]:
    """Purge a family in one transaction, again when it meets another's; a trial is undone."""
    if is_trial:
        manager.begin()
        try:
            return purge_family(portal_in(connection.root(), registry), registry, code, terms)
        finally:
            manager.abort()
    for attempt in manager.attempts(_ATTEMPTS):
        with attempt:
            done = purge_family(portal_in(connection.root(), registry), registry, code, terms)
    return done


def purge_family(portal: Portal, registry: Any, code: str, terms: Terms) -> tuple[Counter[str], list[bytes]]:
    """Purge what is over of one family; give counts, and the digests of the openings that were sealed."""
    family = portal["familles"].staged(code)
    payments: Payments = portal["paiements"]
    counts: Counter[str] = Counter()
    digests: list[bytes] = []
    for payment in [each for each in payments.of(code) if _is_idle_attempt(each, terms.attempts)]:
        payments.forget(payment)
        counts["attempts"] += 1
    for account in accounts_of(family):
        closed = closed_in(account, [each for each in payments.of(code) if each.account is account], terms.pieces)
        digests += _seal(account, closed, counts)
        _forget_payments(payments, closed, counts)
    counts["tokens"] += drop_outdated(portal, registry, code, terms.now)
    if digests and _is_over(family, payments):
        forget_credentials(portal, registry, code)
        family.forget()
        counts["families"] += 1
    return counts, digests


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


def _old_journals(portal: Portal, terms: Terms) -> list[str]:
    """List the bank's journals that are kept no longer."""
    first = french.local(terms.pieces).date()
    return [name for name, kept in portal.stores["journals"].items() if kept.report.day < first]


def _finish(portal: Portal, terms: Terms, counts: Counter[str], seals: str) -> None:
    """Forget the alerts and unclassified money of payments that are gone, old journals, and keep the proof."""
    oldest = (terms.pieces.astimezone(UTC).isoformat(), "")
    for name in ("alerts", "unclassified"):
        records = portal.stores[name]
        for key in [
            key for key in records.keys(max=oldest) if portal["paiements"].find(records[key].reference) is None
        ]:
            del records[key]
    for name in _old_journals(portal, terms):
        del portal.stores["journals"][name]
    portal.stores["purges"][terms.now.isoformat()] = {"before": terms.pieces.isoformat(), "seals": seals, **counts}
