"""The portal seated in another town's application: its addresses, and that town's name on all that it shows."""

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pypdf import PdfReader
from pyramid.config import Configurator
from webtest import TestApp, TestResponse

from sevres_familles.identity.services import issue_printed_password
from sevres_familles.notifications.letters import compose
from sevres_familles.web.scripts import prepare_database
from tests import rich
from tests.conftest import NOW, StoppedClock, browser_of, portal_stored, settings_in
from tests.crawling import crawl, links_of
from tests.host.words import LUNE, foreign_words
from tests.identity.helpers import PASSWORD

SEAT = "/famille/"
NOWHERE = "/famille/nulle-part"
#: What the town links to of its own.
OWN = {"/", "/actualites/", "/fichiers/site.css"}
REGIES = ("restauration", "conservatoire")


def make_host(folder: Path) -> Any:
    """Make the application of the town, with a clock that stands still."""
    settings = settings_in(folder) | {
        "sevres.town_file": "tests.host:valombre/ville.toml",
        "sevres.source_url": "https://code.valombre.example/",
        "sevres.mail_sender": "Famille à Valombre <ne-pas-repondre@valombre.example>",
    }
    with Configurator(settings=settings) as config:
        config.registry.clock = StoppedClock(NOW)
        config.include("tests.host")
    app = config.make_wsgi_app()
    prepare_database(app.registry)
    return app


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    app = make_host(tmp_path_factory.mktemp("host"))
    with portal_stored(app.registry) as portal:
        app.families = rich.store_rich_town(portal, app.registry, record=LUNE, regies=REGIES)
    yield app
    for database in app.registry._zodb_databases.values():
        database.close()


@pytest.fixture
def visitor(host: Any) -> TestApp:
    return browser_of(host)


def sign_in(browser: TestApp, **query: str) -> TestResponse:
    form = browser.get("/famille/connexion", params=query).forms["connexion"]
    form["code"], form["mdp"] = rich.CODE, PASSWORD
    return form.submit()


@pytest.fixture(scope="module")
def pages(host: Any) -> dict[str, TestResponse]:
    """Every page that links lead to, signed out and then signed in."""
    browser = browser_of(host)
    own = [f"/famille{address}" for address in host.families[rich.CODE].addresses]
    public = crawl(browser, "/", SEAT, "/.well-known/security.txt", f"{SEAT}robots.txt", NOWHERE)
    sign_in(browser)
    return {**public, **crawl(browser, SEAT, "/famille/mot-de-passe", "/famille/confirmer-mon-e-mail", *own)}


class TestSeat:
    def test_the_rest_of_the_application_is_its_own(self, visitor):
        assert visitor.get("/").html.h1.text == "Bienvenue à Valombre"
        assert visitor.get("/actualites/").html.h2.text == "Le marché du jeudi"

    def test_the_portal_s_home_is_at_its_seat(self, visitor):
        assert "Bienvenue dans l’espace familles" in visitor.get(SEAT)

    def test_its_pages_are_nowhere_else(self, visitor):
        for path in ("/connexion", "/aide/", "/familles/26719/", "/paiements/", "/mot-de-passe"):
            visitor.get(path, status=404)

    def test_every_link_stays_under_it_or_is_the_town_s_own(self, pages):
        links = {
            urlsplit(link).path for address, page in pages.items() for link in links_of(address, page)
            if link.startswith("http://localhost/")
        }  # fmt: skip

        assert len(links) > 50
        assert {link for link in links if not link.startswith(SEAT)} == OWN

    def test_every_form_stays_under_it_or_goes_to_the_bank(self, pages):
        actions = {
            form["action"]
            for page in pages.values()
            if page.content_type == "text/html"
            for form in page.html.find_all("form", action=True)
            if form["action"]
        }
        paths = {urlsplit(action).path for action in actions if not action.startswith("http://127.0.0.1:6544/banque/")}

        assert "/famille/deconnexion" in paths
        assert {path for path in paths if not path.startswith(SEAT)} == set()

    def test_no_link_is_dead(self, host, pages):
        asked_for = {f"/famille{address}" for address in host.families[rich.CODE].addresses}
        dead = {address for address, page in pages.items() if page.status_int == 404} - asked_for - {NOWHERE}

        assert dead == set()

    def test_breadcrumbs_begin_at_the_family_s_home(self, visitor):
        sign_in(visitor)
        crumbs = visitor.get("/famille/familles/26719/comptes/restauration/").html.find("nav", class_="crumb")

        assert crumbs.a["href"] == "/famille/familles/26719/"

    def test_every_cookie_of_the_session_reaches_it(self, visitor):
        assert "Path=/" in sign_in(visitor).headers["Set-Cookie"]


class TestWaysIn:
    def test_sign_in_leads_to_the_family_s_home(self, visitor):
        assert sign_in(visitor).location == "http://localhost/famille/familles/26719/"

    def test_signed_out_every_address_of_a_family_leads_to_connexion(self, host, visitor):
        addresses = [f"/famille{each}" for each in host.families[rich.CODE].addresses]
        for address in (*addresses, "/famille/familles/99999/x", "/famille/paiements", "/famille/mot-de-passe"):
            page = visitor.get(address, status=303)
            assert page.location.startswith("http://localhost/famille/connexion?retour=%2Ffamille%2F")

    def test_the_way_back_is_followed(self, visitor):
        away = visitor.get("/famille/familles/26719/dossier", status=303)
        form = away.follow().forms["connexion"]
        form["code"], form["mdp"] = rich.CODE, PASSWORD

        assert form.submit().location == "http://localhost/famille/familles/26719/dossier"

    def test_another_family_s_address_is_the_404_of_nothing(self, host, visitor):
        sign_in(visitor)
        nothing = visitor.get("/famille/nulle-part", status=404).body

        for address in host.families[rich.OTHER].addresses:
            assert visitor.get(f"/famille{address}", status=404).body == nothing

    def test_with_the_printed_password_everything_leads_to_the_choice_of_one(self, host, visitor):
        with portal_stored(host.registry) as portal:
            printed = issue_printed_password(portal, host.registry, rich.PRINTED, NOW)
        form = visitor.get("/famille/connexion").forms["connexion"]
        form["code"], form["mdp"] = rich.PRINTED, printed

        assert form.submit().location == "http://localhost/famille/mot-de-passe"
        answer = visitor.get("/famille/familles/26719/", status=303)
        assert answer.location == "http://localhost/famille/mot-de-passe"

    def test_signing_out_leads_to_the_portal_s_home(self, visitor):
        sign_in(visitor)
        out = visitor.get("/famille/plan-du-site").forms[0].submit()

        assert out.location == "http://localhost/famille/"


class TestPaying:
    def test_the_bank_is_told_addresses_under_the_seat(self, visitor):
        sign_in(visitor)
        review = visitor.get("/famille/familles/26719/comptes/conservatoire/payer?facture=2026-8000")
        leave = review.forms[1].submit().follow()
        form = next(each for each in leave.forms.values() if "vads_url_return" in each.fields)

        assert form["vads_url_return"].value.startswith("http://localhost/famille/paiements/P-")
        assert form["vads_url_check"].value == "http://localhost/famille/paiements/notifications/systempay"

    def test_the_door_of_the_bank_is_there(self, visitor):
        visitor.post("/famille/paiements/notifications/systempay/", b"x=1", status=403)


class TestErrors:
    def test_a_page_that_does_not_exist_leads_back_to_the_seat(self, visitor):
        page = visitor.get("/famille/nulle-part", status=404)

        assert page.html.main.find("a", string="Revenir à l’accueil")["href"] == SEAT

    def test_so_does_a_refusal_before_the_tree_was_reached(self, visitor):
        page = visitor.get("/famille/", extra_environ={"HTTP_HOST": "evil.example"}, status=400)

        assert page.html.main.find("a", string="Revenir à l’accueil")["href"] == SEAT
        for tag in page.html.find_all("link"):
            assert visitor.get(tag["href"]).status_int == 200


class TestAnotherDatabase:
    """No page, of the portal or of the town around it, is served from a database that is not this code's."""

    PATHS = ("/", "/actualites/", "/nulle-part", SEAT, "/famille/connexion", NOWHERE, "/famille/familles/26719/")

    @pytest.mark.parametrize("path", PATHS)
    def test_that_waits_for_a_step_is_served_by_nobody(self, host, visitor, monkeypatch, path):
        steps = (*host.registry.evolution_steps, lambda portal, registry: None)
        monkeypatch.setattr(host.registry, "evolution_steps", steps)

        assert visitor.get(path, status=503).headers["Retry-After"]

    @pytest.mark.parametrize("path", PATHS)
    def test_with_a_step_of_a_later_version_is_served_by_nobody(self, host, visitor, monkeypatch, path):
        monkeypatch.setattr(host.registry, "evolution_steps", host.registry.evolution_steps[:-1])

        visitor.get(path, status=503)

    def test_takes_nothing_from_the_bank_or_a_family(self, host, visitor, monkeypatch):
        monkeypatch.setattr(host.registry, "evolution_steps", host.registry.evolution_steps[:-1])

        visitor.post("/famille/paiements/notifications/systempay", b"x=1", status=503)
        visitor.post("/famille/connexion", {"code": rich.CODE, "mdp": PASSWORD}, status=503)


class TestAnotherTown:
    def test_its_name_stands_on_its_pages(self, visitor):
        page = visitor.get(SEAT)

        assert page.html.title.text == "Accueil - Famille à Valombre"
        assert "Guichet des familles" in page

    def test_its_codes_of_letters_are_typed_on_a_keyboard_that_has_some(self, visitor):
        field = visitor.get("/famille/connexion").html.find(id="connexion-code")

        assert (field["inputmode"], field["autocapitalize"]) == ("text", "characters")

    def test_the_code_of_a_letter_s_link_is_filled_in_with_its_hyphen(self, visitor):
        asked = visitor.get("/famille/familles/VAL-0042/comptes/restauration/2026-R-17/")

        assert visitor.get(asked.location).forms["connexion"]["code"].value == "VAL-0042"

    def test_what_it_put_in_the_place_of_ours_shows(self, pages):
        footer = pages[SEAT].html.find("footer")

        assert footer.h2.text == "Le guichet des familles"
        assert footer.find("a", href="/actualites/").text == "Actualités de Valombre"

    def test_a_sheet_in_the_place_of_ours_is_served_under_an_address_of_its_own(self, host, tmp_path):
        with Configurator(settings=settings_in(tmp_path)) as config:
            config.registry.clock = StoppedClock(NOW)
            config.override_asset("sevres_familles:static/look.css", "tests.host:static/site.css")
            config.commit()
            config.include("sevres_familles")
        app = config.make_wsgi_app()
        prepare_database(app.registry)
        browser = browser_of(app)
        address = browser.get("/").html.find("link", rel="stylesheet")["href"]

        assert browser.get(address).body == (Path(__file__).parent / "static" / "site.css").read_bytes()
        assert app.registry.static_prefix != host.registry.static_prefix

    def test_its_colours_and_emblem_are_its_own(self, host, visitor):
        head = visitor.get(SEAT).html.head
        theme = host.registry.town.theme

        colours = visitor.get(head.find_all("link", rel="stylesheet")[-1]["href"])
        assert colours.body == (theme / "couleurs.css").read_bytes()
        assert visitor.get(head.find("link", rel="icon")["href"]).body == (theme / "embleme.svg").read_bytes()

    def test_its_notice_for_those_who_find_a_weakness_stands_at_the_root_of_the_host(self, visitor):
        notice = dict(line.split(": ", 1) for line in visitor.get("/.well-known/security.txt").text.splitlines())

        assert notice["Canonical"] == "http://localhost/.well-known/security.txt"
        assert notice["Policy"] == "http://localhost/famille/securite"
        assert notice["Contact"] == "https://www.valombre.example/securite"
        visitor.get(notice["Policy"], status=200)

    def test_nothing_of_the_town_of_the_demonstration_stands_on_any_page_or_header(self, pages):
        assert len(pages) > 100
        for address, page in pages.items():
            headers = "\n".join(f"{name}: {value}" for name, value in page.headers.items())
            assert foreign_words(headers) == [], address
            assert foreign_words(_words_of(page)) == [], address

    def test_nor_its_example_of_a_code(self, visitor):
        for address in (SEAT, "/famille/connexion", "/famille/aide/mode-d-emploi", "/famille/aide/contact"):
            assert "26719" not in visitor.get(address)
        assert "VAL-0042" in visitor.get("/famille/connexion")

    def test_nor_in_any_file_that_pages_load(self, visitor, pages):
        files = {
            urlsplit(link).path
            for page in pages.values()
            if page.content_type == "text/html"
            for tag in page.html.find_all(["link", "script", "img"])
            for link in (tag.get("href") or tag.get("src"),)
            if link
        }

        assert len(files) >= 5
        for address in files:
            assert foreign_words(visitor.get(address).text) == [], address

    @pytest.mark.parametrize(("paper", "code"), [("recu.pdf", "RES"), ("facture.pdf", "")])
    def test_its_papers_are_its_own(self, pages, paper, code):
        # A family may not ask for papers without end: of those that links lead to, some are given.
        given = [
            page for address, page in pages.items() if f"/{paper}" in address and page.content_type == "application/pdf"
        ]

        assert given
        for page in given:
            text = _words_of(page)
            assert "Commune de Valombre" in text
            assert code in text
            assert foreign_words(text) == []

    def test_its_mails_are_its_own_and_lead_to_its_seat(self, host):
        with portal_stored(host.registry) as portal:
            letters = [compose(host.registry, portal, mail, NOW) for mail in portal.stores["outbox"].waiting.values()]

        assert len({letter.subject for letter in letters}) > 3
        for letter in letters:
            whole = letter.to_message()
            text = f"{letter.subject}\n{letter.body}"
            assert foreign_words(f"{text}\n{whole.items()}") == []
            for part in whole.iter_attachments():
                assert foreign_words(_text_of(part.get_content())) == []
            links = re.findall(r"http://localhost\S*", text)
            assert {link for link in links if not link.startswith("http://localhost/famille/")} == set()


def _words_of(page: TestResponse) -> str:
    """Give what a page says, its source included; what a PDF says, its metadata included."""
    return _text_of(page.body) if page.content_type == "application/pdf" else page.text if page.charset else ""


def _text_of(pdf: bytes) -> str:
    read = PdfReader(BytesIO(pdf))
    assert read.pages
    return "\n".join([str(read.metadata), *(sheet.extract_text() for sheet in read.pages)])
