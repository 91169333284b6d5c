"""The frame: what stands around pages, for strangers and for families."""

import dataclasses
from typing import Any

import pytest
from bs4 import BeautifulSoup
from webtest import TestApp

from sevres_familles.web.frame import Link, tel, ways
from sevres_familles.web.markup import foldable, whole_words
from sevres_familles.web.town import Contact
from tests import factories
from tests.identity import helpers


@pytest.fixture
def family(browser, registry, stored) -> TestApp:
    """The browser of a family that signed in."""
    with stored() as portal:
        factories.store_family(portal)
        helpers.give_password(portal, registry)
    assert helpers.sign_in(browser).status_int == 303
    return browser


def navigation(page: Any) -> list[str]:
    return [each.text for each in page.html.find("nav", attrs={"aria-label": "Principal"})(["a", "button"])]


def current(page: Any) -> dict[str, str]:
    marked = page.html.find("nav", attrs={"aria-label": "Principal"})(attrs={"aria-current": True})
    return {each.text: each["aria-current"] for each in marked}


def crumbs(page: Any) -> list[tuple[str, str | None]]:
    way = page.html.find("nav", class_="crumb")
    return [(each.text, each.a["href"] if each.a else None) for each in way("li")] if way else []


def test_strangers_find_home_help_and_the_door(browser):
    assert navigation(browser.get("/")) == ["Accueil", "Aide", "Se connecter"]


def test_families_find_their_home_help_and_the_way_out_everywhere(family):
    for path in ("/", "/aide/", "/familles/26719/", "/accessibilite"):
        page = family.get(path)
        assert navigation(page) == ["Accueil", "Votre dossier", "Aide", "Déconnexion"]
        assert page.html.header.find("a", class_="town")["href"] == "/familles/26719/"


def test_the_way_out_is_a_form_with_our_token(family):
    page = family.get("/aide/")
    form = page.html.find("form", action="/deconnexion")

    assert form["method"] == "post"
    family.post("/deconnexion", {"csrf_token": form.find("input")["value"]}, status=303)
    assert navigation(family.get("/")) == ["Accueil", "Aide", "Se connecter"]


@pytest.mark.parametrize(
    ("path", "marked"),
    [("/", {"Accueil": "page"}), ("/aide/", {"Aide": "page"}), ("/aide/contact", {"Aide": "true"}), ("/securite", {})],
)
def test_the_navigation_tells_where_one_is(browser, path, marked):
    assert current(browser.get(path)) == marked


def test_the_home_has_no_breadcrumbs_and_the_others_begin_there(browser):
    assert crumbs(browser.get("/")) == []
    assert crumbs(browser.get("/aide/contact")) == [("Accueil", "/"), ("Aide", "/aide/"), ("Contact et horaires", None)]
    assert crumbs(browser.get("/connexion")) == [("Accueil", "/"), ("Connexion", None)]


def test_to_a_family_accueil_is_its_home_on_public_pages_too(family):
    assert crumbs(family.get("/aide/contact"))[0] == ("Accueil", "/familles/26719/")
    main = family.get("/").html.main
    assert main.find("a", string="Accéder à mon espace personnel")["href"] == "/familles/26719/"


def test_a_missing_page_shows_no_way_to_itself(family):
    page = family.get("/familles/99999/", status=404)

    assert crumbs(page) == []
    assert "99999" not in page.text


def test_pages_of_families_say_how_long_the_session_surely_lasts(family):
    body = family.get("/aide/").html.body

    assert 1100 <= int(body["data-idle"]) <= 1200
    assert body["data-warning"] == "180"


def test_public_pages_say_nothing_of_sessions(browser):
    assert not browser.get("/aide/").html.body.attrs


def test_a_message_is_shown_once(family):
    page = family.get("/aide/")
    token = page.html.find("input", attrs={"name": "csrf_token"})["value"]
    family.post("/deconnexion", {"csrf_token": token})

    assert family.get("/").html.main.find("p", role="status").text == "Vous êtes déconnecté."
    assert not family.get("/").html.main.find("p", role="status")


def test_a_help_page_that_a_family_reads_is_not_kept_nor_taken_for_that_of_strangers(family, app):
    theirs = TestApp(app, extra_environ={"HTTP_HOST": "localhost"}).get("/aide/")

    mine = family.get("/aide/", headers={"If-None-Match": theirs.headers["ETag"]}, status=200)

    assert mine.headers["Cache-Control"] == "no-store"
    assert "ETag" not in mine.headers


def test_our_files_are_kept_for_ever_and_open_no_session(browser):
    html = browser.get("/").html

    for address in [each["href"] for each in html("link")] + [each["src"] for each in html("img")]:
        file = browser.get(address)
        assert "max-age=31536000" in file.headers["Cache-Control"]
        assert "Set-Cookie" not in file.headers


def test_everything_works_under_another_path(app):
    browser = TestApp(app, extra_environ={"HTTP_HOST": "localhost", "SCRIPT_NAME": "/famille"})

    page = browser.get("/famille/aide/mode-d-emploi")

    local = [each.get("href") or each.get("src") for each in page.html(["a", "link", "img", "script"])]
    local = [each for each in local if each and not each.startswith(("#", "tel:", "mailto:", "https://"))]
    assert len(local) > 10
    assert all(each.startswith("/famille/") for each in local)
    assert not {each for each in local if browser.get(each, expect_errors=True).status_int not in (200, 303)}


def test_a_telephone_number_is_dialled_from_anywhere():
    assert tel("01 41 14 11 23") == "tel:+33141141123"


def test_pieces_that_do_not_change_are_written_once_and_never_pile_up(app, registry):
    from pyramid.scripting import prepare

    env = prepare(registry=registry)
    try:
        frame = env["request"].frame
        links = (Link("Aide", "/aide/"),)
        first = frame.part("frame/footer", help=links, legal=())
        assert frame.part("frame/footer", help=links, legal=()) is first
        for number in range(500):
            frame.part("frame/footer", help=(Link(str(number), "/"),), legal=())
        assert len(registry.frame_parts) <= 200
    finally:
        env["closer"]()


def contact(**others: Any) -> Contact:
    return Contact(**{"service": "Régie", "address": ("1 rue Haute",), "phones": (), **others})


def test_the_ways_to_a_service_are_links_one_after_the_other():
    both = ways(contact(phones=("01 99 00 00 01", "01 99 00 00 02"), email="regie@ville.example"))

    html = BeautifulSoup(both, "html.parser")
    assert html.text == "01 99 00 00 01 ou 01 99 00 00 02 ou regie@ville.example"
    assert [link["href"] for link in html("a")] == [
        "tel:+33199000001", "tel:+33199000002", "mailto:regie@ville.example"
    ]  # fmt: skip
    assert ways(contact()) == ""


def test_an_email_address_breaks_after_its_sign_and_before_the_dots_that_follow_alone():
    assert foldable("jean.dupond@ville.example") == "jean.dupond@<wbr>ville<wbr>.example"
    assert foldable("Écrivez à a@b.fr <ici>. Merci.") == "Écrivez à a@<wbr>b<wbr>.fr &lt;ici&gt;. Merci."


def test_a_word_with_a_hyphen_stays_whole():
    assert whole_words("Régie halte-garderie <A>") == 'Régie <span class="whole">halte-garderie</span> &lt;A&gt;'


@pytest.mark.parametrize(
    "path", ["/", "/aide/contact", "/familles/26719/dossier", "/familles/26719/comptes/scolaire/2026-9161"]
)
def test_a_service_without_a_telephone_leaves_no_empty_line(family, registry, stored, path):
    with stored() as portal:
        factories.store_invoice(portal["familles"]["26719"])
    town = registry.town
    silent = dataclasses.replace(town.contact, phones=(), email="")
    regies = tuple(
        dataclasses.replace(each, contact=dataclasses.replace(each.contact, phones=(), email=""))
        for each in town.regies
    )
    registry.town = dataclasses.replace(town, contact=silent, regies=regies)

    page = family.get(path)

    assert [each for each in page.html("p") if not each.text.strip() and not each.get("id")] == []
    assert [each for each in page.html("br") if each.parent.contents[-1] is each] == []
