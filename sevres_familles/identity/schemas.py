"""What the forms of identity carry."""

from typing import Any

import colander
from deform.widget import HiddenWidget, PasswordWidget, TextInputWidget

from sevres_familles.domain.emails import is_email
from sevres_familles.domain.references import LONGEST_CODE
from sevres_familles.identity.passwords import LONGEST

_LENGTH = colander.Length(max=LONGEST, max_err=f"Ce mot de passe est trop long\u00a0: {LONGEST} caractères au plus.")


def _password_field(**options: Any) -> colander.SchemaNode:
    """Make the field of a password.  Spaces count, at both ends too: nothing is taken off."""
    attributes = {"spellcheck": "false", "autocapitalize": "none"} | options.pop("attributes")
    shows = {"shows": options.pop("shows")} if "shows" in options else {}
    return colander.SchemaNode(
        colander.String(),
        widget=PasswordWidget(strip=False, attributes=attributes, **shows),
        **{"validator": _LENGTH} | options,
    )


def _can_be_written_to(node: colander.SchemaNode, email: str) -> None:
    """Refuse, while the family can still mend it, what the outbox would give up.

    :raises colander.Invalid: when it is no address that mails are sent to.
    """
    if not is_email(email):
        raise colander.Invalid(
            node,
            "Nous ne pouvons pas écrire à cette adresse e-mail. Vérifiez-la\u00a0: "
            "ni espace, ni accent. Exemple\u00a0: nom@exemple.fr",
        )


def _email_field() -> colander.SchemaNode:
    return colander.SchemaNode(
        colander.String(),
        title="Votre e-mail",
        description="Exemple\u00a0: nom@exemple.fr",
        widget=TextInputWidget(attributes={"type": "email", "autocomplete": "email", "autocapitalize": "none"}),
        validator=_can_be_written_to,
        missing_msg="Indiquez votre adresse e-mail. Exemple\u00a0: nom@exemple.fr",
    )


@colander.deferred
def _where_the_code_stands(node: colander.SchemaNode, keywords: dict[str, Any]) -> str:
    example = keywords["request"].town.code_example
    kind = "chiffres" if example.isdigit() else "caractères"
    return f"{len(example)} {kind}, en bas de votre facture. Exemple\u00a0: {example}"


@colander.deferred
def _code_widget(node: colander.SchemaNode, keywords: dict[str, Any]) -> TextInputWidget:
    """Have telephones open the keyboard that the town's codes are typed on: the one of figures has no letters."""
    example = keywords["request"].town.code_example
    attributes = {
        "autocomplete": "username",
        "inputmode": "numeric" if example.isdigit() else "text",
        "autocapitalize": "characters" if example.isupper() else "none",
    }
    return TextInputWidget(css_class="short code", attributes=attributes)


class SignInSchema(colander.Schema):
    """Code d’accès and password; where to go back to."""

    code = colander.SchemaNode(
        colander.String(),
        title="Code d’accès",
        description=_where_the_code_stands,
        preparer=lambda typed: "".join(typed.split()) if typed else typed,
        widget=_code_widget,
        validator=colander.Length(
            max=LONGEST_CODE, max_err="Ce code d’accès est trop long. Recopiez celui de votre facture."
        ),
        missing_msg="Tapez votre code d’accès. Il est en bas de votre facture.",
    )
    mdp = _password_field(
        title="Mot de passe",
        description="La première fois, celui de la facture. Ensuite, celui que vous avez choisi.",
        attributes={"autocomplete": "current-password"},
        missing_msg="Tapez votre mot de passe.",
    )
    retour = colander.SchemaNode(
        colander.String(), widget=HiddenWidget(), missing="", validator=colander.Length(max=2000)
    )


class NewPasswordSchema(colander.Schema):
    """A new password, twice.

    The code d’accès stands before it, for the family to learn, and for its password manager, which needs to know whose
    password it keeps.  What comes back of it is not read.
    """

    code = colander.SchemaNode(
        colander.String(),
        title="Votre code d’accès",
        widget=TextInputWidget(css_class="short code", attributes={"autocomplete": "username", "readonly": "readonly"}),
        validator=colander.Length(max=20),
    )
    n1 = _password_field(
        title="Nouveau mot de passe",
        description="12 caractères au moins. 15 ou plus, c’est mieux.",
        attributes={"autocomplete": "new-password", "aria-describedby": "regles"},
        shows="mot-de-passe-n1 mot-de-passe-n2",
        missing_msg="Choisissez un mot de passe.",
    )
    n2 = _password_field(
        title="Le même, une seconde fois",
        attributes={"autocomplete": "new-password"},
        shows="",
        # It must be the first one, whose length is told once.
        validator=None,
        missing_msg="Tapez le même mot de passe une seconde fois.",
    )


def _current_password(**options: Any) -> colander.SchemaNode:
    return _password_field(
        title="Mot de passe actuel",
        attributes={"autocomplete": "current-password"},
        missing_msg="Tapez votre mot de passe actuel.",
        **options,
    )


def _leave_current_out(node: colander.SchemaNode, keywords: dict[str, Any]) -> None:
    """Leave the current password out where the page does not ask for it."""
    if not keywords["asks_current"]:
        del node["actuel"]


class ChangePasswordSchema(NewPasswordSchema):
    """The current password, and a new one, twice."""

    after_bind = staticmethod(_leave_current_out)

    actuel = _current_password(insert_before="n1")


class AskIdentifiersSchema(colander.Schema):
    """The address that forgotten identifiers are sent to."""

    email = _email_field()


class AskConfirmationSchema(AskIdentifiersSchema):
    """The address to confirm, and the current password when the session is not a fresh one."""

    after_bind = staticmethod(_leave_current_out)

    actuel = _current_password()
