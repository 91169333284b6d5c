"""Evolution steps of what every area stands on."""

from typing import Any

from BTrees.OOBTree import OOBTree

from sevres_familles.web.root import Portal


def add_heartbeats(portal: Portal, registry: Any) -> None:
    """Make the place where workers say that they live."""
    portal.stores["heartbeats"] = OOBTree()


STEPS = (add_heartbeats,)
