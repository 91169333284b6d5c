"""« Vos connexions »: the family sees where it is signed in, and ends one session or all others (requirements I11)."""

from typing import Any, NamedTuple

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config, view_defaults

from sevres_familles.identity import devices
from sevres_familles.identity.resources import Credentials
from sevres_familles.identity.sessions import ticket_of
from sevres_familles.identity.views.pages import page_url
from sevres_familles.web.forms import refuse_unknown_fields
from sevres_familles.web.logs import alias, tell
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission

PAGE = "vos-connexions"
_OTHERS = "autres"


class SessionRow(NamedTuple):
    """An open session as it is shown; ``is_here`` for that of the browser which asks."""

    name: str
    device: str
    opened_at: Any
    is_here: bool


@view_defaults(context=Portal, name=PAGE, permission=Permission.SESSION_MANAGE)
class ShowSessions:
    """Show the open sessions of a family, and end them."""

    def __init__(self, context: Portal, request: Request) -> None:
        self.request = request
        self.credentials: Credentials = request.portal.stores["credentials"][request.identity.code]

    @view_config(request_method="GET", renderer="sevres_familles:templates/identity/sessions.pt")
    def show(self) -> dict[str, Any]:
        """Show the sessions, this one first."""
        settings = self.request.portal_settings
        opened = self.credentials.open_sessions(self.request.now, settings.session_absolute)
        here = self.credentials.name_of(ticket_of(self.request).secret)
        rows = [
            SessionRow(name, each.device or "Appareil inconnu", each.opened_at, name == here) for name, each in opened
        ]
        return {
            "title": "Vos connexions",
            "rows": sorted(rows, key=lambda row: not row.is_here),
            "idle_minutes": int(settings.session_idle.total_seconds() // 60),
            "life_hours": int(settings.session_absolute.total_seconds() // 3600),
        }

    @view_config(request_method="POST")
    def end(self) -> Response:
        """End the session of a name, or all others.  It is no fault to name one that has ended."""
        request = self.request
        refuse_unknown_fields(request, {"connexion"})
        name = request.POST.get("connexion", "")
        family = alias(request.portal_settings, self.credentials.code)
        if name == _OTHERS:
            self.credentials.end_others(ticket_of(request).secret)
            devices.remember(request, self.credentials)
            tell(request.portal, "other sessions ended", family=family)
            words = "Tous les autres appareils sont déconnectés."
        elif self.credentials.end_named(name):
            tell(request.portal, "session ended", family=family)
            words = "Cet appareil est déconnecté."
        else:
            words = "Cet appareil était déjà déconnecté."
        request.session.flash(words)
        return HTTPSeeOther(page_url(request, PAGE))
