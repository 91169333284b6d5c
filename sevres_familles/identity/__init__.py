"""To be written."""

from pyramid.config import Configurator


def includeme(config: Configurator) -> None:
    """Add the area."""
    config.scan("sevres_familles.identity")
