"""Verifying the books: chains, sums, and what payments, invoices and ledger say of one another (INV1 to INV8).

Reads everything, writes nothing, in memory that does not grow: it can run while the portal serves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sevres_familles.domain.ledger import BrokenChain, Entry, EntryKind, LedgerAccount, check_chain
from sevres_familles.domain.money import ZERO, Money, total
from sevres_familles.domain.payment import net
from sevres_familles.payments.records import Alert, Unclassified
from sevres_familles.payments.resources import Payment
from sevres_familles.regies.resources import FamilyAccount, Invoice, accounts_of
from sevres_familles.web.root import Portal

#: How many families or payments are looked at before memory is given back.
_BATCH = 500


class Findings(NamedTuple):
    """What a verification found: counts, faults in words, and the lists for staff."""

    accounts: int
    entries: int
    payments: int
    faults: tuple[str, ...]
    alerts: tuple[Alert, ...]
    unclassified: tuple[Unclassified, ...]


def verify_portal(portal: Portal) -> Findings:
    """Verify the whole portal."""
    count: Counter[str] = Counter()
    faults = [*_account_faults(portal, count), *_payment_faults(portal, count), *_receipt_faults(portal)]
    return Findings(
        count["accounts"],
        count["entries"],
        count["payments"],
        tuple(faults),
        tuple(portal.stores["alerts"].values()),
        tuple(portal.stores["unclassified"].values()),
    )


def _in_batches(portal: Portal, nodes: Iterable[Any]) -> Iterator[Any]:
    for number, node in enumerate(nodes, start=1):
        yield node
        if number % _BATCH == 0:
            portal._p_jar.cacheGC()


def _account_faults(portal: Portal, count: Counter[str]) -> Iterator[str]:
    for family in _in_batches(portal, portal["familles"].values()):
        for account in accounts_of(family):
            count["accounts"] += 1
            entries = account.entries()
            count["entries"] += len(entries)
            name = f"compte {family.code}/{account.__name__}"
            yield from (f"{name} : {fault}" for fault in account_faults(account, entries))


def account_faults(account: FamilyAccount, entries: tuple[Entry, ...]) -> Iterator[str]:
    """Verify one account: its chains, each invoice against the entries, and the sum (INV4, INV5, INV6, INV8)."""
    for journal in filter(None, (account.billing, account.cash)):
        try:
            check_chain(journal.entries, journal.opening)
        except BrokenChain as broken:
            yield f"chaîne rompue ({broken})"
    owed: Counter[str] = Counter()
    for _, draft, _, _ in entries:
        if LedgerAccount.FAMILY in (draft.debit, draft.credit):
            owed[draft.invoice or ""] += draft.amount.cents * (1 if draft.debit == LedgerAccount.FAMILY else -1)
    for invoice in account:
        cents = owed.pop(invoice.__name__ or "", 0)
        yield from invoice_faults(invoice, Money(cents))
    yield from (f"écriture sans facture {name}" for name, cents in owed.items() if cents)


def invoice_faults(invoice: Invoice, owed: Money) -> Iterator[str]:
    """Verify one invoice against the sum of its entries."""
    if owed != invoice.left():
        yield f"facture {invoice.__name__} : {owed} au grand livre, {invoice.left()} sur la facture"
    if invoice.paid_online() > max(invoice.facts.total, ZERO):
        yield f"facture {invoice.__name__} : plus payée que son total"


def _payment_faults(portal: Portal, count: Counter[str]) -> Iterator[str]:
    for payment in _in_batches(portal, portal["paiements"].values()):
        count["payments"] += 1
        yield from (f"paiement {payment.reference} : {fault}" for fault in payment_faults(payment))


def payment_faults(payment: Payment) -> Iterator[str]:
    """Verify one payment: what it holds is what the bank gave, and stands in the ledger and on the invoices."""
    moved = net(payment.posted)
    if total(payment.held.values()) + payment.unclassified != moved:
        yield "les parts ne font pas la somme"
    if _booked(payment) != moved:
        yield f"{_booked(payment)} au grand livre, {moved} à la banque"
    for name, amount in payment.held.items():
        if payment.account.invoices[name].payments.get(payment.reference, ZERO) != amount:
            yield f"la facture {name} n’en sait pas autant"
    shields = [payment.account.invoices[share.invoice].open_payment for share in payment.shares]
    if None in shields if payment.is_open else payment.reference in shields:
        yield "bouclier et état ne disent pas la même chose"
    if payment.is_paid and not payment.receipts:
        yield "accepté sans reçu"


def _booked(payment: Payment) -> Money:
    """Sum what the ledger says the bank gave for a payment."""
    entries = payment.account.cash.entries if payment.account.cash else ()
    cents = 0
    for _, draft, _, _ in entries:
        if draft.document.split(" ")[0] == payment.reference:
            cents += draft.amount.cents * (1 if draft.kind is EntryKind.PAYMENT else -1)
    return Money(cents)


def _receipt_faults(portal: Portal) -> Iterator[str]:
    """Verify that receipts are numbered without a gap, by régie and year."""
    seen: Counter[tuple[str, int]] = Counter()
    for payment in _in_batches(portal, portal["paiements"].values()):
        for receipt in payment.receipts:
            seen[payment.account.regie.__name__, int(receipt.number.split("-")[0])] += 1
    for regie in portal["regies"].values():
        for year, last in regie.receipts.items():
            if seen[regie.__name__, year] + regie.purged_receipts.get(year, 0) != last:
                yield f"{regie.title} : {seen[regie.__name__, year]} reçus trouvés, {last} numérotés en {year}"
