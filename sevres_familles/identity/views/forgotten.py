"""« Identifiants oubliés »: the question, and the link of the mail that answers it."""

from datetime import timedelta
from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.identity.schemas import AskIdentifiersSchema
from sevres_familles.identity.services import ask_reset, gate
from sevres_familles.identity.throttle import ASKING, network_of
from sevres_familles.identity.views.pages import ThrottledView, page_url
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission


@view_config(
    context=Portal,
    name="identifiants-oublies",
    permission=Permission.SESSION_OPEN,
    renderer="sevres_familles:templates/identity/forgotten.pt",
)
class AskIdentifiers(ThrottledView):
    """Send forgotten identifiers to the address that the family gave.

    The answer is the same in the same time for an address that we know and for one that we do not (requirements I7).
    """

    schema = AskIdentifiersSchema
    button = "Demande d’identifiant"
    button_class = ""
    form_id = "oubli"

    def extra(self) -> dict[str, Any]:
        """Tell whether this is the answer."""
        sent = self.request.GET.get("demande") == "envoyee" and self.request.method == "GET"
        return {
            "title": "Vérifiez votre messagerie" if sent else "Identifiants oubliés",
            "sent": sent,
            "minutes": self.request.portal_settings.reset_life // timedelta(minutes=1),
        }

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Take the request."""
        request = self.request
        network = network_of(request.remote_addr or "")
        asking = gate(request.portal, request.registry, ASKING, request.now, "asking", network)
        if wait := asking.wait():
            raise self.too_soon("email", wait, "Trop de demandes depuis cette connexion.")
        asking.count()
        ask_reset(request.portal, request.registry, appstruct["email"], request.now)
        return HTTPSeeOther(page_url(request, "identifiants-oublies", demande="envoyee"))
