"""The server: waitress, told where to listen by the portal's own settings, and stopped without losing anything."""

import atexit
import errno
import logging
import os
import signal
import sys
from typing import Any

import waitress

from sevres_familles.web.settings import expansion

#: A body larger than this, in bytes, is refused before it is kept anywhere.  Smaller ones get a page that says so.
MAX_BODY = 1024 * 1024

log = logging.getLogger(__name__)


def serve(app: Any, global_config: dict[str, str], listen: str, **options: Any) -> None:
    """Serve the portal (PasteDeploy's ``server_runner``).

    On SIGTERM the requests under way end and the databases are closed.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    atexit.register(_close_databases, app)
    log.info("%s: %s", app.registry.town.portal_title, app.registry.settings_of_portal.public_url)
    places = expansion(app.registry.settings, os.environ)
    address = listen.format_map(places)
    try:
        waitress.serve(app, listen=address, ident=None, max_request_body_size=MAX_BODY, **options)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(f"L’adresse {address} est déjà prise : arrêtez l’autre portail, ou choisissez un autre PORT.")


def _close_databases(app: Any) -> None:
    for database in app.registry._zodb_databases.values():
        database.close()
