"""Verifying the books: chains, sums, and what payments, invoices and ledger say of one another (INV1 to INV8).

Reads everything, writes nothing, in memory that does not grow: it can run while the portal serves.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sevres_familles.domain import french
from sevres_familles.domain.ledger import BrokenChain, Entry, EntryKind, LedgerAccount, balance, check_chain
from sevres_familles.domain.money import ZERO, Money, total
from sevres_familles.domain.payment import PaymentState, net
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.payments.records import Alert, Unclassified
from sevres_familles.payments.resources import Payment, Payments, bank_order_key
from sevres_familles.payments.suspense import suspense_faults
from sevres_familles.regies.exchange.resources import lot_of
from sevres_familles.regies.resources import FamilyAccount, Invoice, ReceiptGap, accounts_of
from sevres_familles.web.root import Portal
from sevres_familles.web.sealing import DamagedRecord
from sevres_familles.web.soundness import storage_faults

_NOT_FOUND = ("reçu introuvable", "reçus introuvables")
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
    gaps: tuple[ReceiptGap, ...]


def verify_portal(portal: Portal) -> Findings:
    """Verify the whole portal: its books, and the records that they are stored in."""
    count: Counter[str] = Counter()
    faults = list(storage_faults(portal._p_jar))
    gaps: tuple[ReceiptGap, ...] = ()
    try:
        faults += _book_faults(portal, count)
        gaps = tuple(gap for regie in portal["regies"].values() for gap in regie.receipt_gaps)
    except DamagedRecord as damage:
        faults.append(f"la lecture s’est arrêtée là ({damage})")
    return Findings(
        count["accounts"],
        count["entries"],
        count["payments"],
        tuple(faults),
        tuple(portal.stores["alerts"].values()),
        tuple(portal.stores["unclassified"].values()),
        gaps,
    )


def _book_faults(portal: Portal, count: Counter[str]) -> Iterator[str]:
    billed = Billed()
    yield from _account_faults(portal, count, billed)
    yield from _lot_faults(portal, billed)
    yield from _payment_faults(portal, count)
    yield from suspense_faults(portal)
    yield from _receipt_faults(portal)


def _in_batches(portal: Portal, nodes: Iterable[Any]) -> Iterator[Any]:
    for number, node in enumerate(nodes, start=1):
        yield node
        if number % _BATCH == 0:
            portal._p_jar.cacheGC()


def _account_faults(portal: Portal, count: Counter[str], billed: "Billed") -> Iterator[str]:
    for family in _in_batches(portal, portal["familles"].values()):
        for account in accounts_of(family):
            count["accounts"] += 1
            entries = account.entries()
            count["entries"] += len(entries)
            billed.add(account)
            name = f"compte {family.code}/{account.__name__}"
            yield from (f"{name} : {fault}" for fault in _stray_faults(portal, account))
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


class Billed:
    """What billing journals hold of each lot and régie: how many entries, and their sum in cents.

    ``sealed_until`` is the moment of the last entry that a purge has sealed: lots until then are no longer whole.
    """

    def __init__(self) -> None:
        self.entries: Counter[tuple[int, str]] = Counter()
        self.cents: Counter[tuple[int, str]] = Counter()
        self.sealed_until: datetime | None = None

    def add(self, account: FamilyAccount) -> None:
        """Add the entries of an account that count."""
        name = account.__name__ or ""
        for entry in account.billing.counted(account.lots):
            lot = lot_of(entry.draft.document)
            self.entries[lot, name] += 1
            self.cents[lot, name] += balance((entry,)).cents
        opening = account.billing.opening
        if opening is not None:
            self.sealed_until = max(self.sealed_until or opening.until, opening.until)


def _lot_faults(portal: Portal, billed: Billed) -> Iterator[str]:
    """Verify what each import booked: an account that fell back to what it was before contradicts nothing else."""
    reports = portal.stores["imports"].reports
    if reports:
        lost = {lot for lot, _ in billed.entries if lot > reports.minKey()} - set(reports)
        yield from (f"lot {lot} : le rapport de l’import est perdu" for lot in sorted(lost))
    for lot, report in reports.items():
        if billed.sealed_until is not None and report.at <= billed.sealed_until:
            continue
        for regie, (entries, cents) in report.booked.items():
            found = billed.entries[lot, regie], billed.cents[lot, regie]
            if found != (entries, cents):
                yield (
                    f"lot {lot}, régie {regie} : {french.plural(found[0], 'écriture')} pour {Money(found[1])}, "
                    f"{entries} pour {Money(cents)} à l’import"
                )


def _stray_faults(portal: Portal, account: FamilyAccount) -> Iterator[str]:
    """Verify that every payment of the ledger is known: one that is gone contradicts nothing else."""
    entries = account.cash.entries if account.cash is not None else ()
    references = {entry.draft.document.partition(" ")[0] for entry in entries}
    yield from (f"paiement {each} inconnu" for each in sorted(references) if each not in portal["paiements"])


def invoice_faults(invoice: Invoice, owed: Money) -> Iterator[str]:
    """Verify one invoice against the sum of its entries."""
    if owed != invoice.left():
        yield f"facture {invoice.__name__} : {owed} au grand livre, {invoice.left()} sur la facture"
    if invoice.paid_online() > max(invoice.facts.total, ZERO):
        yield f"facture {invoice.__name__} : plus payée que son total"


def _payment_faults(portal: Portal, count: Counter[str]) -> Iterator[str]:
    for payment in _in_batches(portal, portal["paiements"].values()):
        count["payments"] += 1
        faults = (*payment_faults(payment), *_listing_faults(portal["paiements"], payment))
        yield from (f"paiement {payment.reference} : {fault}" for fault in faults)
    lost = {each for each in portal["paiements"].bank_orders.values() if each not in portal["paiements"]}
    yield from (f"paiement {each} perdu" for each in sorted(lost))


def _listing_faults(payments: Payments, payment: Payment) -> Iterator[str]:
    """Verify that a payment stands in every list that finds it."""
    if payment.reference not in payments.of_family.get(payment.family_code, ()):
        yield "absent de la liste de sa famille"
    if payments.bank_orders.get(bank_order_key(payment.order)) != payment.reference:
        yield "son numéro à la banque est oublié"
    is_followed = payment.reference in payments.to_ask or payment.reference in payments.left_to_staff
    if payment.is_open and payment.state is not PaymentState.CREATED and not is_followed:
        yield "en cours, et personne ne le demande à la banque"
    if payment.reference in payments.left_to_staff and not payment.is_open:
        yield "terminé, et la régie doit encore le vérifier"
    for transaction in sorted({each.transaction for each in payment.evidence if each.transaction}):
        if payments.transactions.get(transaction) != payment.reference:
            yield f"l’opération {transaction} de la banque est oubliée"


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
    """Verify that each number of a receipt was given once, by régie and year, and those that were left out never."""
    regies = list(portal["regies"].values())
    given = {(regie.__name__, year): bytearray(last + 1) for regie in regies for year, last in regie.receipts.items()}
    for regie in regies:
        for first, last, *_ in regie.receipt_gaps:
            left_out = slice(first.place, last.place + 1)
            given[regie.__name__, first.year][left_out] = b"\1" * (last.place + 1 - first.place)
    for payment in _in_batches(portal, portal["paiements"].values()):
        for receipt in payment.receipts:
            number = ReceiptNumber.read(receipt.number)
            numbers = given.get((payment.account.regie.__name__, number.year), bytearray())
            if number.place >= len(numbers):
                yield f"reçu {number} : au-delà du dernier numéro"
            elif numbers[number.place]:
                yield f"reçu {number} : numéro donné deux fois, ou laissé de côté"
            else:
                numbers[number.place] = 1
    for regie in regies:
        for year in regie.receipts:
            missing, purged = given[regie.__name__, year].count(0, 1), regie.purged_receipts.get(year, 0)
            if missing != purged:
                yield f"{regie.title} : {french.plural(missing, *_NOT_FOUND)} en {year}, pour {purged} purgés"
