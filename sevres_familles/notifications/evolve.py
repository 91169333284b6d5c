"""Evolution steps of the notifications area."""

from typing import Any

from sevres_familles.notifications.resources import Outbox
from sevres_familles.web.root import Portal


def add_outbox(portal: Portal, registry: Any) -> None:
    """Make the outbox."""
    portal.stores["outbox"] = Outbox()


STEPS = (add_outbox,)
