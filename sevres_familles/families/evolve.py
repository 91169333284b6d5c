"""Evolution steps of the families area."""

from typing import Any

from sevres_familles.families.resources import Families, Lots
from sevres_familles.web.root import Portal


def add_families(portal: Portal, registry: Any) -> None:
    """Make the container of families, and the count of import lots."""
    portal.stores["lots"] = Lots()
    portal.add("familles", Families())


STEPS = (add_families,)
