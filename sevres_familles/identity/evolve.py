"""Evolution steps of the identity area."""

from typing import Any

from BTrees.OOBTree import OOBTree

from sevres_familles.identity.emails import EmailIndex
from sevres_familles.identity.throttle import Throttle
from sevres_familles.web.root import Portal


def add_identity(portal: Portal, registry: Any) -> None:
    """Make the stores of credentials, of the index of e-mail addresses, and of attempts."""
    portal.stores["credentials"] = OOBTree()
    portal.stores["emails"] = EmailIndex()
    portal.stores["throttle"] = Throttle()


STEPS = (add_identity,)
