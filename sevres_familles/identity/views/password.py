"""« Changer de mot de passe », and the choice of a new one by a link."""

from typing import Any

import colander
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.identity import devices, sessions
from sevres_familles.identity.passwords import EXAMPLE, Fault, Rule
from sevres_familles.identity.resources import Scope
from sevres_familles.identity.schemas import ChangePasswordSchema, NewPasswordSchema
from sevres_familles.identity.services import check_reset, faults_of_password, set_password
from sevres_familles.identity.tokens import Purpose
from sevres_familles.identity.views.links import held_link, hold_link, let_go
from sevres_familles.identity.views.pages import ThrottledView, family_home, page_url
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission

#: The way of the first sign-in.
STEPS = ("Votre code", "Votre mot de passe", "Votre e-mail")
_DIFFERENT = "Les deux mots de passe sont différents. Tapez-les à nouveau."


class NewPasswordView(ThrottledView):
    """A page where a family chooses a password."""

    button = "Enregistrer mon mot de passe"
    form_id = "mot-de-passe"
    #: What is wrong with the password that was typed; none before one was.
    faults: list[Fault] | None = None

    @property
    def code(self) -> str:
        """The code of the family that chooses."""
        raise NotImplementedError

    def initial(self) -> dict[str, Any]:
        """Say whose password it is."""
        return {"code": self.code}

    def rules(self) -> list[tuple[str, bool | None]]:
        """Give the rules, each with whether what was typed respects it, if something was."""
        words = {
            Rule.LENGTH: "12 caractères au moins",
            Rule.PERSONAL: "ni vos nom et prénom, ni le prénom d’un enfant, "
            f"ni «\u00a0{self.request.town.name}\u00a0», ni votre code",
            Rule.GUESSABLE: "pas un mot de passe connu des pirates, ni facile à deviner",
        }
        broken = {fault.rule for fault in self.faults or ()}
        return [(words[rule], None if self.faults is None else rule not in broken) for rule in Rule]

    def check_new_password(self, appstruct: dict[str, Any]) -> str:
        """Check the new password against every rule, and give it.

        :raises colander.Invalid: naming all that is wrong with both fields.
        """
        password: str = appstruct["n1"]
        self.faults = faults_of_password(self.request.portal, self.request.registry, self.code, password)
        schema = self.form().schema
        error = colander.Invalid(schema)
        if self.faults:
            error["n1"] = [fault.message for fault in self.faults]
        if appstruct["n2"] != password:
            error["n2"] = _DIFFERENT
        if error.children:
            raise error
        return password


@view_config(
    context=Portal,
    name="mot-de-passe",
    permission=Permission.PASSWORD_CHANGE,
    renderer="sevres_familles:templates/identity/change_password.pt",
)
class ChangePassword(NewPasswordView):
    """Change one's password, or choose the first one."""

    schema = ChangePasswordSchema

    @property
    def code(self) -> str:
        """The code of the family that is signed in."""
        code: str = self.request.identity.code
        return code

    @property
    def is_first(self) -> bool:
        """Whether the printed password brought the family here."""
        is_first: bool = self.request.identity.scope is Scope.ACTIVATION
        return is_first

    def bindings(self) -> dict[str, Any]:
        """Ask for the current password, unless the printed one has just been asked for."""
        return {"asks_current": not self.is_first}

    def extra(self) -> dict[str, Any]:
        """Greet the family, show the steps of the first time and the rules."""
        return {
            "title": "Choisissez votre mot de passe" if self.is_first else "Changer de mot de passe",
            "steps": STEPS if self.is_first else None,
            "addressee": self.request.registry.directory.addressee(self.request.portal, self.code),
            "rules": self.rules(),
            "example": EXAMPLE,
        }

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Set the password.  This session goes on under a new ticket, every other one ends."""
        request, was_first = self.request, self.is_first
        if not was_first:
            self.check_current_password(appstruct["actuel"])
        password = self.check_new_password(appstruct)
        credentials = set_password(request.portal, request.registry, self.code, password, request.now)
        back = sessions.way_back(request)
        sessions.start(request, credentials, Scope.FAMILY)
        sessions.keep_way_back(request, back)
        devices.remember(request, credentials)
        request.session.flash("Votre mot de passe est enregistré.")
        if was_first:
            return HTTPSeeOther(page_url(request, "confirmer-mon-e-mail", etape="3"))
        return family_home(request, credentials.code)


@view_config(
    context=Portal,
    name="nouveau-mot-de-passe",
    permission=Permission.SESSION_OPEN,
    renderer="sevres_familles:templates/identity/change_password.pt",
)
class ChooseNewPassword(NewPasswordView):
    """Choose a new password by the link of a mail.  Looking at it spends nothing."""

    schema = NewPasswordSchema

    def __call__(self) -> Any:
        """Take the token off the address, or answer by it."""
        if self.request.subpath:
            return hold_link(self.request, Purpose.RESET)
        self.link = held_link(self.request, Purpose.RESET)
        self.check_link()
        return super().__call__()

    def check_link(self) -> None:
        """Check that the link still does something.

        :raises DeadLink: when it does not.
        """
        check_reset(self.request.portal, self.request.registry, *self.link, self.request.now)

    @property
    def code(self) -> str:
        """The code of the family that the link is for."""
        return self.link.code

    def extra(self) -> dict[str, Any]:
        """Remind of the code d’accès, show the rules."""
        return {
            "title": "Choisissez votre mot de passe",
            "steps": None,
            "learns": True,
            "addressee": "",
            "rules": self.rules(),
            "example": EXAMPLE,
        }

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Set the password, end every session, and lead to Connexion, where it is tried at once."""
        request, code = self.request, self.code
        password = self.check_new_password(appstruct)
        credentials = set_password(request.portal, request.registry, code, password, request.now)
        devices.remember(request, credentials)
        self.attempts(code).succeed()
        let_go(request)
        sessions.end(request)
        request.session.flash(f"Votre mot de passe est enregistré. Connectez-vous avec votre code d’accès, {code}.")
        return HTTPSeeOther(page_url(request, "connexion"))
