"""Links of mails: their token leaves the address at once, and waits in the browser's signed cookie.

So it stands in no history, in no Referer and in no bookmark, and the page itself needs no other Referrer-Policy than
every page has.  Opening a link writes nothing to the database: programs that open the links of mails spend none.
"""

from typing import Any, NamedTuple

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.view import exception_view_config

from sevres_familles.identity.links import PAGES
from sevres_familles.identity.services import DeadLink
from sevres_familles.identity.tokens import Purpose
from sevres_familles.identity.views.pages import page_url
from sevres_familles.web.sessions import has_session

_HELD = "link"


class HeldLink(NamedTuple):
    """What the address of a link said."""

    code: str
    token: str


def hold_link(request: Request, purpose: Purpose) -> HTTPSeeOther:
    """Take the token off the address, and open the page without it.

    :raises DeadLink: when the address is not that of a link.
    """
    if len(request.subpath) != len(HeldLink._fields):
        raise DeadLink
    request.session[_HELD] = [purpose, *request.subpath]
    response = HTTPSeeOther(page_url(request, PAGES[purpose]))
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def held_link(request: Request, purpose: Purpose) -> HeldLink:
    """Find the link that the browser opened last.

    :raises DeadLink: when there is none for this purpose.
    """
    held = request.session.get(_HELD, []) if has_session(request) else []
    if held[:1] != [purpose]:
        raise DeadLink
    return HeldLink(*held[1:])


def let_go(request: Request) -> None:
    """Forget the link."""
    request.session.pop(_HELD, None)


@exception_view_config(DeadLink, renderer="sevres_familles:templates/identity/dead_link.pt")
def dead_link(error: DeadLink, request: Request) -> dict[str, Any]:
    """Say that a link is over, and how to get another."""
    request.response.status_int = 410
    return {
        "title": "Ce lien ne marche plus",
        "is_reset": request.view_name == PAGES[Purpose.RESET],
        "ask_url": page_url(request, "identifiants-oublies"),
        "sign_in_url": page_url(request, "connexion", retour=f"{request.portal_path}confirmer-mon-e-mail"),
    }
