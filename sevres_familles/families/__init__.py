"""Families: their records, as the billing software sends them, and their home.

A `Family` stands at ``/familles/CODE``.  What an import brings is *staged*: it shows only once its lot is published
(`resources.Lots`), all of it at once.
"""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the area."""
    from sevres_familles.families import evolve

    config.add_evolution_steps(*evolve.STEPS)
    config.scan("sevres_familles.families")
