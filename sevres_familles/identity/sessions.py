"""Sessions: the browser's cookie holds a random ticket, the family's credentials keep its hash (requirements I11)."""

import secrets
from typing import NamedTuple

from pyramid.request import Request

from sevres_familles.identity.devices import describe
from sevres_familles.identity.resources import Credentials, Scope, Session
from sevres_familles.web.sessions import has_session

_TICKET = "ticket"
_WAY_BACK = "retour"


class Ticket(NamedTuple):
    """What the cookie holds: the family's code, and 128 random bits in hexadecimal."""

    code: str
    secret: str


def ticket_of(request: Request) -> Ticket:
    """Read the ticket of the browser; one that opens nothing when it brought none."""
    held = request.session.get(_TICKET, "") if has_session(request) else ""
    code, _, secret = held.rpartition(".")
    return Ticket(code, secret)


def current_session(request: Request) -> Session | None:
    """Find the open session of the browser.  Reads only, and opens no cookie."""
    ticket = ticket_of(request)
    if not ticket.code:
        return None
    credentials: Credentials | None = request.portal.stores["credentials"].get(ticket.code)
    life = request.portal_settings.session_absolute
    return credentials.session(ticket.secret, request.now, life) if credentials else None


def start(request: Request, credentials: Credentials, scope: Scope) -> None:
    """Open a session, under a new ticket and a new CSRF token, in place of the one the browser had."""
    end(request)
    ticket = Ticket(credentials.code, secrets.token_hex(16))
    session = Session(request.now, scope, describe(request.user_agent or ""))
    credentials.open_session(ticket.secret, session, request.portal_settings.session_absolute)
    request.session[_TICKET] = ".".join(ticket)
    request.session.new_csrf_token()


def drop_ended(request: Request) -> bool:
    """Take a ticket that opens nothing any more off the browser, and tell whether it held one."""
    had_one = request.identity is None and ticket_of(request).code != ""
    if had_one:
        del request.session[_TICKET]
    return had_one


def end(request: Request) -> None:
    """End the session of the browser, and empty its cookie."""
    ticket = ticket_of(request)
    credentials: Credentials | None = request.portal.stores["credentials"].get(ticket.code)
    if credentials is not None:
        credentials.end_session(ticket.secret)
    request.session.invalidate()


def keep_way_back(request: Request, path: str | None) -> None:
    """Keep the page that a family wanted, while it chooses its first password."""
    if path:
        request.session[_WAY_BACK] = path


def way_back(request: Request) -> str | None:
    """Tell the page that the family wanted before it chose its first password."""
    path: str | None = request.session.get(_WAY_BACK)
    return path
