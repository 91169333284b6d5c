"""The session cookie: signed, holding no more than a ticket, a CSRF token and messages.

The cookie tells how long ago the browser was last seen (idle time); whether the ticket still opens anything is asked of
the database on every request (`sevres_familles.identity`), so a session can be ended from here.
"""

import time

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.session import JSONSerializer, SignedCookieSessionFactory

#: The cookie is written again when this share of the idle time has passed, so that most responses set none.
REISSUE_AFTER = 1 / 20


def cookie_name(*, secure: bool) -> str:
    """Name the cookie; over https the ``__Host-`` prefix ties it to this very host (requirements S8)."""
    return "__Host-session" if secure else "session"


def has_session(request: Request) -> bool:
    """Tell whether the browser brought a session, without opening one: public pages stay free of cookies."""
    return cookie_name(secure=request.portal_settings.is_secure) in request.cookies


def has_timed_out(request: Request) -> bool:
    """Tell whether the browser's session was dropped, having been idle for too long."""
    idle = request.portal_settings.session_idle.total_seconds()
    over: bool = time.time() - request.session.renewed > idle
    return over


def includeme(config: Configurator) -> None:
    """Set the session factory."""
    settings = config.registry.settings_of_portal
    idle = settings.session_idle.total_seconds()
    config.set_session_factory(
        SignedCookieSessionFactory(
            settings.secret("session.key").decode(),
            cookie_name=cookie_name(secure=settings.is_secure),
            secure=settings.is_secure,
            httponly=True,
            # Lax, not Strict: the return from the bank is a cross-site navigation (requirements S8).
            samesite="Lax",
            timeout=int(idle),
            reissue_time=int(idle * REISSUE_AFTER),
            serializer=JSONSerializer(),
        )
    )
