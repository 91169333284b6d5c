"""The server: waitress, told where to listen by the portal's own settings, and stopped without losing anything."""

import atexit
import os
import signal
import sys
from typing import Any

import waitress

from sevres_familles.web.settings import expansion


def serve(app: Any, global_config: dict[str, str], listen: str, **options: Any) -> None:
    """Serve the portal (PasteDeploy's ``server_runner``).

    On SIGTERM the requests under way end and the databases are closed.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    atexit.register(_close_databases, app)
    places = expansion(app.registry.settings, os.environ)
    waitress.serve(app, listen=listen.format_map(places), ident=None, **options)


def _close_databases(app: Any) -> None:
    for database in app.registry._zodb_databases.values():
        database.close()
