"""Serve an application of the sandbox on the loopback, and only there.

Both houses of the sandbox share this: the address they are bound to, the headers of
their pages, and a clean end when the process is told to stop.
"""

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from waitress.server import create_server

#: The only address either house listens on.
LOOPBACK = "127.0.0.1"

#: The names under which a browser may ask for either house.
LOOPBACK_NAMES = frozenset({"localhost", LOOPBACK, "[::1]"})

#: The largest body a page of the sandbox takes, in bytes. Its forms are far smaller.
LARGEST_BODY = 32 * 1024

Handler = Callable[[Request], Response]


def content_policy(*form_targets: str) -> str:
    """Write the policy of a page: its own sheet and pictures, and nothing else.

    :param form_targets: origins besides our own that a form, or the redirect that
        answers it, may lead to. Chromium applies ``form-action`` to that redirect too.
    """
    targets = " ".join(("'self'", *form_targets))
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; "
        f"form-action {targets}; base-uri 'none'; frame-ancestors 'none'"
    )


def protect(config: Configurator) -> None:
    """Add the headers and the refusals that every page of the sandbox shares."""
    config.add_tween("sevres_familles.sandbox.serving.loopback_pages")


def loopback_pages(handler: Handler, registry: Any) -> Handler:
    """Answer requests for the loopback alone, with the headers of a careful page.

    A page elsewhere whose name was made to point at this machine (DNS rebinding) still
    sends its own name as Host, and a form elsewhere sends its own Origin.
    """

    def answer(request: Request) -> Response:
        if _is_foreign(request):
            response = _refusal("Adresse refusée.", 403)
        else:
            try:
                response = handler(request)
            except UnicodeDecodeError:  # an address whose bytes are no text
                response = _refusal("Adresse illisible.", 400)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", content_policy())
        headers.setdefault("Cache-Control", "no-store")
        headers["X-Content-Type-Options"] = "nosniff"
        # The address of a payment page is its only key: it must not travel as a Referer.
        headers["Referrer-Policy"] = "same-origin"
        return response

    return answer


def _refusal(text: str, status: int) -> Response:
    return Response(text, status=status, content_type="text/plain", charset="utf-8")


def _is_foreign(request: Request) -> bool:
    host = request.headers.get("Host", "")
    return host.rsplit(":", 1)[0] not in LOOPBACK_NAMES and host not in LOOPBACK_NAMES


def comes_from_our_own_page(request: Request) -> bool:
    """Tell whether a form was sent by a page of this same application.

    Tools that are no browser send no Origin, and are no danger.
    """
    origin = request.headers.get("Origin")
    return origin is None or origin == request.host_url


def serve_until_stopped(application: Any, port: int) -> None:
    """Serve until the process is told to stop by SIGTERM or SIGINT.

    Several threads, for one may wait 35 seconds for the shop's answer to a notification.
    """
    server = create_server(
        application,
        host=LOOPBACK,
        port=port,
        threads=8,
        ident="sandbox",
        max_request_body_size=LARGEST_BODY,
    )
    server.run()  # returns when a handler below has raised SystemExit


def stop_on_signals() -> None:
    """End the process by SystemExit when it is asked to stop."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
