"""Régies: the units that invoice and cash, the accounts families have with them, and their invoices.

`resources` holds the nodes: a `Regie` at ``/regies/NAME``; a family's `FamilyAccounts`, `FamilyAccount` and `Invoice`s
under ``/familles/CODE/comptes``.  `exchange` takes the files of the billing software in.
"""

from pyramid.config import Configurator

from sevres_familles.regies import evolve
from sevres_familles.regies.measures import measures_of_imports
from sevres_familles.regies.views import accounts, delivery, due


def includeme(config: Configurator) -> None:
    """Add the area."""
    config.add_evolution_steps(*evolve.STEPS)
    config.add_measures(measures_of_imports)
    config.add_family_part("home", due.what_is_due, "sevres_familles:templates/regies/due.pt")
    config.add_family_part("record", accounts.accounts_of_record, "sevres_familles:templates/regies/accounts_part.pt")
    config.add_family_part("record", delivery.delivery_of_record, "sevres_familles:templates/regies/delivery_part.pt")
    config.scan("sevres_familles.regies")
