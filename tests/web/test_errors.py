"""Error pages: each status through the real application."""

import sqlite3
from typing import Any

import pytest
import webtest
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPConflict, HTTPMethodNotAllowed, HTTPSeeOther
from transaction.interfaces import TransientError
from webtest import TestApp

from sevres_familles.web.scripts import prepare_database
from sevres_familles.web.storage import end_on_failed_sync

NBSP = "\N{NO-BREAK SPACE}"
FAULTS: dict[str, Exception] = {
    "methode": HTTPMethodNotAllowed(),
    "conflit": HTTPConflict("Cette facture vient d’être payée. Rien n’a été débité une seconde fois."),
    "panne": ZeroDivisionError("the secret of the fault"),
    "occupe": TransientError("busy"),
    "ailleurs": HTTPSeeOther("http://localhost/aide/"),
}


def raising(context: Any, request: Any) -> Any:
    raise FAULTS[request.view_name]


@pytest.fixture
def make_browser(ini, clock):
    """A browser of a portal with views that go wrong."""
    opened = []

    def make(*, evolved: bool = True) -> TestApp:
        with Configurator(settings=ini) as config:
            config.registry.clock = clock
            config.include("sevres_familles")
            for name in FAULTS:
                config.add_view(raising, name=name, permission="page:view", require_csrf=True)
        app = config.make_wsgi_app()
        opened.extend(app.registry._zodb_databases.values())
        if evolved:
            prepare_database(app.registry)
        return TestApp(app, extra_environ={"HTTP_HOST": "localhost", "REMOTE_ADDR": "192.0.2.1"})

    yield make
    for database in opened:
        database.close()


@pytest.fixture
def faulty(make_browser) -> TestApp:
    return make_browser()


def check(page: webtest.TestResponse, title: str) -> None:
    """Check what every error page has."""
    assert page.content_type == "text/html"
    assert page.html.html["lang"] == "fr"
    assert page.html.title.text == f"{title} - Espace familles de Sèvres"
    assert [each.text for each in page.html("h1")] == [title]
    assert page.html.find("main", id="contenu")
    assert page.html.find("a", class_="skip")["href"] == "#contenu"
    assert page.html.main.find("a", string="Revenir à l’accueil")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert page.headers["Cache-Control"] == "no-store"
    assert page.request.method == "POST" or "Set-Cookie" not in page.headers


def test_a_page_that_does_not_exist_says_so_and_gives_a_way_on(faulty):
    page = faulty.get("/nulle-part", status=404)

    check(page, "Cette page n’existe pas")
    assert page.html.main.find("a", string="Ouvrir l’aide")["href"] == "/aide/"
    assert not page.html.find("nav", class_="crumb")


def test_a_file_that_does_not_exist_is_a_page_too(faulty, monkeypatch):
    prefix = faulty.app.registry.static_prefix

    check(faulty.get(f"/{prefix}/../../development.ini", status=404), "Cette page n’existe pas")
    check(faulty.get(f"/{prefix}/rien.css", status=404), "Cette page n’existe pas")


def test_a_form_without_our_token_says_that_nothing_was_taken(faulty):
    page = faulty.post("/panne", {"csrf_token": "faux"}, status=400)

    check(page, "Cette demande n’a pas pu être lue")
    assert "Rien n’a été enregistré ni débité." in page.html.main.text


def test_a_wrong_method_is_told(faulty):
    check(faulty.get("/methode", status=405), "Cette page ne s’ouvre pas ainsi")


def test_a_refusal_shows_the_words_of_its_author(faulty):
    page = faulty.get("/conflit", status=409)

    check(page, "Cette action n’est plus possible")
    assert "Rien n’a été débité une seconde fois." in page.html.main.text


def test_a_fault_of_ours_gives_a_reference_and_no_trace(faulty, caplog):
    page = faulty.get("/panne", status=500)

    check(page, "Une erreur est survenue chez nous")
    reference = page.html.main.find("strong", class_="code").text
    assert reference in caplog.text
    assert "Ne payez pas une seconde fois" in page.html.main.text
    assert "Rien n’a été débité" not in page.text
    assert "secret of the fault" not in page.text
    assert "ZeroDivisionError" not in page.text


def test_a_conflict_that_outlives_every_attempt_is_a_503(faulty, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    page = faulty.get("/occupe", status=503)

    check(page, "Le service est momentanément indisponible")
    assert page.headers["Retry-After"] == "30"


def test_a_conflict_that_another_attempt_gets_over_is_no_fault_in_the_log(faulty, monkeypatch, caplog):
    """An alarm of each would hide those that matter."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)

    faulty.get("/occupe", status=503)

    assert [record.levelname for record in caplog.records if record.name == "sevres_familles.web.errors"] == ["WARNING"]


@pytest.mark.parametrize(("code", "ends"), [(sqlite3.SQLITE_IOERR_FSYNC, [74]), (sqlite3.SQLITE_FULL, [])])
def test_a_failed_sync_ends_the_process_and_a_full_disk_does_not(monkeypatch, code, ends):
    ended: list[int] = []
    monkeypatch.setattr("os._exit", ended.append)
    error = sqlite3.OperationalError("the disk")
    error.sqlite_errorcode = code

    end_on_failed_sync(error)

    assert ended == ends


@pytest.mark.parametrize("path", ["/", "/nulle-part", "/familles/26719"])
def test_a_database_that_was_never_made_is_a_503(make_browser, path):
    page = make_browser(evolved=False).get(path, status=503)

    check(page, "Le service est momentanément indisponible")
    assert page.html.footer.find("a", href="tel:+33141141123")


def test_a_redirect_that_is_raised_stays_a_redirect(faulty):
    page = faulty.get("/ailleurs", status=303)

    assert page.location == "http://localhost/aide/"


@pytest.mark.parametrize("path", ["/%ff", "/aide/%c3%28"])
def test_an_address_that_is_not_utf8_is_a_400(faulty, path):
    check(faulty.get(path, status=400), "Cette demande n’a pas pu être lue")


def test_a_form_that_is_not_utf8_is_a_400(faulty):
    page = faulty.post("/methode", b"csrf_token=%ff", status=400)

    check(page, "Cette demande n’a pas pu être lue")


@pytest.mark.parametrize("evolved", [True, False])
def test_a_strange_host_is_refused_by_a_page_without_it(make_browser, evolved):
    page = make_browser(evolved=evolved).get("/", headers={"Host": "evil.example"}, status=400)

    check(page, "Cette demande n’a pas pu être lue")
    assert "evil.example" not in page.text


def test_a_huge_form_is_refused_unread(faulty):
    page = faulty.post("/methode", "x" * (64 * 1024 + 1), status=413)

    check(page, "Cette demande est trop longue")


@pytest.mark.parametrize("path", ["/familles/26719", "/familles/99999", "/paiements/P-1"])
def test_signed_out_every_address_of_a_family_leads_to_connexion(faulty, path):
    page = faulty.get(path, status=303)

    assert page.location == f"http://localhost/connexion?retour={path.replace('/', '%2F')}"
