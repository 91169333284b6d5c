"""Connexion, Déconnexion, and what keeps a session open."""

from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.domain.references import has_printed_shape, is_printed_password
from sevres_familles.identity import devices, sessions
from sevres_familles.identity.links import code_in, local_path
from sevres_familles.identity.resources import Scope
from sevres_familles.identity.schemas import SignInSchema
from sevres_familles.identity.services import authenticate, credentials_of
from sevres_familles.identity.views.forgotten import AskIdentifiers
from sevres_familles.identity.views.pages import ThrottledView, family_home, keep_record, page_url
from sevres_familles.web.forms import refuse_unknown_fields, wrong
from sevres_familles.web.logs import alias, tell
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission

_WRONG = (
    "Le code d’accès ou le mot de passe n’est pas le bon. Vérifiez les deux, puis recommencez. "
    "Si le mot de passe de votre facture ne marche plus, utilisez «\u00a0Identifiants oubliés\u00a0»."
)
_MISTYPED = (
    "Il y a une faute de frappe dans le mot de passe de la facture. "
    "Recopiez-le caractère par caractère, sans O, 0, I, 1 ni L\u00a0: il n’en contient jamais."
)


@view_config(
    context=Portal,
    name="connexion",
    permission=Permission.SESSION_OPEN,
    renderer="sevres_familles:templates/identity/sign_in.pt",
)
class SignIn(ThrottledView):
    """Sign a family in."""

    schema = SignInSchema
    button = "Connexion"
    form_id = "connexion"

    def show(self) -> Any:
        """Show the page, or lead on who is signed in already."""
        identity = self.request.identity
        if identity is not None:
            return _lead_on(self.request, identity.code, identity.scope, self.request.GET.get("retour", ""))
        # Ended from another device, or too old.  A form that was sent meanwhile has had its own word.
        if sessions.drop_ended(self.request) and not self.request.session.peek_flash("warn"):
            self.request.session.flash("Vous avez été déconnecté. Reconnectez-vous.", "warn")
        return super().show()

    def initial(self) -> dict[str, Any]:
        """Keep where to go back to, and fill in the code of the family whose page that is."""
        back = local_path(self.request.GET.get("retour", "")) or ""
        code = code_in(self.request, back)
        return {"retour": back, **({"code": code} if code else {})}

    def extra(self) -> dict[str, Any]:
        """Show the form for forgotten identifiers beneath, and where the code stands on an invoice."""
        forgotten = AskIdentifiers(self.context, self.request)
        forgotten.action = page_url(self.request, "identifiants-oublies")
        example = {"code": self.request.town.code_example, "password": "K7MP-Q3XA-TRWD-9HF4"}
        days = self.request.portal_settings.printed_password_life.days
        return {
            "title": "Connexion",
            "forgotten": forgotten.rendered(forgotten.form()),
            "example": example,
            "days": days,
        }

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Open a session."""
        request, code, typed = self.request, appstruct["code"], appstruct["mdp"]
        if has_printed_shape(typed) and not is_printed_password(typed):
            raise wrong(self.form().schema, "mdp", _MISTYPED)
        tries = self.attempts(code)
        wait = tries.wait()
        if wait:
            raise self.too_soon("mdp", wait, "Trop d’essais avec ce code ou depuis cette connexion.")
        scope = authenticate(request.portal, request.registry, code, typed, request.now, self.verify)
        if scope is None:
            tries.fail()
            keep_record(request)
            _tell(request, "sign-in refused", code)
            raise wrong(self.form().schema, "mdp", _WRONG)
        tries.succeed()
        _tell(request, "sign-in", code)
        credentials = credentials_of(request.portal, code)
        sessions.start(request, credentials, scope)
        if scope is Scope.FAMILY:
            devices.welcome(request, credentials)
        else:
            sessions.keep_way_back(request, local_path(appstruct["retour"]))
        return _lead_on(request, code, scope, appstruct["retour"])


def _tell(request: Request, event: str, code: str) -> None:
    settings = request.portal_settings
    visitor = alias(settings, request.remote_addr or "")
    tell(request.portal, event, family=alias(settings, code), visitor=visitor)


def _lead_on(request: Request, code: str, scope: Scope, back: str) -> HTTPSeeOther:
    """Lead a family that is signed in to the page it wanted, or to its home."""
    if scope is Scope.ACTIVATION:
        return HTTPSeeOther(page_url(request, "mot-de-passe"))
    path = local_path(back)
    return HTTPSeeOther(request.host_url + path) if path else family_home(request, code)


@view_config(context=Portal, name="deconnexion", permission=Permission.SESSION_CLOSE, request_method="POST")
def sign_out(context: Portal, request: Request) -> Response:
    """End the session.  It is no fault to have none any more."""
    refuse_unknown_fields(request, set())
    if request.identity is not None:
        _tell(request, "sign-out", request.identity.code)
    sessions.end(request)
    request.session.flash("Vous êtes déconnecté.")
    response = HTTPSeeOther(request.resource_url(request.portal))
    # Not "cookies": that would reach the cookies of the town's other sites too (docs/decisions/0007).
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@view_config(context=Portal, name="prolonger", permission=Permission.SESSION_EXTEND, request_method="POST")
def extend_session(context: Portal, request: Request) -> Response:
    """Keep the session open as long again: its idle time stands in the cookie, which is written anew."""
    refuse_unknown_fields(request, set())
    request.session.changed()
    return Response(status=204)
