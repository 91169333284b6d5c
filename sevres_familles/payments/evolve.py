"""Evolution steps of the payments area."""

from typing import Any

from BTrees.OOBTree import OOBTree, OOTreeSet

from sevres_familles.payments.resources import NotificationDoor, NotificationDoors, Payments
from sevres_familles.web.root import Portal


def add_payments(portal: Portal, registry: Any) -> None:
    """Make the container of payments, the doors of the banks, and the lists that staff look at."""
    payments = portal.add("paiements", Payments())
    doors = payments.add_doors(NotificationDoors())
    for name in registry.gateways:
        doors.add(name, NotificationDoor())
    portal.stores["unclassified"] = OOBTree()
    portal.stores["alerts"] = OOBTree()


def add_purges(portal: Portal, registry: Any) -> None:
    """Make the store of the proofs of purges, by moment."""
    portal.stores["purges"] = OOBTree()


def add_journals(portal: Portal, registry: Any) -> None:
    """Make the stores of the banks' journals, by hash, and of their days; the suspense accounts; what none showed."""
    portal.stores["journals"] = OOBTree()
    portal.stores["journal_days"] = OOTreeSet()
    portal.stores["suspense"] = OOBTree()
    portal["paiements"].unmatched = OOBTree()


STEPS = (add_payments, add_purges, add_journals)
