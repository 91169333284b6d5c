"""Another town's application, which has the portal at /famille: its own pages, looks, texts and régies around ours.

It is what docs/theming.md and docs/architecture.md tell a town to write, and the tests beside it use it as families do.
"""

from typing import Any

from pyramid.config import Configurator
from pyramid.router import Router


def includeme(config: Configurator) -> None:
    """Make the town's application: what it puts in the place of ours, the portal, then its own pages."""
    config.override_asset("sevres_familles:templates/frame/footer.pt", "tests.host:overrides/footer.pt")
    config.commit()
    config.include("sevres_familles", route_prefix="famille")
    config.include("tests.host.site")


def main(global_config: dict[str, str] | None = None, **settings: Any) -> Router:
    """Make the application (PasteDeploy's entry point)."""
    with Configurator(settings=settings) as config:
        config.include("tests.host")
    return config.make_wsgi_app()
