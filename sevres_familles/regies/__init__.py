"""Régies: the units that invoice and cash, the accounts families have with them, and their invoices.

`resources` holds the nodes: a `Regie` at ``/regies/NAME``; a family's `FamilyAccounts`, `FamilyAccount` and `Invoice`s
under ``/familles/CODE/comptes``.  `exchange` takes the files of the billing software in.
"""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the area."""
    from sevres_familles.regies import evolve

    config.add_evolution_steps(*evolve.STEPS)
    config.scan("sevres_familles.regies")
