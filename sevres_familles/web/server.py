"""The server: waitress, told where to listen by the portal's own settings, and stopped without losing anything.

waitress by itself drops what it has taken but not begun, and answers that are not sent yet.  Here, once told to stop,
it takes in no more, and goes on until what came in is answered.  A socket that systemd holds (``portal@.socket``) is
left to the next process, so that what arrives meanwhile waits there.
"""

import atexit
import errno
import logging
import os
import signal
import socket
import sys
import time
from typing import Any

import waitress.server
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError, TransferEncodingNotImplemented
from waitress.server import BaseWSGIServer

from sevres_familles.web.settings import expansion

#: A body larger than this, in bytes, is refused before it is kept anywhere.  Smaller ones get a page that says so.
MAX_BODY = 1024 * 1024
#: Headers together, in bytes: what nginx lets through by default.
_MAX_HEADERS = 32 * 1024
#: How long what came in may take once the server was told to stop, and after how long of silence a connection that
#: asks nothing is closed, in seconds.
_PATIENCE, _SILENCE = 25.0, 1.0
#: The first descriptor that systemd passes (sd_listen_fds).
_FIRST_PASSED = 3

log = logging.getLogger(__name__)


def serve(app: Any, global_config: dict[str, str], listen: str, **options: Any) -> None:
    """Serve the portal (PasteDeploy's ``server_runner``), until SIGTERM or SIGINT.

    The requests under way end and the databases are closed.
    """
    os.umask(0o077)
    atexit.register(_close_databases, app)
    log.info("%s: %s", app.registry.town.portal_title, app.registry.settings_of_portal.public_url)
    address = listen.format_map(expansion(app.registry.settings, os.environ))
    passed = _passed_sockets()
    places = {"sockets": passed} if passed else {"listen": address}
    dispatchers: dict[int, Any] = {}
    try:
        server = waitress.server.create_server(
            app,
            map=dispatchers,
            ident=None,
            max_request_body_size=MAX_BODY,
            max_request_header_size=_MAX_HEADERS,
            **places,
            **options,
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.exit(f"L’adresse {address} est déjà prise : arrêtez l’autre portail, ou choisissez un autre PORT.")
    Serving(dispatchers, server.task_dispatcher, keeps_sockets=bool(passed)).run()


def _passed_sockets() -> list[socket.socket]:
    """Take the sockets that systemd opened for this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS", "0"))
    return [socket.socket(fileno=number) for number in range(_FIRST_PASSED, _FIRST_PASSED + count)]


class StrictParser(HTTPRequestParser):
    """A parser that refuses what two servers could read differently, and what no browser, bank or proxy of ours sends.

    A body has a length that is written, once (waitress sees to that).  A refusal closes the connection (S34).
    """

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head of a request.

        :raises ParsingError: when it is refused: 400.
        :raises TransferEncodingNotImplemented: when the body is in pieces, or the method is none of ours: 501.
        """
        super().parse_header(header_plus)
        if self.version not in ("1.0", "1.1"):
            raise ParsingError("Unknown version of HTTP")
        if self.proxy_scheme or self.proxy_netloc or not self.request_uri.startswith("/"):
            raise ParsingError("The target must be a path")
        if self.chunked or "TRANSFER_ENCODING" in self.headers:
            raise TransferEncodingNotImplemented("A body must say its length")
        if self.command not in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
            raise TransferEncodingNotImplemented("Unknown method")


class StrictChannel(HTTPChannel):
    """A connection whose requests are read strictly."""

    parser_class = StrictParser


class Serving:
    """waitress's loop, with an end."""

    def __init__(self, dispatchers: dict[int, Any], tasks: Any, *, keeps_sockets: bool) -> None:
        self._dispatchers = dispatchers
        self._tasks = tasks
        self._keeps_sockets = keeps_sockets
        self._is_stopping = False
        for server in self._servers():
            server.channel_class = StrictChannel
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Serve until told to stop, then end what came in."""
        while not self._is_stopping:
            self._turn(30)
        for server in self._servers():
            self._close(server)
        give_up_at = time.monotonic() + _PATIENCE
        while self._channels() and time.monotonic() < give_up_at:
            self._turn(0.1)
            self._close_silent()
        self._tasks.shutdown()

    def _stop(self, number: int, frame: Any) -> None:
        if self._is_stopping:
            sys.exit(1)
        self._is_stopping = True
        for server in self._servers():
            server.pull_trigger()

    def _turn(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._dispatchers, count=1)

    def _servers(self) -> list[BaseWSGIServer]:
        return [each for each in self._dispatchers.values() if isinstance(each, BaseWSGIServer)]

    def _channels(self) -> list[HTTPChannel]:
        return [each for each in self._dispatchers.values() if isinstance(each, HTTPChannel)]

    def _close(self, server: BaseWSGIServer) -> None:
        """Take in no more.  What the kernel has taken for a socket of ours is ours to answer."""
        if not self._keeps_sockets:
            before = -1
            while before < len(self._dispatchers):
                before = len(self._dispatchers)
                server.handle_accept()
        server.accepting = False
        wasyncore.dispatcher.close(server)

    def _close_silent(self) -> None:
        """Close the connections that ask nothing."""
        silent_since = time.time() - _SILENCE
        for channel in self._channels():
            is_asking = channel.requests or channel.request is not None or channel.total_outbufs_len
            if not is_asking and channel.last_activity < silent_since:
                channel.will_close = True


def _close_databases(app: Any) -> None:
    for database in app.registry._zodb_databases.values():
        database.close()
