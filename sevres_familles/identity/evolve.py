"""Evolution steps of the identity area."""

from typing import Any

from BTrees.IOBTree import IOBTree
from BTrees.OOBTree import OOBTree

from sevres_familles.identity.emails import EmailIndex
from sevres_familles.identity.resources import DECOYS, Credentials
from sevres_familles.identity.throttle import Throttle
from sevres_familles.web.root import Portal


def add_identity(portal: Portal, registry: Any) -> None:
    """Make the stores of credentials, of the index of e-mail addresses, and of attempts."""
    portal.stores["credentials"] = OOBTree()
    portal.stores["emails"] = EmailIndex()
    portal.stores["throttle"] = Throttle()


def add_decoys(portal: Portal, registry: Any) -> None:
    """Make the credentials of nobody, which an unknown address is answered by the same work with."""
    portal.stores["decoys"] = IOBTree({number: Credentials("") for number in range(DECOYS)})


STEPS = (add_identity, add_decoys)
