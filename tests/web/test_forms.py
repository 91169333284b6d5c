"""Forms: what they show, what they refuse, how they say what is wrong."""

from typing import Any

import colander
import pytest
from deform.widget import (
    CheckboxWidget,
    HiddenWidget,
    PasswordWidget,
    RadioChoiceWidget,
    SelectWidget,
    TextAreaWidget,
    TextInputWidget,
)
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from webtest import TestApp

from sevres_familles.domain.money import Money
from sevres_familles.web.forms import Euros, FormView, wrong
from sevres_familles.web.scripts import prepare_database

NBSP = "\N{NO-BREAK SPACE}"


class Where(colander.Schema):
    street = colander.SchemaNode(colander.String(), title="Voie")


class OrderSchema(colander.Schema):
    """One field of each kind."""

    code = colander.SchemaNode(
        colander.String(),
        title="Code d’accès",
        description="5 chiffres",
        widget=TextInputWidget(css_class="short code", attributes={"inputmode": "numeric", "autocomplete": "username"}),
        validator=colander.Length(max=5, max_err="Ce code est trop long. Il a 5 chiffres."),
    )
    secret = colander.SchemaNode(
        colander.String(),
        title="Mot de passe",
        widget=PasswordWidget(attributes={"aria-describedby": "regles"}),
        missing_msg="Tapez votre mot de passe.",
    )
    amount = colander.SchemaNode(
        Euros(),
        title="Montant",
        validator=colander.Range(min=Money(100), min_err="Le plus petit montant est 1,00 €."),
    )
    note = colander.SchemaNode(colander.String(), title="Remarque", widget=TextAreaWidget(), missing="")
    mode = colander.SchemaNode(
        colander.String(),
        title="Recevoir",
        widget=RadioChoiceWidget(values=(("mail", "Par e-mail"), ("post", "Par courrier"))),
    )
    size = colander.SchemaNode(
        colander.String(), title="Taille", widget=SelectWidget(values=(("s", "Petite"), ("l", "Grande")))
    )
    agreed = colander.SchemaNode(colander.Boolean(), title="J’ai lu", widget=CheckboxWidget(), missing=False)
    back = colander.SchemaNode(colander.String(), widget=HiddenWidget(), missing="")
    where = Where(title="Adresse")


class Order(FormView):
    schema = OrderSchema
    button = "Commander"
    seen: Any = None

    def initial(self) -> dict[str, Any]:
        return {"amount": Money(1230), "back": "/aide/"}

    def valid(self, appstruct: dict[str, Any]) -> Any:
        if appstruct["code"] == "00000":
            raise wrong(self.form().schema, "code", "Ce code n’existe pas. Recopiez celui de votre facture.")
        type(self).seen = appstruct
        return HTTPSeeOther("/aide/")

    def extra(self) -> dict[str, Any]:
        return {"title": "Commander", "advice": self.page_form}

    def rendered(self, form: Any) -> Any:
        self.page_form = super().rendered(form)
        return self.page_form


@pytest.fixture
def page(ini, clock):
    """A page with that form, opened; the error template happens to show one text as it is."""
    Order.seen = None
    with Configurator(settings=ini) as config:
        config.registry.clock = clock
        config.include("sevres_familles")
        config.add_view(
            Order,
            name="commander",
            permission="page:view",
            renderer="sevres_familles:templates/errors/error.pt",
        )
    app = config.make_wsgi_app()
    prepare_database(app.registry)
    yield TestApp(app, extra_environ={"HTTP_HOST": "localhost"}).get("/commander")
    for database in app.registry._zodb_databases.values():
        database.close()


def fill(page: Any, **values: Any) -> Any:
    """Fill the form rightly, but for what a test says."""
    form = page.forms["deform"]
    right = {
        "code": "26719",
        "secret": "tasse orage",
        "amount": "1 234,56",
        "mode": "mail",
        "size": "l",
        "street": "Grande Rue",
    }
    for name, value in (right | values).items():
        form[name] = value
    return form


def described(html: Any, name: str) -> list[str]:
    """Give the texts that describe a field to a screen reader."""
    field = html.find(attrs={"name": name})
    return [html.find(id=each).text for each in field["aria-describedby"].split() if html.find(id=each)]


def test_what_was_typed_rightly_reaches_the_view(page):
    fill(page).submit(status=303)

    assert Order.seen["amount"] == Money(123456)
    assert Order.seen["where"] == {"street": "Grande Rue"}
    assert Order.seen["agreed"] is False
    assert Order.seen["back"] == "/aide/"


def test_each_field_has_its_label_its_hint_and_what_its_widget_says(page):
    html = page.html
    field = html.find(id="deform-code")

    assert html.find("label", attrs={"for": "deform-code"}).text == "Code d’accès"
    assert described(html, "code") == ["5 chiffres"]
    assert field["class"] == ["short", "code"]
    assert field["inputmode"] == "numeric"
    assert field["autocomplete"] == "username"
    assert field.has_attr("required")
    assert not field.has_attr("aria-invalid")
    assert html.find(id="deform-secret")["aria-describedby"] == "regles"


def test_what_may_be_left_empty_says_so(page):
    assert page.html.find("label", attrs={"for": "deform-note"}).text == "Remarque (facultatif)"
    assert not page.html.find(id="deform-note").has_attr("required")


def test_the_form_opens_with_what_the_view_says(page):
    form = page.forms["deform"]

    assert form["amount"].value == "12,30"
    assert form["back"].value == "/aide/"
    assert form["code"].value == ""


def test_choices_are_grouped_under_their_question(page):
    group = page.html.find("fieldset", id="deform-mode")

    assert group.legend.text == "Recevoir"
    assert [each.text for each in group("label")] == ["Par e-mail", "Par courrier"]
    assert [each.text for each in page.html.find("select")("option")] == ["Petite", "Grande"]
    assert page.html.find("fieldset", id="deform-where").legend.text == "Adresse"


def test_no_script_and_no_inline_style_come_with_a_form(page):
    assert not page.html.main("script")
    assert not page.html.main(style=True)
    assert [each["src"].rpartition("/")[2] for each in page.html("script")] == ["portal.js"]


def test_what_is_wrong_stands_in_a_summary_and_beside_each_field(page):
    refused = fill(page, code="267190", secret="", amount="12.30").submit(status=422)

    html = refused.html
    summary = html.find(id="erreurs")
    assert html.title.text.startswith("Erreur : ")
    assert summary["role"] == "alert"
    assert summary["tabindex"] == "-1"
    assert summary.h2.text == "Il reste trois points à corriger"
    assert [(each["href"], each.text) for each in summary("a")] == [
        ("#deform-code", "Ce code est trop long. Il a 5 chiffres."),
        ("#deform-secret", "Tapez votre mot de passe."),
        ("#deform-amount", f"Écrivez un montant en euros. Exemple{NBSP}: 12,30"),
    ]
    assert html.find(id="deform-code")["aria-invalid"] == "true"
    assert described(html, "code") == ["5 chiffres", "Ce code est trop long. Il a 5 chiffres."]
    assert refused.forms["deform"]["code"].value == "267190"
    assert Order.seen is None


def test_one_error_is_counted_in_the_singular(page):
    refused = fill(page, amount="0,99").submit(status=422)

    assert refused.html.find(id="erreurs").h2.text == "Il reste un point à corriger"


def test_an_empty_field_is_named_in_our_words(page):
    refused = fill(page, code="", street="").submit(status=422)

    assert [each.text for each in refused.html.find(id="erreurs")("a")] == [
        f"Remplissez «{NBSP}Code d’accès{NBSP}».",
        f"Remplissez «{NBSP}Voie{NBSP}».",
    ]


def test_an_error_that_the_view_finds_is_shown_like_the_others(page):
    refused = fill(page, code="00000").submit(status=422)

    assert refused.html.find(id="erreurs").a["href"] == "#deform-code"
    assert refused.forms["deform"]["street"].value == "Grande Rue"


def test_a_password_is_never_sent_back(page):
    refused = fill(page, code="", secret="tasse orage vélo").submit(status=422)

    assert "tasse orage vélo" not in refused.text


@pytest.mark.parametrize("name", ["code", "note", "back", "street", "amount"])
def test_what_was_typed_is_shown_as_text(page, name):
    refused = fill(page, secret="", **{name: '"><script>alert(1)</script>&amp;'}).submit(status=422)

    assert refused.forms["deform"][name].value == '"><script>alert(1)</script>&amp;'
    assert "<script>alert" not in refused.text


def posted(page: Any, *more: tuple[str, str]) -> Any:
    return page.test_app.post("/commander", [*fill(page).submit_fields(), *more], expect_errors=True)


@pytest.mark.parametrize(
    "more", [("admin", "1"), ("code", "11111"), ("csrf_token", "x"), ("__start__", "code:sequence")]
)
def test_a_field_that_the_form_does_not_have_or_has_once_is_refused(page, more):
    answer = posted(page, more)

    assert answer.status_int == 400
    assert Order.seen is None


def test_the_very_form_of_the_page_is_taken(page):
    assert posted(page).status_int == 303


def test_without_the_token_nothing_is_done(page):
    fields = [(name, value) for name, value in fill(page).submit_fields() if name != "csrf_token"]

    page.test_app.post("/commander", fields, status=400)

    assert Order.seen is None


@pytest.mark.parametrize("text", ["12.30", "douze", "1,234", "1e3", "٣"])
def test_euros_refuse_what_has_two_meanings_or_none(text):
    with pytest.raises(colander.Invalid):
        Euros().deserialize(colander.SchemaNode(Euros()), text)
