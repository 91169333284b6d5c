"""Espace familles: a municipal portal where families see and pay what they owe to the town's régies.

An add-on of Pyramid: ``config.include("sevres_familles")`` adds it to an application, `main` is that application for
itself.  Each area below is a folder; docs/architecture.md says what stands where.
"""

import sys
import warnings
from typing import Any

# Pyramid 2.1 and deform 3.0 still import pkg_resources, which warns at every start of every command.
warnings.filterwarnings("ignore", "pkg_resources is deprecated", UserWarning)

from pyramid.config import Configurator  # noqa: E402 - after the filter
from pyramid.router import Router  # noqa: E402 - after the filter

from sevres_familles.web.settings import WrongSettings  # noqa: E402 - after the filter

#: The areas, from the ground up.  The order is that of inclusion, of evolution, and of allowed imports.
AREAS = ("web", "identity", "content", "families", "regies", "payments", "notifications")


def includeme(config: Configurator) -> None:
    """Add every area to an application."""
    for area in AREAS:
        config.include(f"sevres_familles.{area}")


def main(global_config: dict[str, str] | None = None, **settings: Any) -> Router:
    """Make the portal as an application of its own (PasteDeploy's entry point).

    :raises SystemExit: naming every setting that is wrong or unsafe.
    """
    try:
        with Configurator(settings=settings) as config:
            config.include("sevres_familles")
    except WrongSettings as error:
        sys.exit(f"Réglages refusés :\n{error}")
    return config.make_wsgi_app()
