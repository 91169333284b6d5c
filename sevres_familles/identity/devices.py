"""Devices that a family signed in from before: the browser keeps a signed cookie, the database nothing of them.

A known device does not wait for what strangers do to the family's account or from its address (`throttle`), and no mail
tells of its signing in.  The cookie opens nothing.  It names no family: a token's signature covers the code, and is
computed again with the code that is typed.  A change of password makes every device unknown.
"""

import hmac
import secrets
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from pyramid.request import Request
from pyramid.response import Response

from sevres_familles.identity.events import NewDeviceSeen
from sevres_familles.identity.resources import Credentials
from sevres_familles.identity.services import emails_of

#: How long a device is known after its last signing in.
LIFE = timedelta(days=180)
#: Families that may share a device.
_MOST = 4
#: A cookie that is longer is not ours.
_LONGEST = 400
_BETWEEN = "_"


class Token(NamedTuple):
    """What the cookie holds for one family: a random name of the device, since when (in seconds), a signature."""

    name: str
    since: str
    signature: str

    def is_good(self, request: Request, credentials: Credentials) -> bool:
        """Tell whether we gave it for this family, not long ago."""
        keys = request.portal_settings.secrets("tokens.key")
        ours = (_sign(key, credentials, self.name, self.since) for key in keys)
        if not any(hmac.compare_digest(self.signature.encode(), each.encode()) for each in ours):
            return False
        return request.now < datetime.fromtimestamp(int(self.since), UTC) + LIFE  # type: ignore[no-any-return]


def cookie_name(*, secure: bool) -> str:
    """Name the cookie; over https the ``__Host-`` prefix ties it to this very host (requirements S8)."""
    return "__Host-appareil" if secure else "appareil"


def known_device(request: Request, code: str) -> str | None:
    """Give the name of the device if a family signed in from it before."""
    credentials: Credentials | None = request.portal.stores["credentials"].get(code)
    if credentials is None:
        return None
    return next((token.name for token in _tokens(request) if token.is_good(request, credentials)), None)


def welcome(request: Request, credentials: Credentials) -> None:
    """Know the device from now on, where a family has just signed in; announce it if it was not known."""
    if known_device(request, credentials.code) is None:
        request.registry.notify(
            NewDeviceSeen(
                portal=request.portal,
                code=credentials.code,
                device=describe(request.user_agent or ""),
                emails=emails_of(request.portal, request.registry, credentials.code),
                at=request.now,
            )
        )
    remember(request, credentials)


def remember(request: Request, credentials: Credentials) -> None:
    """Know the device from now on, without a word."""
    name = known_device(request, credentials.code) or secrets.token_hex(8)
    since = str(int(request.now.timestamp()))
    token = Token(name, since, _sign(request.portal_settings.secret("tokens.key"), credentials, name, since))
    others = [each for each in _tokens(request) if each.name != name]
    value = _BETWEEN.join(".".join(each) for each in (token, *others[: _MOST - 1]))
    secure = request.portal_settings.is_secure

    def give(request: Request, response: Response) -> None:
        response.set_cookie(
            cookie_name(secure=secure), value, max_age=LIFE, secure=secure, httponly=True, samesite="Lax", path="/"
        )

    request.add_response_callback(give)


def _tokens(request: Request) -> list[Token]:
    """Read the tokens that the browser brought; whether they are good is not known yet."""
    held = request.cookies.get(cookie_name(secure=request.portal_settings.is_secure), "")
    if len(held) > _LONGEST or not held.isascii():
        return []
    parts = [each.split(".") for each in held.split(_BETWEEN)]
    return [Token(*each) for each in parts if len(each) == len(Token._fields)]


def _sign(key: bytes, credentials: Credentials, name: str, since: str) -> str:
    message = "\0".join(("device", credentials.code, credentials.device_key, name, since))
    return hmac.digest(key, message.encode(), "sha256").hex()[:32]


#: What browsers say of themselves, in the order in which it is to be looked for: each pretends to be the ones below.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "un iPhone"),
    ("iPad", "un iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "un Mac"),
    ("Linux", "Linux"),
)


def describe(user_agent: str) -> str:
    """Say what kind of device it is, browser and system alone: « Firefox sous Windows », « Safari sur un iPhone »."""
    browser = next((words for mark, words in _BROWSERS if mark in user_agent), "Navigateur inconnu")
    system = next((words for mark, words in _SYSTEMS if mark in user_agent), "")
    if not system:
        return browser
    return f"{browser} {'sur' if system.startswith('un ') else 'sous'} {system}"
