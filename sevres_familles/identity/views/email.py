"""The family's e-mail address: asking to confirm it, confirming it by the link of a mail."""

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.identity.resources import Scope
from sevres_familles.identity.schemas import AskConfirmationSchema
from sevres_familles.identity.services import (
    ask_confirmation,
    check_confirmation,
    confirm_email,
    gate,
    mail_address,
)
from sevres_familles.identity.sessions import current_session, way_back
from sevres_familles.identity.throttle import MAILING
from sevres_familles.identity.tokens import Purpose
from sevres_familles.identity.views.links import held_link, hold_link, let_go
from sevres_familles.identity.views.pages import ThrottledView, family_home, page_url
from sevres_familles.identity.views.password import STEPS
from sevres_familles.web.forms import NoSchema
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission


@view_config(
    context=Portal,
    name="confirmer-mon-e-mail",
    permission=Permission.PASSWORD_CHANGE,
    renderer="sevres_familles:templates/identity/confirm_email.pt",
)
class AskConfirmation(ThrottledView):
    """Give the address to write to, and have a link sent there: the last step of the first sign-in, or later."""

    schema = AskConfirmationSchema
    button = "Recevoir le lien de confirmation"
    form_id = "e-mail"

    @property
    def code(self) -> str:
        """The code of the family that is signed in."""
        code: str = self.request.identity.code
        return code

    def bindings(self) -> dict[str, Any]:
        """Ask for the password, unless it was given a few minutes ago (requirements I10)."""
        session = current_session(self.request)
        return {"asks_current": session is None or not session.is_fresh(self.request.now)}

    def initial(self) -> dict[str, Any]:
        """Offer the address that we know."""
        return {"email": mail_address(self.request.portal, self.request.registry, self.code) or ""}

    def extra(self) -> dict[str, Any]:
        """Show the steps of the first time, what is confirmed already, and the way past this page."""
        request = self.request
        credentials = request.portal.stores["credentials"].get(self.code)
        return {
            "title": "Confirmez votre adresse e-mail",
            "crumb": "Votre e-mail",
            "steps": STEPS if "etape" in request.GET else None,
            "confirmed": credentials.email if credentials else None,
            "later_url": self.way_on().location,
            "days": request.portal_settings.confirmation_life.days,
        }

    def way_on(self) -> HTTPSeeOther:
        """Lead to what this visitor may open next: at the end of the first sign-in, the page that it was for."""
        if self.request.identity.scope is Scope.ACTIVATION:
            return HTTPSeeOther(page_url(self.request, "mot-de-passe"))
        back = way_back(self.request) if "etape" in self.request.GET else None
        if back is not None:
            return HTTPSeeOther(self.request.host_url + back)
        return family_home(self.request, self.code)

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Send the link."""
        request, email = self.request, appstruct["email"]
        if "actuel" in appstruct:
            self.check_current_password(appstruct["actuel"])
        confirming = gate(request.portal, request.registry, MAILING, request.now, "confirming", self.code)
        if wait := confirming.wait():
            raise self.too_soon("email", wait, "Nous vous avons déjà écrit plusieurs fois.")
        confirming.count()
        ask_confirmation(request.portal, request.registry, self.code, email, request.now)
        request.session.flash(f"Un e-mail part à {email}. Ouvrez le lien qu’il contient pour confirmer votre adresse.")
        return self.way_on()


@view_config(
    context=Portal,
    name="confirmer-mon-adresse",
    permission=Permission.SESSION_OPEN,
    renderer="sevres_familles:templates/identity/confirm_link.pt",
)
class ConfirmEmail(ThrottledView):
    """Confirm an address by the link of a mail.  Looking at it confirms nothing: programs open links too."""

    schema = NoSchema
    button = "Confirmer mon adresse"
    form_id = "confirmation"

    def __call__(self) -> Any:
        """Take the token off the address, or answer by it."""
        if self.request.subpath:
            return hold_link(self.request, Purpose.EMAIL)
        self.link = held_link(self.request, Purpose.EMAIL)
        portal, registry = self.request.portal, self.request.registry
        self.credentials = check_confirmation(portal, registry, *self.link, self.request.now)
        return super().__call__()

    def extra(self) -> dict[str, Any]:
        """Say which address it is."""
        sent = self.credentials.confirmation
        return {"title": "Confirmez votre adresse e-mail", "email": sent.email if sent else ""}

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Confirm the address."""
        request = self.request
        email = confirm_email(request.portal, request.registry, *self.link, request.now)
        let_go(request)
        request.session.flash(f"Votre adresse {email} est confirmée. Vos reçus y seront envoyés.")
        return HTTPSeeOther(page_url(request, "connexion"))
