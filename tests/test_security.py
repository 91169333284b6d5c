"""What the whole portal holds against: requirements S2, S6 to S8, S10, S11, S23, S25, S26, S30, S35, S38, S39, S41, P1, P2.

Each area tests its own pages; here every address, every form and every response is gone through, whatever the area.
"""

import ast
import logging
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from webtest import TestApp, TestResponse

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import PaymentState
from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.payments.asking import ask_all
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.events import ReceiptIssued
from sevres_familles.web.headers import MAX_BODY
from sevres_familles.web.settings import OWN_SECRETS
from tests import factories, rich
from tests.conftest import NOW, StoppedClock, browser_of, make_app, portal_stored, settings_in
from tests.crawling import crawl, outside_links
from tests.identity.helpers import give_password, give_printed_password, sign_in
from tests.payments.making import body_of, fields_of, opened

PACKAGE = Path(__file__).parents[1] / "sevres_familles"
FORM = "application/x-www-form-urlencoded"
BANK = {"REMOTE_ADDR": "127.0.0.1"}
DOOR = "/paiements/notifications/systempay"


def last_transaction(registry: Any) -> bytes:
    return registry._zodb_databases[""].storage.lastTransaction()


class Visit(NamedTuple):
    """A walk through the whole portal, by links, signed out then signed in; nothing is posted but the sign-in."""

    registry: Any
    families: dict[str, rich.RichFamily]
    stranger: dict[str, TestResponse]
    family: dict[str, TestResponse]
    wrote: bool

    @property
    def pages(self) -> list[TestResponse]:
        return [*self.stranger.values(), *self.family.values()]


@pytest.fixture(scope="module")
def visit(tmp_path_factory) -> Iterator[Visit]:
    app = make_app(settings_in(tmp_path_factory.mktemp("portal")), StoppedClock(NOW))
    with portal_stored(app.registry) as portal:
        families = rich.store_rich_town(portal, app.registry)
    browser = browser_of(app)
    before = last_transaction(app.registry)
    own, other = families[rich.CODE], families[rich.OTHER]
    stranger = crawl(
        browser, "/", *own.addresses, "/nulle-part", "/robots.txt", "/favicon.ico", "/.well-known/security.txt"
    )
    wrote = last_transaction(app.registry) != before
    sign_in(browser)
    before = last_transaction(app.registry)
    family = crawl(browser, "/", *own.addresses, *other.addresses, "/nulle-part", "/confirmer-mon-e-mail")
    yield Visit(app.registry, families, stranger, family, wrote or last_transaction(app.registry) != before)
    for database in app.registry._zodb_databases.values():
        database.close()


@pytest.fixture
def town(stored, registry) -> dict[str, rich.RichFamily]:
    with stored() as portal:
        return rich.store_rich_town(portal, registry)


@pytest.fixture
def dupond(stored, registry) -> None:
    """A family with one invoice, and its password."""
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        give_password(portal, registry)


class TestReading:
    """S7: reading writes nothing."""

    def test_reaches_every_kind_of_page(self, visit):
        kinds = {re.sub(r"P-\w+|\d+", "*", address.partition("?")[0]) for address in visit.family}

        assert len(visit.stranger) > 20
        assert {
            "/familles/*/",
            "/familles/*/dossier",
            "/familles/*/comptes/scolaire/",
            "/familles/*/comptes/scolaire/*-*/",
            "/familles/*/comptes/scolaire/payer",
            "/familles/*/paiements",
            "/paiements/*/",
            "/paiements/*/continuer",
            "/paiements/*/etat",
            "/paiements/*/recu.pdf",
            "/mot-de-passe",
            "/aide/mode-d-emploi",
        } <= kinds

    def test_writes_nothing_to_the_database(self, visit):
        assert not visit.wrote

    def test_meets_no_fault_and_no_dead_link(self, visit):
        asked_for = {*visit.families[rich.CODE].addresses, *visit.families[rich.OTHER].addresses, "/nulle-part"}
        wrong = {
            address: page.status_int
            for pages in (visit.stranger, visit.family)
            for address, page in pages.items()
            if page.status_int not in (200, 303)
            and address not in asked_for
            and not address.partition("?")[0].endswith("/payer")
        }

        assert wrong == {}

    def test_leads_outside_to_known_sites_alone(self, visit):
        hosts = {link.split("/")[2] for link in outside_links(visit.family)}

        assert hosts <= {
            "source.example",
            "www.sevres.fr",
            "www.cnil.fr",
            "www.defenseurdesdroits.fr",
            "formulaire.defenseurdesdroits.fr",
        }

    def test_the_books_of_the_town_hold(self, visit):
        with portal_stored(visit.registry) as portal:
            assert verify_portal(portal).faults == ()


def variants(address: str) -> Iterator[str]:
    """Write an address in the ways that could slip past a check."""
    path, _, query = address.partition("?")
    query = f"?{query}" if query else ""
    first, *rest = path.strip("/").split("/")
    yield address
    yield f"{path.rstrip('/')}{query}"
    yield f"{path.rstrip('/')}/{query}"
    yield f"{path.rstrip('/')}//{query}"
    yield f"//{path.strip('/')}{query}"
    yield f"/./{path.strip('/')}{query}"
    yield f"/aide/../{path.strip('/')}{query}"
    yield f"/{first}/26719/../{'/'.join(rest)}{query}"
    yield "/" + "/".join("".join(f"%{ord(each):02x}" for each in word) for word in path.strip("/").split("/")) + query
    yield f"/{first.capitalize()}/{'/'.join(rest)}{query}"
    yield f"/{first}%2f{'/'.join(rest)}{query}"
    yield f"{path.rstrip('/')}/@@{query}"
    yield f"{path.rstrip('/')}/x{query}"
    yield f"{path.rstrip('/')};x{query}"
    yield f"{path.rstrip('/')}%00{query}"


def answer_of(page: TestResponse) -> tuple[Any, ...]:
    """Give everything that tells one answer from another."""
    return page.status, page.body, sorted(page.headers.items())


class TestAnotherFamily:
    """S2: what is somebody else's answers as what does not exist."""

    def test_every_address_is_the_very_404_of_nothing(self, town, browser):
        sign_in(browser)
        nothing = answer_of(browser.get("/nulle-part", status=404))
        # The masthead marks « Aide » for whatever is written under it.
        nothing_of_help = answer_of(browser.get("/aide/../nulle-part", status=404))
        told = [
            address
            for page in town[rich.OTHER].addresses
            for address in variants(page)
            if answer_of(browser.get(address, expect_errors=True))
            != (nothing_of_help if address.startswith("/aide/") else nothing)
        ]

        assert told == []

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
    def test_whatever_the_method(self, town, browser, method):
        sign_in(browser)
        nothing = answer_of(browser.request("/nulle-part", method=method, expect_errors=True))

        for address in town[rich.OTHER].addresses:
            assert answer_of(browser.request(address, method=method, expect_errors=True)) == nothing, address

    def test_with_a_good_token_too(self, town, browser, registry):
        sign_in(browser)
        token = browser.get("/mot-de-passe").forms["mot-de-passe"]["csrf_token"].value
        before = last_transaction(registry)

        for address in town[rich.OTHER].addresses:
            browser.post(address, {"csrf_token": token, "facture": "2026-9161", "vu": ""}, status=404)

        assert last_transaction(registry) == before

    def test_a_receipt_by_the_number_of_another_is_not_found(self, town, browser, stored):
        own, other = town[rich.CODE], town[rich.OTHER]
        with stored() as portal:
            number = portal["paiements"][other.payments["accepted"]].receipts[0].number
        sign_in(browser)

        browser.get(f"/paiements/{own.payments['accepted']}/recu.pdf/{number}", status=404)

    def test_an_invoice_that_another_family_has_cannot_be_paid_through_one_s_own_account(self, town, browser, stored):
        with stored() as portal:
            factories.store_invoice(portal["familles"][rich.OTHER], factories.facts("5555"))
        sign_in(browser)

        browser.get("/familles/26719/comptes/scolaire/payer?facture=2026-5555", status=404)


class TestSignedOut:
    """S2: a stranger learns nothing of what exists."""

    def test_every_address_leads_to_connexion_existing_or_not(self, town, browser):
        missing = ["/familles", "/familles/99999/", "/familles/x/y/z", "/paiements/", "/paiements/P-222222222/recu.pdf"]
        for address in (*town[rich.CODE].addresses, *missing, "/mot-de-passe", "/confirmer-mon-e-mail"):
            page = browser.get(address, status=303)
            path = address.partition("?")[0]
            assert page.location == f"http://localhost/connexion?retour={quote(path, safe='')}"
            assert "Set-Cookie" not in page.headers

    def test_the_answers_differ_by_the_way_back_alone(self, town, browser):
        def told(address: str) -> tuple[Any, ...]:
            page = browser.get(address, status=303)
            headers = {
                name: value for name, value in page.headers.items() if name not in ("Location", "Content-Length")
            }
            return page.text.replace(page.location, ""), headers, page.location.partition("?")[0]

        nothing = told("/familles/99999/")

        assert [each for each in town[rich.CODE].addresses if told(each) != nothing] == []

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
    def test_a_form_sent_there_leads_to_connexion_without_a_way_back(self, town, browser, method):
        for address in (*town[rich.CODE].addresses, "/familles/99999/"):
            page = browser.request(address, method=method, expect_errors=True)
            assert (page.status_int, page.location) == (303, "http://localhost/connexion"), address

    def test_with_the_printed_password_everything_leads_to_the_choice_of_one(self, town, browser, stored, registry):
        with stored() as portal:
            printed = give_printed_password(portal, registry, rich.PRINTED)
        sign_in(browser, rich.PRINTED, printed)

        for address in (f"/familles/{rich.PRINTED}/", *town[rich.CODE].addresses, "/familles/99999/"):
            assert browser.get(address, status=303).location == "http://localhost/mot-de-passe"


FORMS = {
    "connexion": "/connexion",
    "oubli": "/identifiants-oublies",
    "mot-de-passe": "/mot-de-passe",
    "e-mail": "/confirmer-mon-e-mail",
    "review": "/familles/26719/comptes/scolaire/payer?facture=2026-9161",
    "deconnexion": "/deconnexion",
    "prolonger": "/prolonger",
}
#: What people try to set from outside.
STRANGE_FIELDS = ("amount", "montant", "paid", "role", "regie", "family", "__class__", "__acl__", "state", "email2")


def fields_and_action(browser: TestApp, form: str) -> tuple[str, list[tuple[str, str]]]:
    """Open the page of a form, and give where it goes and what it carries."""
    if form in ("deconnexion", "prolonger"):
        token = browser.get("/plan-du-site").html.find("input", attrs={"name": "csrf_token"})["value"]
        return FORMS[form], [("csrf_token", token)]
    page = browser.get(FORMS[form])
    found = next(
        each for each in page.forms.values() if f'name="csrf_token"' in each.text and "deconnexion" not in each.action
    )
    if form == "oubli":
        found = page.forms["oubli"]
    return found.action or FORMS[form], found.submit_fields()


class TestForms:
    """S6: a form carries its own fields and no other.  S7: and its token."""

    @pytest.fixture
    def visitor(self, dupond, browser, request):
        """A browser signed in, unless the form is for strangers."""
        if request.node.callspec.params["form"] not in ("connexion", "oubli"):
            sign_in(browser)
        return browser

    @pytest.mark.parametrize("form", FORMS)
    def test_refuses_fields_that_it_does_not_have(self, visitor, registry, form):
        action, fields = fields_and_action(visitor, form)
        before = last_transaction(registry)

        for name in STRANGE_FIELDS:
            visitor.post(action, [*fields, (name, "1")], status=400)

        assert last_transaction(registry) == before

    @pytest.mark.parametrize("form", FORMS)
    def test_refuses_to_go_without_its_token(self, visitor, registry, form):
        action, fields = fields_and_action(visitor, form)
        before = last_transaction(registry)

        for token in ([], [("csrf_token", "")], [("csrf_token", "0" * 40)]):
            others = [(name, value) for name, value in fields if name != "csrf_token"]
            visitor.post(action, [*others, *token], status=400)
            visitor.post(f"{action}{'&' if '?' in action else '?'}csrf_token={fields[0][1]}", others, status=400)

        assert last_transaction(registry) == before


def test_every_page_refuses_what_is_sent_without_a_token(town, browser, registry, stored):
    """Whatever takes POST, by name: none but the bank's door does it without a token (S7)."""
    with stored() as portal:
        contexts = {
            type(node).__name__: browser_path
            for node, browser_path in (
                (portal, "/"),
                (portal["familles"]["26719"], "/familles/26719/"),
                (portal["familles"]["26719"]["comptes"], "/familles/26719/comptes/"),
                (portal["familles"]["26719"]["comptes"]["scolaire"], "/familles/26719/comptes/scolaire/"),
                (
                    portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"],
                    "/familles/26719/comptes/scolaire/2026-9161/",
                ),
                (
                    portal["paiements"][town[rich.CODE].payments["accepted"]],
                    f"/paiements/{town[rich.CODE].payments['accepted']}/",
                ),
                (portal["aide"], "/aide/"),
                (portal["aide"]["contact"], "/aide/contact/"),
            )
        }
    contexts["Versioned"] = "/aide/contact/"
    sign_in(browser)
    views = [category["introspectable"] for category in registry.introspector.get_category("views")]
    asked = [
        (contexts[view["context"].__name__] + view["name"], view["request_methods"])
        for view in views
        if view["context"] is not None
        and view["context"].__module__.startswith("sevres_familles.")
        and not issubclass(view["context"], Exception)
        and view["context"].__name__ != "NotificationDoor"
    ]
    before = last_transaction(registry)

    answers = {
        (address, methods): browser.post(address, {}, expect_errors=True).status_int for address, methods in asked
    }

    assert len(answers) > 20
    # A page that takes no POST at all is not found by it.
    assert {status for (_, methods), status in answers.items() if methods in (None, "POST")} == {400}
    assert set(answers.values()) <= {400, 404}
    assert last_transaction(registry) == before
