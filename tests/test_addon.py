"""The portal as an add-on: seated under another town's own Pyramid application, with that town's name on every page."""

import re
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from persistent.mapping import PersistentMapping
from pypdf import PdfReader
from pyramid.authorization import Allow, Everyone
from pyramid.config import Configurator
from pyramid.response import Response
from pyramid_zodbconn import get_connection
from webtest import TestApp, TestResponse

from sevres_familles.identity.services import issue_printed_password
from sevres_familles.notifications.letters import compose
from sevres_familles.web.scripts import prepare_database
from tests import rich
from tests.conftest import NOW, StoppedClock, browser_of, portal_stored, settings_in
from tests.crawling import crawl, links_of
from tests.identity.helpers import PASSWORD

SEAT = "/famille/"
TOWN_FILE = """
[town]
name = "Trifouillis"
title = "Commune de Trifouillis-les-Oies"
site = "https://trifouillis.example/"
portal_title = "Famille à Trifouillis"
code_example = "T-0042"
publisher = "La maire de Trifouillis"
security_contact = "https://trifouillis.example/securite"
theme = "theme"

[town.contact]
service = "Guichet unique"
address = ["1 place du Marché", "99999 Trifouillis-les-Oies"]
phones = ["09 99 99 99 99"]

[town.data_protection]
service = "Déléguée"
address = ["Mairie", "99999 Trifouillis-les-Oies"]
phones = []

[town.host]
service = "Hébergeur"
address = []
phones = []

[[regie]]
name = "scolaire"
title = "Régie des écoles"
code = "ECO"
activities = ["Cantine"]
gateway = "systempay"
[regie.contact]
service = "Guichet unique"
address = ["1 place du Marché"]
phones = ["09 99 99 99 99"]

[[regie]]
name = "beauregard"
title = "Régie des crèches"
code = "CRE"
activities = ["Crèche"]
gateway = "systempay"
[regie.contact]
service = "Guichet unique"
address = ["1 place du Marché"]
phones = ["09 99 99 99 99"]
"""


class Site(PersistentMapping):
    """The root of the other town's application, in which the portal is one folder among others."""

    __name__ = __parent__ = None
    __acl__ = ((Allow, Everyone, "read"),)


def site_of(request: Any) -> Site:
    return get_connection(request).root()["site"]


def show_site(context: Site, request: Any) -> Response:
    return Response("Le site de Trifouillis")


def make_host(folder: Path) -> Any:
    """Make the application of a town that has the portal at /famille."""
    (folder / "ville.toml").write_text(TOWN_FILE, encoding="utf-8")
    (folder / "theme").mkdir()
    for name in ("embleme.svg", "accueil.svg"):
        (folder / "theme" / name).write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>')
    with Configurator(settings={**settings_in(folder), "sevres.town_file": str(folder / "ville.toml")}) as config:
        config.registry.clock = StoppedClock(NOW)
        config.include("sevres_familles", route_prefix="famille")
        config.set_root_factory(site_of)
        config.add_view(show_site, context=Site, permission="read")
    app = config.make_wsgi_app()
    prepare_database(app.registry)
    with portal_stored(app.registry) as portal:
        site = portal._p_jar.root()["site"] = Site()
        site["famille"] = portal
        portal.__name__, portal.__parent__ = "famille", site
    return app


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    app = make_host(tmp_path_factory.mktemp("host"))
    with portal_stored(app.registry) as portal:
        app.families = rich.store_rich_town(portal, app.registry)
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
    public = crawl(browser, SEAT)
    sign_in(browser)
    return {**public, **crawl(browser, SEAT, "/famille/mot-de-passe", "/famille/confirmer-mon-e-mail", *own)}


class TestSeat:
    def test_the_rest_of_the_application_is_its_own(self, visitor):
        assert visitor.get("/").text == "Le site de Trifouillis"

    def test_the_portal_s_home_is_at_its_seat(self, visitor):
        assert "Bienvenue dans l’espace familles" in visitor.get(SEAT)

    def test_its_pages_are_nowhere_else(self, visitor):
        for path in ("/connexion", "/aide/", "/familles/26719/", "/paiements/", "/mot-de-passe"):
            visitor.get(path, status=404)

    def test_every_link_stays_under_it(self, pages):
        links = {
            urlsplit(link).path for address, page in pages.items() for link in links_of(address, page)
            if link.startswith("http://localhost/")
        }  # fmt: skip

        assert len(links) > 50
        assert {link for link in links if not link.startswith(SEAT)} == set()

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
        dead = {address for address, page in pages.items() if page.status_int == 404} - asked_for

        assert dead == set()

    def test_breadcrumbs_begin_at_the_family_s_home(self, visitor):
        sign_in(visitor)
        crumbs = visitor.get("/famille/familles/26719/comptes/scolaire/").html.find("nav", class_="crumb")

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
        review = visitor.get("/famille/familles/26719/comptes/beauregard/payer?facture=2026-8000")
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


class TestAnotherTown:
    def test_its_name_stands_on_its_pages(self, visitor):
        page = visitor.get(SEAT)

        assert page.html.title.text == "Accueil - Famille à Trifouillis"
        assert "Guichet unique" in page

    def test_nothing_of_the_town_of_the_demonstration_stands_on_any_page(self, pages):
        for address, page in pages.items():
            if page.content_type in ("text/html", "text/plain"):
                # SÈVRES is where the families of the tests live: it is in their records.
                text = page.text.replace("92310 SÈVRES", "").replace("<dd>SÈVRES</dd>", "")
                found = re.findall(r".{30}s[eè]vres.{30}|.{30}halte-garderie.{30}", text, re.IGNORECASE)
                assert [each for each in found if "sevres_familles" not in each] == [], address

    def test_nor_its_telephones_nor_its_example(self, pages):
        demo = (Path(__file__).parents[1] / "sevres_familles" / "demo" / "ville.toml").read_text(encoding="utf-8")
        phones = re.findall(r'"(\d\d(?: \d\d){4})"', demo)
        example = tomllib.loads(demo)["town"]["code_example"]

        for address, page in pages.items():
            if page.content_type == "text/html":
                assert not [phone for phone in phones if phone in page.text], address
        for address in (SEAT, "/famille/aide/mode-d-emploi", "/famille/aide/contact"):
            assert example not in pages[address].html.main.text

    def test_its_receipts_are_its_own(self, host, pages):
        payment = host.families[rich.CODE].payments["accepted"]
        text = PdfReader(BytesIO(pages[f"/famille/paiements/{payment}/recu.pdf"].body)).pages[0].extract_text()

        assert "Commune de Trifouillis-les-Oies" in text
        assert "ECO" in text
        assert "Sèvres" not in text

    def test_its_mails_are_its_own_and_lead_to_its_seat(self, host):
        with portal_stored(host.registry) as portal:
            letters = [compose(host.registry, portal, mail, NOW) for mail in portal.stores["outbox"].waiting.values()]

        assert letters
        for letter in letters:
            text = f"{letter.subject}\n{letter.body}"
            assert "Sèvres" not in text
            links = re.findall(r"http://localhost\S*", text)
            assert {link for link in links if not link.startswith("http://localhost/famille/")} == set()
