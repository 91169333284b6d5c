"""Put the mailbox's pages together as a WSGI application."""

from typing import Any

from pyramid.config import Configurator

from sevres_familles.sandbox import serving
from sevres_familles.sandbox.mailbox.folder import Folder


def make_app(folder: Folder) -> Any:
    """Return the mailbox as a WSGI application."""
    config = Configurator()
    config.registry.folder = folder
    config.include("pyramid_chameleon")
    config.include(serving.protect)
    config.add_route("mails", "/")
    config.add_route("health", "/sante")
    config.add_route("mail", "/courriers/{name}")
    config.add_route("source", "/courriers/{name}/source")
    config.add_route("attachment", r"/courriers/{name}/pieces/{number:\d+}")
    config.add_static_view("static", "sevres_familles.sandbox:static", cache_max_age=3600)
    config.scan("sevres_familles.sandbox.mailbox.views")
    return config.make_wsgi_app()
