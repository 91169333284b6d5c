"""Forms: deform's schemas, widgets and validation, in our own widget templates (templates/forms), without its scripts.

A page with a form is a `FormView`: it shows the form, refuses fields that it does not have (requirements S6), shows
every error beside its field and in a summary, with status 422, or calls ``valid``.

A node of the schema says its label (``title``), its hint (``description``), what is wrong when nothing was typed
(``missing_msg``).  Its widget's ``css_class`` and ``attributes`` reach the field: ``short``, ``code``,
``autocomplete``, ``inputmode``.  A `PasswordWidget` may say with ``shows`` which fields its « Afficher » button shows,
or none (``""``).
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import colander
import deform
from deform.template import ZPTRendererFactory
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.i18n import get_localizer
from pyramid.path import AssetResolver
from pyramid.request import Request
from pyramid.threadlocal import get_current_request

from sevres_familles.domain.money import Money, NotAnAmount
from sevres_familles.web.markup import ICONS, Markup

_GROUP_NAMES = ("__start__", "__end__")
_CONTROLS = frozenset({"csrf_token", "_charset_", "__formid__", "submit"})
_NUMBERS = ("", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix")


class Euros(colander.SchemaType):
    """A sum typed the French way, ``12,30``, which becomes `Money`."""

    def serialize(self, node: colander.SchemaNode, appstruct: Any) -> Any:
        """Write a sum as one types it, without the sign."""
        if appstruct in (colander.null, None):
            return colander.null
        return str(appstruct).removesuffix("€").rstrip()

    def deserialize(self, node: colander.SchemaNode, cstruct: Any) -> Any:
        """Read a sum.

        :raises colander.Invalid: when it is none.
        """
        if cstruct in (colander.null, ""):
            return colander.null
        try:
            return Money.parse(cstruct)
        except NotAnAmount as error:
            raise colander.Invalid(node, "Écrivez un montant en euros. Exemple\u00a0: 12,30") from error


class NoSchema(colander.Schema):
    """A form that is a button alone."""


class FormView:
    """A page that is a form."""

    #: What the form carries.
    schema: ClassVar[type[colander.Schema]]
    #: What its button says.
    button: ClassVar[str]
    #: The look of its button: ``main``, ``pay`` or nothing.
    button_class: ClassVar[str] = "main"
    #: The form's ``id``, which opens those of its fields: ``connexion``, ``connexion-code``.
    form_id: ClassVar[str] = "deform"
    #: The page that takes the form; this one unless said.
    action: str = ""
    #: The status of the page when the form is refused.
    refusal_status: int = 422

    def __init__(self, context: Any, request: Request) -> None:
        self.context = context
        self.request = request

    def __call__(self) -> Any:
        """Show the form, or take what was sent."""
        if self.request.method != "POST":
            return self.show()
        form = self.form()
        refuse_unknown_fields(self.request, {field.name for field in descendants(form)}, _group_marks(form))
        try:
            appstruct = form.validate(self.request.POST.items())
            return self.valid(appstruct)
        except deform.ValidationFailure as failure:
            return self.refuse(failure.field)
        except colander.Invalid as error:
            form.widget.handle_error(form, error)
            form.error = error
            return self.refuse(form)

    def form(self) -> deform.Form:
        """Make the form, bound to the request and the context."""
        schema = self.schema().bind(request=self.request, context=self.context, **self.bindings())
        form = deform.Form(
            schema,
            action=self.action,
            buttons=(),
            formid=self.form_id,
            renderer=self.request.registry.form_renderer,
        )
        for field in descendants(form):
            field.oid = f"{self.form_id}-{field.name}"
            if field.schema.missing_msg == colander.SchemaNode.missing_msg:
                field.schema.missing_msg = f"Remplissez «\u00a0{field.title}\u00a0»."
        form.set_appstruct(self.initial())
        return form

    def bindings(self) -> dict[str, Any]:
        """Give the schema what else it is bound to."""
        return {}

    def initial(self) -> dict[str, Any]:
        """Say what the fields hold at first."""
        return {}

    def extra(self) -> dict[str, Any]:
        """Say what else the template shows."""
        return {}

    def valid(self, appstruct: dict[str, Any]) -> Any:
        """Do what the form is for, and give a redirect.

        :raises colander.Invalid: to send the form back with an error (`wrong`).
        """
        raise NotImplementedError

    def show(self) -> dict[str, Any]:
        """Show the form for the first time."""
        return self.page(self.form())

    def refuse(self, form: deform.Form) -> dict[str, Any]:
        """Show the form again with its errors; nothing is written."""
        self.request.response.status_int = self.refusal_status
        return self.page(form)

    def page(self, form: deform.Form) -> dict[str, Any]:
        """Give the template what it shows: ``form``, whether there are ``errors``, and the rest."""
        return {"form": self.rendered(form), "errors": bool(form.error), **self.extra()}

    def rendered(self, form: deform.Form) -> Markup:
        """Write the form, its error summary before it."""
        token = self.request.session.get_csrf_token()
        return Markup(form.serialize(csrf_token=token, button=self.button, look=self.button_class))


def wrong(schema: colander.SchemaNode, field: str, message: str) -> colander.Invalid:
    """Say that a field is wrong, from `FormView.valid`."""
    error = colander.Invalid(schema)
    error[field] = message
    return error


def refuse_unknown_fields(request: Request, known: set[str], groups: Iterable[str] = ()) -> None:
    """Refuse a form with fields that it does not have, or with one twice (requirements S6, S34).

    ``groups`` are the marks that open and close its groups, in order.

    :raises HTTPBadRequest: naming nothing: browsers never send this.
    """
    names = [name for name in request.POST if name not in _GROUP_NAMES]
    marks = [value for name, value in request.POST.items() if name in _GROUP_NAMES]
    if len(names) != len(set(names)) or set(names) - known - _CONTROLS or marks != list(groups):
        raise HTTPBadRequest("Le formulaire reçu n’est pas celui de cette page.")


def _group_marks(field: deform.Field) -> Iterator[str]:
    for child in field.children:
        if child.children:
            mark = f"{child.name}:mapping"
            yield from (mark, *_group_marks(child), mark)


def descendants(field: deform.Field) -> Iterator[deform.Field]:
    """Go through the fields of a form, those of its groups included.  Names are unique in a form."""
    for child in field.children:
        yield child
        yield from descendants(child)


def problems(form: deform.Form) -> list[tuple[str, str]]:
    """List what is wrong with a form, for its summary: the id of a field, or nothing, and the words."""
    return [
        (field.oid if field is not form else "", message)
        for field in (form, *descendants(form))
        for message in _messages(field)
    ]


def problems_title(wrongs: list[tuple[str, str]]) -> str:
    """Count what is wrong: « Il reste deux points à corriger »."""
    count = _NUMBERS[len(wrongs)] if len(wrongs) < len(_NUMBERS) else str(len(wrongs))
    return f"Il reste {count} point{'s' if len(wrongs) > 1 else ''} à corriger"


def _messages(field: deform.Field) -> list[str]:
    """Say what is wrong with a field itself."""
    return [field.translate(each) for each in field.error.messages()] if field.error else []


def _attributes(field: deform.Field) -> dict[str, str]:
    """Give the HTML attributes of a field: what ties it to its hint and its error, and those of its widget."""
    own = dict(getattr(field.widget, "attributes", None) or {})
    described = (
        f"{field.oid}-aide" if field.description else "",
        f"{field.oid}-erreur" if field.error else "",
        own.pop("aria-describedby", ""),
    )
    attributes = {
        "id": field.oid,
        "name": field.name,
        "class": " ".join(filter(None, (field.widget.css_class, own.pop("class", "")))),
        "required": "required" if field.required else "",
        "aria-describedby": " ".join(filter(None, described)),
        "aria-invalid": "true" if field.error else "",
        **own,
    }
    return {name: value for name, value in attributes.items() if value}


class _Renderer(ZPTRendererFactory):
    """The renderer of widgets, which gives each template what all of them need."""

    def __call__(self, template_name: str, **values: Any) -> str:
        field = values["field"]
        values |= {
            "icon": ICONS,
            "attributes": _attributes(field),
            "message": " ".join(_messages(field)),
            "optional": "" if field.required else " (facultatif)",
            "problems": problems(field) if field.error else [],
            "problems_title": problems_title,
        }
        return super().__call__(template_name, **values)  # type: ignore[no-any-return]


def _translate(term: Any) -> str:
    return get_localizer(get_current_request()).translate(term)  # type: ignore[no-any-return]


def includeme(config: Configurator) -> None:
    """Make the renderer of widgets.  It knows our templates alone: deform's own bring scripts."""
    folder = AssetResolver().resolve("sevres_familles:templates/forms").abspath()
    config.registry.form_renderer = _Renderer((folder,), auto_reload=False, translator=_translate)
