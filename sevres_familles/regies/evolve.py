"""Evolution steps of the régies area."""

from typing import Any

from sevres_familles.regies.exchange.resources import Imports
from sevres_familles.regies.printing.resources import Printing
from sevres_familles.regies.resources import Regie, Regies
from sevres_familles.web.root import Portal


def add_regies(portal: Portal, registry: Any) -> None:
    """Make the régies of the town file."""
    regies = portal.add("regies", Regies())
    for description in registry.town.regies:
        regies.add(description.name, Regie(description))


def add_imports(portal: Portal, registry: Any) -> None:
    """Make the store of imports."""
    portal.stores["imports"] = Imports()


def add_printing(portal: Portal, registry: Any) -> None:
    """Make the store of print runs."""
    portal.stores["printing"] = Printing()


STEPS = (add_regies, add_imports, add_printing)
