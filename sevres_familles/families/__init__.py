"""Families: their records, as the billing software sends them, and their home.

A `Family` stands at ``/familles/CODE``.  What an import brings is *staged*: it shows only once its lot is published
(`resources.Lots`), all of it at once.

The family's home and its record are pages of this area; areas above add to them, without being known here, by
``config.add_family_part(place, source, renderer)`` (`parts`): what is due, the accounts, the payments under way.
"""

from pyramid.config import Configurator

from sevres_familles.families import evolve
from sevres_familles.families.views import navigation


def includeme(config: Configurator) -> None:
    """Add the area."""
    config.add_evolution_steps(*evolve.STEPS)
    config.include("sevres_familles.families.directory")
    config.include("sevres_familles.families.parts")
    config.add_frame_links("navigation", navigation)
    config.scan("sevres_familles.families")
