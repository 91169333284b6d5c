"""The session cookie: signed, holding no more than a ticket, a CSRF token and messages.

The cookie tells how long ago the browser was last seen (idle time); whether the ticket still opens anything is asked of
the database on every request (`sevres_familles.identity`), so a session can be ended from here.
"""

import time
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.session import BaseCookieSessionFactory, JSONSerializer
from webob.cookies import SignedSerializer

from sevres_familles.web.settings import Settings

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


class CookieSerializer:
    """What signs cookies with ``session.key``, and takes those of the keys before it while they stand in the file."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._signers: dict[bytes, SignedSerializer] = {}

    def dumps(self, appstruct: Any) -> bytes:
        """Sign with the key in use."""
        return self._all()[0].dumps(appstruct)  # type: ignore[no-any-return]

    def loads(self, bstruct: bytes) -> Any:
        """Read what a key of ours signed.

        :raises ValueError: when none did.
        """
        *others, last = self._all()
        for signer in others:
            try:
                return signer.loads(bstruct)
            except ValueError:
                continue
        return last.loads(bstruct)

    def _all(self) -> list[SignedSerializer]:
        keys = self._settings.secrets("session.key")
        for key in keys:
            if key not in self._signers:
                signer = SignedSerializer(key.decode(), "pyramid.session.", "sha512", serializer=JSONSerializer())
                self._signers = {**self._signers, key: signer}
        return [self._signers[key] for key in keys]


def includeme(config: Configurator) -> None:
    """Set the session factory."""
    settings = config.registry.settings_of_portal
    idle = settings.session_idle.total_seconds()
    settings.secret("session.key")  # a portal without its secrets does not start
    config.set_session_factory(
        BaseCookieSessionFactory(
            CookieSerializer(settings),
            cookie_name=cookie_name(secure=settings.is_secure),
            secure=settings.is_secure,
            httponly=True,
            # Lax, not Strict: the return from the bank is a cross-site navigation (requirements S8).
            samesite="Lax",
            timeout=int(idle),
            reissue_time=int(idle * REISSUE_AFTER),
        )
    )
