"""The pages that the town writes: help, legal notices.  They are nodes of the tree, and keep all their versions.

A `resources.Page` holds immutable versions; one of them is live.  What is written is cleaned when it is saved
(`services.save_version`).  Facts that change without anybody writing, a telephone number, the town's name, stand in
the text by name, ``{{contact.telephones}}``, and are put in when it is read (`facts`).  The first pages come from
``pages/``.
"""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the area."""
    from sevres_familles.content import evolve, services

    config.add_evolution_steps(*evolve.STEPS)
    config.add_frame_links("help", services.help_links)
    config.add_frame_links("legal", services.legal_links)
    config.scan("sevres_familles.content")
