"""Forms: deform's schemas, widgets and validation, in our own widget templates (templates/forms), without its scripts.

A page with a form is a `FormView`: it shows the form, refuses fields that it does not have (requirements S6), shows
every error beside its field and in a summary, with status 422, or calls ``valid``.
"""

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

from sevres_familles.web.markup import Markup

_CONTROLS = frozenset({"csrf_token", "_charset_", "__formid__", "submit"})


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
        refuse_unknown_fields(self.request, {child.name for child in form.children})
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
        for field in form.children:
            field.oid = f"{self.form_id}-{field.name}"
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
        return self.page(self.form(), self.initial())

    def refuse(self, form: deform.Form) -> dict[str, Any]:
        """Show the form again with its errors; nothing is written."""
        self.request.response.status_int = self.refusal_status
        return self.page(form, form.cstruct)

    def page(self, form: deform.Form, values: Any) -> dict[str, Any]:
        """Give the template what it shows."""
        return {"form": self.rendered(form, values), "errors": bool(form.error), **self.extra()}

    def rendered(self, form: deform.Form, values: Any) -> Markup:
        """Write the form."""
        token = self.request.session.get_csrf_token()
        return Markup(
            form.widget.serialize(form, values, csrf_token=token, button=self.button, look=self.button_class)
        )


def wrong(schema: colander.SchemaNode, field: str, message: str) -> colander.Invalid:
    """Say that a field is wrong, from `FormView.valid`."""
    error = colander.Invalid(schema)
    error[field] = message
    return error


def refuse_unknown_fields(request: Request, known: set[str]) -> None:
    """Refuse a form with fields that it does not have, or with one twice (requirements S6, S34).

    :raises HTTPBadRequest: naming nothing: browsers never send this.
    """
    names = [name for name in request.POST.keys() if not name.startswith("__")]
    if len(names) != len(set(names)) or set(names) - known - _CONTROLS:
        raise HTTPBadRequest("Le formulaire reçu n’est pas celui de cette page.")


def _translate(term: Any) -> str:
    return get_localizer(get_current_request()).translate(term)  # type: ignore[no-any-return]


def includeme(config: Configurator) -> None:
    """Make the renderer of widgets: our templates first, never read again."""
    resolver = AssetResolver()
    paths = [resolver.resolve(each).abspath() for each in ("sevres_familles:templates/forms", "deform:templates")]
    config.registry.form_renderer = ZPTRendererFactory(tuple(paths), auto_reload=False, translator=_translate)
