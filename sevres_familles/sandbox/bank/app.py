"""Put the bank's pages together as a WSGI application."""

from typing import Any

from pyramid.config import Configurator

from sevres_familles.sandbox import serving
from sevres_familles.sandbox.bank.backoffice import BackOffice


def make_app(back_office: BackOffice) -> Any:
    """Return the bank as a WSGI application; all its addresses are under ``/banque``."""
    config = Configurator()
    config.include("pyramid_chameleon")
    config.include(serving.protect)
    config.registry.back_office, config.registry.counter = back_office, back_office.counter
    config.include(add_routes, route_prefix="/banque")
    config.add_route("root", "/")
    config.add_static_view("banque/static", "sevres_familles.sandbox:static", cache_max_age=3600)
    config.scan("sevres_familles.sandbox.bank.views")
    return config.make_wsgi_app()


def add_routes(config: Configurator) -> None:
    """Name the addresses of the bank."""
    config.add_route("home", "", inherit_slash=True)
    config.add_route("nearly_home", "/")
    config.add_route("health", "/sante")
    config.add_route("open_payment", "/vads-payment/")
    config.add_route("card", "/paiements/{token}")
    config.add_route("challenge", "/paiements/{token}/authentification")
    config.add_route("abandon", "/paiements/{token}/annuler")
    config.add_route("ticket", "/paiements/{token}/ticket")
    config.add_route("merchant", "/commercant")
    config.add_route("next_day", "/commercant/jour-suivant")
    config.add_route("journal", "/commercant/journaux/{name}")
    config.add_route("act", "/commercant/{uuid}/{act}")
    config.add_route("rest", "/api-payment/V4/{service:.+}")
