"""What every response carries, errors and files included, and which hosts are answered (requirements S8–S11, S23)."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest, HTTPRequestEntityTooLarge
from pyramid.request import Request
from pyramid.response import Response
from pyramid.tweens import EXCVIEW, INGRESS

from sevres_familles.web.logs import tell_now
from sevres_familles.web.settings import Settings
from sevres_familles.web.watching import may_watch

#: A request larger than this is refused before it is read (requirements S37): our forms are small.
MAX_BODY = 64 * 1024

#: A Host header that names a host and a port.  What else it may hold (``localhost:1@elsewhere``) would reach our links.
_HOST = re.compile(r"([^:@/\\]+)(?::[0-9]{1,5})?", re.ASCII)


def content_security_policy(settings: Settings) -> str:
    """Write the policy: our own files only, no inline script or style, forms to us and to the bank."""
    bank = urlsplit(settings.bank_form_url)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "font-src 'self'",
            "connect-src 'self'",
            f"form-action 'self' {bank.scheme}://{bank.netloc}",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "object-src 'none'",
        )
    )


def harden(request: Request, response: Response) -> Response:
    """Put the headers on a response.  A response that a signed-in person gets is never kept."""
    response.headers["Content-Security-Policy"] = request.registry.content_security_policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Permissions-Policy"] = "camera=(), geolocation=(), microphone=(), payment=()"
    if request.portal_settings.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    # A word between a view and pyramid_tm (a refusal that is recorded), which is nobody else's business.
    response.headers.pop("X-Tm", None)
    return response


def harden_tween_factory(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Make the outermost tween: every response is hardened, errors and files included."""
    return lambda request: harden(request, handler(request))


def is_too_long(request: Request) -> bool:
    """Tell whether a request is larger than anything of ours."""
    return (request.content_length or 0) > MAX_BODY


def attempts_at(request: Request) -> int | None:
    """Tell pyramid_retry how often to try: once what will be refused, since it copies the body to try again."""
    return 1 if is_too_long(request) else None


def guard_tween_factory(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Make the tween that refuses strange hosts and huge bodies, before anything of them is read."""
    hosts = frozenset(registry.settings_of_portal.hosts)

    def guard(request: Request) -> Response:
        found = _HOST.fullmatch(request.host)
        if (found is None or found[1] not in hosts) and not may_watch(request):
            tell_now("host refused")
            raise HTTPBadRequest("Cette adresse n’est pas celle du portail.")
        if is_too_long(request):
            raise HTTPRequestEntityTooLarge
        return handler(request)

    return guard


def includeme(config: Configurator) -> None:
    """Add the tweens: the guard stands inside the error pages, so that its refusals are pages too."""
    config.registry.content_security_policy = content_security_policy(config.registry.settings_of_portal)
    config.add_tween("sevres_familles.web.headers.harden_tween_factory", under=INGRESS)
    config.add_tween("sevres_familles.web.headers.guard_tween_factory", under=EXCVIEW)
