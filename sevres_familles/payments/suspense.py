"""Suspense accounts: money that the bank took for an order that we do not know (decision 12).

That happens when the database was restored from a backup, and the attempts since are lost.  No family and no régie are
known then, so the money stands in *recettes à classer* of an account of the gateway's own, a chain of entries like any
other, until the régisseur finds whose it is.  An operation stands there or in a family's account, never in both: the
index of the bank's operations ties it to one.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree
from persistent import Persistent

from sevres_familles.domain import ledger
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Evidence, MoneyFact, money_facts, net
from sevres_familles.payments.records import raise_alert, set_aside_unknown
from sevres_familles.payments.resources import Payments
from sevres_familles.payments.services import Outcome
from sevres_familles.web.root import Portal


class LostOrder(NamedTuple):
    """What the bank said of an order that we do not know, and the money booked from it."""

    evidence: tuple[Evidence, ...] = ()
    posted: frozenset[MoneyFact] = frozenset()


class Suspense(Persistent):
    """The suspense account of a gateway: entries by their number, and the orders that they are about."""

    def __init__(self) -> None:
        self.lines: IOBTree = IOBTree()
        self.orders: OOBTree = OOBTree()

    def entries(self) -> tuple[ledger.Entry, ...]:
        """Give its entries, the oldest first."""
        return tuple(map(ledger.unpack_entry, self.lines.values()))

    def balance(self) -> Money:
        """Sum what waits to be classified."""
        return -ledger.balance(self.entries(), LedgerAccount.UNCLASSIFIED)

    def order(self, reference: str) -> LostOrder:
        """Find what is held of an order."""
        order: LostOrder = self.orders.get(reference, LostOrder())
        return order

    def book(self, draft: Draft) -> None:
        """Write an entry.  Two writers at once meet at its number, and one tries again."""
        last = (self.lines[self.lines.maxKey()],) if self.lines else ()
        line = ledger.append(last, draft)[-1]
        self.lines[ledger.unpack_entry(line).sequence] = line


def tie_of(gateway: str) -> str:
    """Give what the index of the bank's operations says of those that are held here, instead of a payment."""
    return f"compte d’attente {gateway}"


def suspense_of(portal: Portal, gateway: str) -> Suspense | None:
    """Find the suspense account of a gateway; there is none before money had to go there."""
    found: Suspense | None = portal.stores["suspense"].get(gateway)
    return found


def is_waiting(portal: Portal, reference: str) -> bool:
    """Tell whether money of an order that we do not know waits to be classified."""
    return any(net(suspense.order(reference).posted) for suspense in portal.stores["suspense"].values())


def hold(portal: Portal, gateway: str, reference: str, evidence: Evidence) -> Outcome:
    """Apply evidence about an order that we do not know: book its money in suspense, each operation once."""
    suspense = suspense_of(portal, gateway) or Suspense()
    portal.stores["suspense"].setdefault(gateway, suspense)
    order = suspense.order(reference)
    if evidence.key in {known.key for known in order.evidence}:
        return Outcome.DUPLICATE
    payments: Payments = portal["paiements"]
    if payments.transactions.setdefault(evidence.transaction, tie_of(gateway)) != tie_of(gateway):
        raise_alert(
            portal, None, "opération de la banque déjà rattachée à un paiement", evidence.at, reference=reference
        )
        return Outcome.QUARANTINED
    told = (*order.evidence, evidence)
    booked = {(fact.kind, fact.transaction) for fact in order.posted}
    fresh = [fact for fact in money_facts(told) if (fact.kind, fact.transaction) not in booked]
    suspense.orders[reference] = LostOrder(told, order.posted | frozenset(fresh))
    for fact in sorted(fresh, key=lambda fact: (not fact.takes, fact.kind, fact.transaction)):
        _book(portal, suspense, reference, fact, evidence.at)
    return Outcome.APPLIED


def _book(portal: Portal, suspense: Suspense, reference: str, fact: MoneyFact, at: datetime) -> None:
    debit, credit = LedgerAccount.BANK, LedgerAccount.UNCLASSIFIED
    if not fact.takes:
        debit, credit = credit, debit
    document = f"{reference} {fact.transaction}"
    suspense.book(Draft(at, EntryKind(fact.kind), debit, credit, fact.amount, None, document))
    if fact.takes:
        set_aside_unknown(portal, reference, fact.amount, fact.transaction, at)
    else:
        raise_alert(portal, None, f"{fact.kind} de {fact.amount} d’un paiement inconnu", at, reference=reference)


def suspense_faults(portal: Portal) -> Iterator[str]:
    """Verify the suspense accounts: chains, sums, and that no operation stands in a payment too (INV1, INV6)."""
    for gateway, suspense in portal.stores["suspense"].items():
        yield from (f"compte d’attente {gateway} : {fault}" for fault in _faults(portal, gateway, suspense))


def _faults(portal: Portal, gateway: str, suspense: Suspense) -> Iterator[str]:
    entries = suspense.entries()
    try:
        ledger.check_chain(entries)
    except ledger.BrokenChain as broken:
        yield f"chaîne rompue ({broken})"
    booked: Counter[str] = Counter()
    for entry in entries:
        sign = 1 if entry.draft.debit == LedgerAccount.BANK else -1
        booked[entry.draft.document.partition(" ")[0]] += sign * entry.draft.amount.cents
    for reference, order in suspense.orders.items():
        moved = net(order.posted)
        if Money(booked.pop(reference, 0)) != moved:
            yield f"commande {reference} : {moved} à la banque, autre chose au grand livre"
        payment = portal["paiements"].find(reference)
        if payment is not None and payment.posted & order.posted:
            yield f"commande {reference} : inscrite aussi au compte d’une famille"
        for fact in order.posted:
            if portal["paiements"].transactions.get(fact.transaction) != tie_of(gateway):
                yield f"opération {fact.transaction} : rattachée ailleurs"
    yield from (f"commande {reference} : inconnue" for reference, cents in booked.items() if cents)
