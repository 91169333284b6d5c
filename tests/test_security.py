"""What the whole portal holds against.

Requirements S2, S6 to S8, S10, S11, S23, S25, S26, S30, S35, S36, S38, S39, S41, P1 and P2.  Each area tests its own
pages; here every address, every form and every response is gone through, whatever the area.
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
from webob import Request
from webtest import TestApp, TestResponse

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import PaymentState
from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.notifications.letters import compose
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
        each for each in page.forms.values() if 'name="csrf_token"' in each.text and "deconnexion" not in each.action
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


class TestCookies:
    """S8."""

    def test_over_http_in_development_they_have_plain_names(self, dupond, browser):
        session, device = sorted(sign_in(browser).headers.getall("Set-Cookie"), reverse=True)

        assert re.fullmatch(r"session=[^;]+; Path=/; HttpOnly; SameSite=Lax", session, re.IGNORECASE)
        lasting = r"appareil=[^;]+; Max-Age=15552000; Path=/; expires=[^;]+; HttpOnly; SameSite=Lax"
        assert re.fullmatch(lasting, device, re.IGNORECASE)

    def test_over_https_they_are_tied_to_this_very_host(self, production):
        page = production.get("/connexion")
        (cookie,) = page.headers.getall("Set-Cookie")

        name, *attributes = [part.strip().lower() for part in cookie.split(";")]
        assert name.startswith("__host-session=")
        assert set(attributes) == {"path=/", "secure", "httponly", "samesite=lax"}

    def test_public_pages_set_none(self, visit):
        setting = {address for address, page in visit.stranger.items() if "Set-Cookie" in page.headers}

        assert {address.partition("?")[0] for address in setting} <= {"/connexion", "/identifiants-oublies"}


@pytest.fixture
def production(tmp_path: Path) -> Iterator[TestApp]:
    """A browser of a town's own portal, served over https."""
    ini = production_settings(tmp_path)
    app = make_app(ini, StoppedClock(NOW))
    with portal_stored(app.registry) as portal:
        factories.store_invoice(factories.store_family(portal))
        give_password(portal, app.registry)
    yield browser_of(app, "familles.ville.example", "https")
    for database in app.registry._zodb_databases.values():
        database.close()


def production_settings(folder: Path) -> dict[str, str]:
    """Write the settings of a town's own portal: its secrets, and a town file of its own."""
    secrets = folder / "secrets"
    secrets.mkdir(mode=0o700)
    for name in (*OWN_SECRETS, "bank.key", "bank-rest.password"):
        path = secrets / name
        path.touch(mode=0o600)
        path.write_text("5" * 64)
    shutil.copytree(PACKAGE / "demo" / "theme", folder / "theme")
    town = (PACKAGE / "demo" / "ville.toml").read_text(encoding="utf-8")
    for made_up, true in (
        ("securite@ville-sevres.example", "securite@sevres.fr"),
        ("Site de démonstration", "La ville"),
    ):
        town = town.replace(made_up, true)
    (folder / "ville.toml").write_text(town, encoding="utf-8")
    return {
        **settings_in(folder),
        "sevres.environment": "production",
        "sevres.public_url": "https://familles.ville.example",
        "sevres.hosts": "familles.ville.example",
        "sevres.secrets_folder": str(secrets),
        "sevres.town_file": str(folder / "ville.toml"),
        "sevres.bank_mode": "PRODUCTION",
        "sevres.bank_form_url": "https://banque.example/vads-payment/",
        "sevres.bank_rest_url": "https://banque.example/api-payment/V4/",
        "sevres.bank_key_file": str(secrets / "bank.key"),
        "sevres.bank_rest_password_file": str(secrets / "bank-rest.password"),
    }


class TestOverHttps:
    def test_a_form_from_another_site_is_refused_though_its_token_is_good(self, production):
        form = production.get("/connexion").forms["connexion"]
        fields = form.submit_fields()

        for headers in (
            {},
            {"Origin": "https://evil.example"},
            {"Referer": "https://evil.example/"},
            {"Origin": "null"},
        ):
            production.post("/connexion", fields, headers=headers, status=400)
        production.post("/connexion", fields, headers={"Origin": "https://familles.ville.example"}, status=422)

    def test_the_browser_is_told_to_stay_on_https(self, production):
        for path in ("/", "/nulle-part", "/familles/1", "/favicon.ico"):
            page = production.get(path, expect_errors=True)
            assert page.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"

    def test_forms_may_go_to_this_bank_alone(self, production):
        policy = production.get("/").headers["Content-Security-Policy"]

        assert "form-action 'self' https://banque.example;" in policy


POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self' http://127.0.0.1:6544",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "object-src": "'none'",
}


def check_headers(page: TestResponse) -> None:
    headers = page.headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == POLICY
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("same-origin", "no-referrer")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "Server" not in headers
    assert "X-Powered-By" not in headers
    assert "X-Tm" not in headers


class TestHeaders:
    """S10 and S11, on everything that leaves the house."""

    def test_every_page_file_document_and_redirect_has_them(self, visit):
        assert {page.content_type for page in visit.pages} >= {
            "text/html",
            "application/pdf",
            "text/css",
            "image/svg+xml",
        }
        assert {page.status_int for page in visit.pages} >= {200, 303, 404}
        for page in visit.pages:
            check_headers(page)

    def test_every_error_has_them(self, town, browser, registry):
        def fail(event: Any) -> None:
            raise ZeroDivisionError

        registry.registerHandler(fail, (ReceiptIssued,))
        sign_in(browser)
        pages = [
            browser.get("/nulle-part", status=404),
            browser.post("/connexion", {}, status=400),
            browser.post("/connexion", "x" * (MAX_BODY + 1), status=413),
            browser.get("/", extra_environ={"HTTP_HOST": "evil.example"}, status=400),
            browser.get("/aide/?page=%ff", expect_errors=True),
            browser.get("/familles/26719/comptes/scolaire/payer?facture=2026-9165", status=409),
            browser.get("/nouveau-mot-de-passe/x/y", status=303),
            browser.get("/nouveau-mot-de-passe", status=410),
            browser.post(DOOR, b"x", status=403),
            browser.get("/static/rien.css", status=404),
            browser.request("/", method="OPTIONS", expect_errors=True),
        ]

        for page in pages:
            check_headers(page)
            assert page.headers["Cache-Control"] == "no-store"

    def test_nothing_that_a_family_reads_is_kept(self, visit):
        kept = {
            address: page.headers.get("Cache-Control")
            for address, page in visit.family.items()
            if page.headers.get("Cache-Control") != "no-store"
        }

        # Files are the same for everybody, and so is what robots ask for.
        assert {address for address in kept if not address.startswith(("/static/", "/ville/"))} <= {"/favicon.ico"}

    def test_signing_out_clears_what_the_browser_kept(self, dupond, browser):
        sign_in(browser)
        page = browser.get("/plan-du-site").forms[0].submit()

        assert page.headers["Clear-Site-Data"] == '"cache", "storage"'

    def test_no_page_has_a_script_a_style_or_a_handler_of_its_own(self, visit):
        for page in visit.pages:
            if page.content_type != "text/html":
                continue
            assert not page.html.find_all(style=True)
            assert not page.html.find_all("style")
            assert not [each for each in page.html.find_all("script") if not each.get("src") or each.text]
            assert not [tag for tag in page.html.find_all(True) for name in tag.attrs if name.startswith("on")]
            assert "javascript:" not in page.text
            assert not re.search(r'(?:src|href)="data:', page.text)


EVIL = "evil.example"


class TestHosts:
    """S23."""

    @pytest.mark.parametrize(
        "host",
        [EVIL, f"localhost.{EVIL}", f"{EVIL}:80", f"localhost:80@{EVIL}", f"localhost@{EVIL}", f"localhost/{EVIL}",
         "127.0.0.1", "[::1]", "LOCALHOST.", "localhost:", "localhost:x", "", " localhost"],
    )  # fmt: skip
    def test_a_strange_one_is_refused(self, dupond, browser, host):
        for path in ("/", "/familles/26719/", "/connexion", "/aide/", "/nulle-part"):
            page = browser.get(path, extra_environ={"HTTP_HOST": host}, status=400)
            assert EVIL not in page.text
            assert "Location" not in page.headers

    def test_what_a_stranger_says_of_a_proxy_is_not_believed(self, dupond, browser):
        forged = {
            "X-Forwarded-Host": EVIL,
            "X-Forwarded-Server": EVIL,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": f"/{EVIL}",
            "X-Original-URL": f"//{EVIL}/",
            "X-Rewrite-URL": f"//{EVIL}/",
            "Forwarded": f"host={EVIL};proto=https",
        }
        for path in ("/", "/connexion", "/familles/26719/", "/.well-known/security.txt", "/plan-du-site"):
            page = browser.get(path, headers=forged, expect_errors=True)
            assert EVIL not in f"{page.text}{page.headers}"
            assert page.headers.get("Location", "http://localhost/").startswith("http://localhost/")

    def test_links_of_mails_come_from_the_settings(self, production):
        registry = production.app.registry
        form = production.get("/connexion").forms["oubli"]
        form["email"] = "dupond@free.fr"
        with portal_stored(registry) as portal:
            portal.stores["emails"].note(registry.settings_of_portal.secret("tokens.key"), "26719", ["dupond@free.fr"])

        form.submit(headers={"Origin": "https://familles.ville.example", "X-Forwarded-Host": EVIL})

        with portal_stored(registry) as portal:
            (mail,) = portal.stores["outbox"].waiting.values()
            letter = compose(registry, portal, mail, NOW)
        links = re.findall(r"https?://\S+", str(letter.body))
        assert len(links) >= 1
        assert {"/".join(link.split("/")[:3]) for link in links} == {"https://familles.ville.example"}


class TestRedirects:
    """S25."""

    @pytest.mark.parametrize(
        "back",
        ["//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "https://evil.example/",
         "/%0d%0aLocation: https://evil.example", "/%2f%2fevil.example", "/%5cevil.example", "javascript:alert(1)",
         "/\t/evil.example", "http://localhost@evil.example/", "%2f%2fevil.example", ".evil.example",
         "/..//evil.example"],
    )  # fmt: skip
    def test_lead_to_this_site_alone(self, dupond, browser, back):
        page = sign_in(browser, retour=back)
        assert page.location == "http://localhost/familles/26719/"

        again = browser.get("/connexion", params={"retour": back}, status=303)
        assert again.location == "http://localhost/familles/26719/"

    def test_every_one_that_was_met_stays_here(self, visit):
        locations = {page.location for page in visit.pages if page.status_int == 303}

        assert locations
        assert {each for each in locations if not each.startswith("http://localhost/")} == set()


class TestErrors:
    """S30: an error says nothing of the house."""

    @pytest.mark.parametrize(
        ("method", "path", "options"),
        [
            ("GET", "/nulle-part", {}),
            ("POST", "/connexion", {"body": b"\xff\xfe", "content_type": "multipart/form-data; boundary=x"}),
            ("POST", "/connexion", {"body": b"a" * 70000}),
            ("POST", DOOR, {"body": b"vads_amount=1"}),
            ("GET", "/", {"headers": {"Cookie": "session=AAAA"}}),
            ("GET", "/familles/26719/", {"headers": {"Host": "evil.example"}}),
        ],
    )
    def test_shows_no_trace_no_path_and_no_version(self, dupond, browser, method, path, options):
        page = browser.request(path, method=method, expect_errors=True, **options)

        self.check(page)

    def test_not_even_a_fault_of_ours(self, dupond, browser, stored):
        with stored() as portal:
            del portal.stores["throttle"]
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = "26719", "whatever it was"

        self.check(form.submit(status=500))

    def check(self, page: TestResponse) -> None:
        text = page.text.lower()
        for word in (
            "traceback",
            'file "',
            ".py",
            "pyramid",
            "waitress",
            "zodb",
            "python/",
            "/site-packages",
            "exception",
        ):
            assert word not in text
        assert not re.search(r"(?<![\w.])/(?:home|root|tmp|work|usr|var)/", text)


class Unreadable:
    """A body that nobody may read."""

    def read(self, *size: int) -> bytes:
        raise AssertionError("it was read")

    readline = readlines = __iter__ = read


@pytest.mark.parametrize("path", ["/connexion", "/identifiants-oublies", DOOR, "/nulle-part"])
def test_a_huge_body_is_refused_unread(app, path):
    request = Request.blank(path, method="POST", base_url="http://localhost", content_type=FORM)
    request.environ |= {"wsgi.input": Unreadable(), "CONTENT_LENGTH": str(MAX_BODY + 1)}

    response = request.get_response(app)

    assert response.status_int == 413
    assert "Cette demande est trop longue" in response.text


class TestOutside:
    """S26: the bank's adapter alone speaks to another machine, apart from SMTP."""

    CLIENTS = (
        "requests",
        "http.client",
        "urllib.request",
        "urllib3",
        "httpx",
        "aiohttp",
        "ftplib",
        "xmlrpc",
        "telnetlib",
    )

    def test_one_module_has_a_client(self):
        having = {
            path.relative_to(PACKAGE).as_posix()
            for path, tree in portal_modules()
            for module in imported(tree)
            if module in self.CLIENTS or module.startswith(tuple(f"{each}." for each in self.CLIENTS))
        }

        assert having == {"payments/gateways/systempay.py"}

    def test_sockets_are_opened_by_the_mails_alone(self):
        having = {
            path.relative_to(PACKAGE).as_posix()
            for path, tree in portal_modules()
            for module in imported(tree)
            if module.split(".")[0] in ("socket", "smtplib", "ssl", "asyncio")
        }

        # The server's are those that it listens on.
        assert having - {"web/server.py"} <= {"notifications/transport.py", "notifications/delivery.py"}

    def test_it_follows_no_redirect_and_waits_for_a_time(self):
        (tree,) = (tree for path, tree in portal_modules() if path.name == "systempay.py")
        calls = [
            {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("requests.") and node.keywords
        ]

        assert calls
        assert all(call["allow_redirects"] == "False" and call["timeout"] for call in calls)
        assert all("verify" not in call for call in calls)


def portal_modules() -> list[tuple[Path, ast.Module]]:
    """Parse the modules of the portal; the sandbox is another system, the demonstration writes files."""
    return [
        (path, ast.parse(path.read_text(encoding="utf-8")))
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.relative_to(PACKAGE).parts[0] not in ("sandbox", "demo")
    ]


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names))


class TestSecrets:
    def test_are_never_compared_with_equals(self):
        """S35.  A digest of what is public (the ledger's chain, a file's) may be: nobody gains by its timing."""
        secret = re.compile(r"(?:signature|token|digest|nonce|ticket|secret|hashed|hmac|password)s?$")
        guilty = [
            f"{path.relative_to(PACKAGE)}:{node.lineno} {ast.unparse(node)}"
            for path, tree in portal_modules()
            if path.relative_to(PACKAGE).parts[0] in ("identity", "payments", "web", "notifications")
            for node in ast.walk(tree)
            if isinstance(node, ast.Compare)
            and any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops)
            and any(
                isinstance(side, ast.Name | ast.Attribute) and secret.search(ast.unparse(side).lower())
                for side in (node.left, *node.comparators)
            )
        ]

        assert [each for each in guilty if each.split(" ", 1)[1] not in self.PUBLIC] == []

    #: Both sides are typed by one person, or are kept hashes that no visitor sends.
    PUBLIC = (
        "appstruct['n2'] != password",
        "credentials.reset.password != credentials.password_digest",
    )

    def test_are_drawn_by_no_weak_hand(self):
        """S36.  The back-off of retries alone is drawn by `random`: it is no secret."""
        words = {"random", "hashlib.md5", "hashlib.sha1", "uuid"}
        weak = {
            f"{path.relative_to(PACKAGE).as_posix()} {word}"
            for path, tree in portal_modules()
            for word in words & {*imported(tree), *(ast.unparse(each) for each in ast.walk(tree) if is_name(each))}
        }

        assert weak <= {"web/__init__.py random", "regies/exchange/staging.py random"}


def is_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


class TestMoney:
    """S38, S39, S41: no evidence, no payment; all or nothing; closed when in doubt."""

    @pytest.fixture
    def reference(self, dupond, stored, registry) -> str:
        with stored() as portal:
            return opened(portal, registry).reference

    def tell(self, browser, registry, stored, reference, status=200, **overrides) -> TestResponse:
        key = registry.settings_of_portal.read_secret(registry.settings_of_portal.bank_key_file).decode()
        with stored() as portal:
            body = body_of(fields_of(portal["paiements"][reference], **overrides), key)
        return browser.post(DOOR, body, extra_environ=BANK, status=status, content_type=FORM)

    def books(self, stored, reference) -> tuple[Any, ...]:
        """Give all that a payment changes."""
        with stored() as portal:
            payment, account = portal["paiements"][reference], portal["familles"]["26719"]["comptes"]["scolaire"]
            return (
                payment.state,
                payment.evidence,
                dict(payment.held),
                len(payment.receipts),
                dict(portal["regies"]["scolaire"].receipts),
                len(account.entries()),
                account.balance(),
                account["2026-9161"].status(NOW.date()).state,
                dict(account["2026-9161"].payments),
                len(portal.stores["outbox"].waiting),
                len(portal.stores["alerts"]),
            )

    def test_the_way_back_from_the_bank_changes_nothing_however_often(self, reference, browser, stored, registry):
        sign_in(browser)
        before, books = last_transaction(registry), self.books(stored, reference)
        for query in ("", "?vads_result=00&vads_trans_status=AUTHORISED&vads_amount=6000", "?payee=1&state=accepted"):
            for method in ("GET", "HEAD", "POST"):
                browser.request(f"/paiements/{reference}/retour{query}", method=method, expect_errors=True)

        assert self.books(stored, reference) == books
        assert last_transaction(registry) == before

    def test_nothing_is_paid_without_evidence(self, visit):
        with portal_stored(visit.registry) as portal:
            account = portal["familles"][rich.CODE]["comptes"]["scolaire"]
            for story, reference in visit.families[rich.CODE].payments.items():
                payment = portal["paiements"][reference]
                (share,) = payment.shares
                state = account[share.invoice].status(NOW.date()).state
                kept = story in ("accepted", "captured", "reconciled", "paid twice")
                assert (state is InvoiceState.PAID) == kept, story
                assert ("payée" in str(state)) == kept
                page = visit.family[f"/paiements/{reference}/"].text
                assert ("votre paiement est accepté" in page) == kept, story
                assert payment.is_paid == bool(payment.receipts)

    def test_a_failure_in_the_middle_of_an_acceptance_leaves_nothing_of_it(self, reference, browser, stored, registry):
        def fail(event: ReceiptIssued) -> None:
            event.portal["familles"]["26719"].left_over = True
            raise ZeroDivisionError

        books = self.books(stored, reference)
        registry.registerHandler(fail, (ReceiptIssued,))

        self.tell(browser, registry, stored, reference, status=500)

        assert self.books(stored, reference) == books
        with stored() as portal:
            assert not hasattr(portal["familles"]["26719"], "left_over")
            assert verify_portal(portal).faults == ()

    def test_and_the_next_telling_books_it_whole_with_the_first_number(self, reference, browser, stored, registry):
        def fail(event: ReceiptIssued) -> None:
            raise ZeroDivisionError

        registry.registerHandler(fail, (ReceiptIssued,))
        self.tell(browser, registry, stored, reference, status=500)
        registry.unregisterHandler(fail, (ReceiptIssued,))

        self.tell(browser, registry, stored, reference)

        with stored() as portal:
            payment = portal["paiements"][reference]
            assert [receipt.number for receipt in payment.receipts] == ["2026-SCO-000001"]
            assert portal["familles"]["26719"]["comptes"]["scolaire"].balance() == Money(0)
            assert len(portal.stores["outbox"].waiting) == 1
            assert verify_portal(portal).faults == ()

    def test_a_bank_that_is_down_leaves_things_as_they_are(self, ini, clock):
        app = make_app({**ini, "sevres.bank_rest_url": "http://127.0.0.1:9/"}, clock)
        with portal_stored(app.registry) as portal:
            factories.store_invoice(factories.store_family(portal))
            give_password(portal, app.registry)
            reference = opened(portal, app.registry).reference
        clock.advance(minutes=30)

        asked = ask_all(app.registry)

        with portal_stored(app.registry) as portal:
            payment = portal["paiements"][reference]
            assert asked == 1
            assert payment.state is PaymentState.REDIRECTED
            assert payment.account["2026-9161"].status(NOW.date()).state is InvoiceState.PENDING
            assert portal["paiements"].to_ask[reference] == clock.now() + timedelta(minutes=1)
        for database in app.registry._zodb_databases.values():
            database.close()

    def test_a_mail_server_that_is_down_undoes_no_payment(self, reference, browser, stored, registry):
        self.tell(browser, registry, stored, reference)

        deliver_due(registry)

        with stored() as portal:
            payment = portal["paiements"][reference]
            assert payment.state is PaymentState.ACCEPTED
            assert payment.account["2026-9161"].status(NOW.date()).state is InvoiceState.PAID
            assert len(portal.stores["outbox"].waiting) == 1


_CARD_LIKE = re.compile(r"(?<![0-9A-Za-z])[3-6](?:[ -]?[0-9]){12,18}(?![0-9A-Za-z])")


def card_numbers(text: str) -> list[str]:
    """Find what could be the number of a payment card: 13 to 19 digits of a card's kind, with a right check digit."""

    def is_right(digits: str) -> bool:
        doubled = (int(each) * (1 + place % 2) for place, each in enumerate(reversed(digits)))
        return sum(each // 10 + each % 10 for each in doubled) % 10 == 0

    return [found for found in _CARD_LIKE.findall(text) if is_right(re.sub(r"\D", "", found))]


def pickles_of(registry: Any) -> str:
    """Give everything that the database holds, as it is stored."""
    storage = registry._zodb_databases[""].storage
    return "\n".join(record.data.decode("latin-1") for transaction in storage.iterator() for record in transaction)


class TestCards:
    """P1 and P2: no card on our pages, none in what we keep."""

    @pytest.mark.parametrize(
        "text",
        ["4970100000000006", "carte 4970 1000 0000 0006.", "4970-1000-0000-0006", "\x8c\x104970100000000006\x94",
         "378282246310005", "5555555555554444"],
    )  # fmt: skip
    def test_the_scanner_finds_card_numbers(self, text):
        assert card_numbers(text)

    @pytest.mark.parametrize(
        "text",
        ["497010XXXXXX0006", "4970100000000007", "20261123144000", "2026-9161", "06 07 08 09 10", "a" + "4" * 64],
    )
    def test_the_scanner_leaves_the_rest_alone(self, text):
        assert card_numbers(text) == []

    def test_no_page_asks_for_a_card(self, visit):
        for page in visit.pages:
            if page.content_type == "text/html":
                assert not page.html.find_all(["iframe", "frame", "object", "embed"])
                names = " ".join(
                    f"{field.get('name', '')} {field.get('autocomplete', '')}"
                    for field in page.html.find_all("input")
                    if field.get("type") != "hidden"
                )
                assert not re.search(r"cc-|card|cvv|cvc|crypto|pan\b", names.lower())
                assert card_numbers(page.text) == []

    def test_every_script_is_ours(self, visit):
        sources = {
            script["src"] for page in visit.pages if page.content_type == "text/html" for script in page.html("script")
        }

        assert sources
        assert {each for each in sources if not each.startswith("/static/")} == set()

    @pytest.mark.parametrize("number", ["497010XXXXXX0006", "4970100000000006"])
    def test_none_is_kept_or_logged_whatever_the_bank_says(self, dupond, browser, stored, registry, caplog, number):
        caplog.set_level(logging.DEBUG)
        with stored() as portal:
            reference = opened(portal, registry).reference

        TestMoney().tell(browser, registry, stored, reference, card_number=number)

        with stored() as portal:
            assert portal["paiements"][reference].is_paid
        kept = pickles_of(registry)
        assert reference in kept
        assert number not in kept
        assert card_numbers(kept) == []
        assert number not in caplog.text
        assert card_numbers(caplog.text) == []
        key = registry.settings_of_portal.read_secret(registry.settings_of_portal.bank_key_file).decode()
        assert key not in caplog.text
        assert key not in kept
