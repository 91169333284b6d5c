"""The public pages, through the real application."""

from datetime import timedelta

import pytest

from sevres_familles.content.services import publish, save_version

NBSP = "\N{NO-BREAK SPACE}"
PAGES = {
    "/aide/": "Aide",
    "/aide/mode-d-emploi": "Mode d’emploi",
    "/aide/payer-autrement": "Payer autrement",
    "/aide/contact": "Contact et horaires",
    "/accessibilite": "Accessibilité",
    "/donnees-personnelles": "Données personnelles",
    "/mentions-legales": "Mentions légales",
    "/securite": "Sécurité du téléservice",
    "/plan-du-site": "Plan du site",
}


def links(page):
    return {each["href"] for each in page.html("a", href=True)}


def test_the_home_says_the_words_of_2009_and_tells_the_time(browser):
    page = browser.get("/")

    main = page.html.main
    assert main.h1.text == "Bienvenue dans l’espace familles"
    assert "Pour effectuer un paiement en ligne vous devez accéder à votre espace personnel." in main.text
    assert main.find("a", string="Accéder à mon espace personnel")["href"] == "/connexion"
    assert page.html.find("time").text == "Lundi 23 novembre 2026 - 15:35"
    assert page.html.header.find("a", href="https://www.sevres.fr/").text == "www.sevres.fr"
    assert len(main.find("ol", class_="steps")("li")) == 4
    assert main.find("summary").text == "Configuration recommandée"
    assert "Service des Affaires Scolaires et de l’Animation Périscolaire" in main.text
    assert {"tel:+33141141123", "tel:+33141141129"} <= links(page)
    assert [each.text for each in main("h3")] == [
        "Régie scolaire et périscolaire",
        "Régie petite enfance",
        "Régie halte-garderie Beauregard",
    ]


def test_the_personal_data_page_says_what_is_forgotten_and_which_pages_set_a_cookie(browser):
    said = browser.get("/donnees-personnelles").html.main.get_text()

    assert "archive" not in said
    assert "au moins 2 ans après le dernier mouvement. Ensuite, ils sont effacés" in said
    assert "sauf la connexion et les identifiants oubliés" in said
    assert "pour annoncer vos factures" in said


def test_the_accessibility_page_names_no_exemption_where_there_is_none(browser):
    said = browser.get("/accessibilite").html.main.get_text()

    assert "des dérogations énumérées" not in said


def test_the_clock_of_the_home_goes_on(browser, clock):
    browser.get("/")
    clock.advance(minutes=1)

    assert browser.get("/").html.find("time").text == "Lundi 23 novembre 2026 - 15:36"


def test_the_home_follows_the_pages_that_it_names(browser, stored):
    browser.get("/")
    with stored() as portal:
        rewrite(portal["aide"]["contact"], title="Nous joindre")

    assert "Nous joindre" in browser.get("/").html.footer.text


def rewrite(page, *, title="Titre", html="<p>Texte</p>"):
    save_version(page, title=title, summary="", html=html, author="Claire", at=page.text.at, note="")
    publish(page)


@pytest.mark.parametrize(("path", "title"), PAGES.items())
def test_every_page_has_its_title_and_stands_in_the_frame(browser, path, title):
    page = browser.get(path)

    assert page.html.title.text == f"{title} - Espace familles de Sèvres"
    assert [each.text for each in page.html("h1")] == [title]
    assert page.html.find("nav", class_="crumb").find(attrs={"aria-current": "page"}).text == title
    assert page.html.find("nav", class_="crumb").a["href"] == "/"
    assert "{{" not in page.text
    assert "Set-Cookie" not in page.headers
    assert not page.html.find("time")
    assert set(PAGES) - {"/aide/"} <= links(page)
    assert "https://source.example/" in links(page)


@pytest.mark.parametrize("path", PAGES)
def test_every_link_of_a_page_leads_somewhere(browser, path):
    for link in links(browser.get(path)):
        if link.startswith("#"):
            assert browser.get(path).html.find(id=link[1:])
        elif link.startswith("/"):
            browser.get(link.partition("#")[0], status=200)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_that_did_not_change_is_not_sent_again(browser, clock, path):
    first = browser.get(path)
    clock.advance(hours=2)

    again = browser.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert again.status_int == 304
    assert not again.body
    assert "private" not in first.headers["Cache-Control"]
    assert first.headers["Vary"] == "Cookie"


def test_a_page_that_changed_is_sent_again(browser, stored):
    first = browser.get("/aide/contact")
    with stored() as portal:
        rewrite(portal["aide"]["contact"])

    browser.get("/aide/contact", headers={"If-None-Match": first.headers["ETag"]}, status=200)


def test_another_page_changes_the_frame_of_this_one(browser, stored):
    first = browser.get("/securite")
    with stored() as portal:
        rewrite(portal["aide"]["contact"], title="Nous joindre")

    browser.get("/securite", headers={"If-None-Match": first.headers["ETag"]}, status=200)


def test_a_page_lists_its_parts(browser):
    page = browser.get("/aide/mode-d-emploi")

    parts = page.html.find("nav", attrs={"aria-labelledby": "h-sur"})("a")
    assert [each["href"] for each in parts][:2] == ["#se-connecter", "#votre-premiere-connexion"]
    assert [each.text for each in parts] == [each.text for each in page.html.article("h2")]


def test_a_page_tells_when_it_was_last_changed(browser, stored, clock):
    with stored() as portal:
        page = portal["securite"]
        save_version(page, title="T", summary="", html="", author="Claire", at=clock.now() + timedelta(days=8), note="")
        publish(page)

    assert "Dernière modification de cette page : mardi 1er décembre 2026." in browser.get("/securite").text.replace(
        NBSP, " "
    )


def test_neighbours_in_the_folder_are_one_click_away(browser):
    around = browser.get("/aide/payer-autrement").html.find("nav", attrs={"aria-label": "Pages voisines"})("a")

    assert [each["href"] for each in around] == ["/aide/mode-d-emploi", "/aide/contact"]


def test_a_page_that_is_withdrawn_is_gone_everywhere(browser, stored):
    with stored() as portal:
        portal["aide"]["payer-autrement"].live = None

    browser.get("/aide/payer-autrement", status=404)
    assert "/aide/payer-autrement" not in links(browser.get("/aide/contact"))


def test_the_pages_of_a_withdrawn_folder_are_closed(browser, stored):
    with stored() as portal:
        portal["aide"].live = None

    browser.get("/aide/contact", status=404)


def test_the_declaration_says_non_conforme_without_an_audit(browser):
    page = browser.get("/accessibilite")

    assert "est non conforme avec le référentiel" in page.html.article.text
    assert page.html.footer.find("a", href="/accessibilite").text == f"Accessibilité{NBSP}: non conforme"


@pytest.mark.parametrize("path", ["/", "/aide/", "/rien"])
def test_reading_opens_no_session(browser, path):
    page = browser.get(path, expect_errors=True)

    assert "Set-Cookie" not in page.headers
    assert "csrf" not in page.text


def test_a_session_that_asks_changes_no_page_for_strangers(browser):
    browser.get("/connexion")
    assert browser.cookies

    page = browser.get("/")

    assert page.html.main.find("a", string="Accéder à mon espace personnel")["href"] == "/connexion"


def test_robots_are_kept_out_of_families(browser):
    text = browser.get("/robots.txt").text

    assert "Disallow: /familles/\n" in text
    assert "Disallow: /aide" not in text


def test_the_icon_is_the_emblem_of_the_town(browser, registry):
    icon = browser.get("/favicon.ico")

    assert icon.content_type == "image/svg+xml"
    assert icon.body == registry.town.emblem.read_bytes()


def test_security_txt_says_whom_to_tell_for_less_than_a_year(browser):
    answer = browser.get("/.well-known/security.txt")

    lines = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert answer.content_type == "text/plain"
    assert lines["Contact"] == "mailto:securite@ville-sevres.example"
    assert lines["Expires"] == "2027-05-22T14:35:00Z"
    assert lines["Policy"] == "http://localhost/securite"


def test_nothing_else_is_well_known(browser):
    browser.get("/.well-known/", status=404)
    browser.get("/.well-known/security.txt/more", status=404)


def test_a_town_can_have_its_own_colours(ini, clock, tmp_path):
    import shutil

    from pyramid.path import AssetResolver
    from webtest import TestApp

    from tests.conftest import make_app

    demo = AssetResolver().resolve("sevres_familles:demo").abspath()
    shutil.copytree(demo, tmp_path / "demo")
    (tmp_path / "demo" / "theme" / "couleurs.css").write_text(":root { --rim: #124; }")
    text = (tmp_path / "demo" / "ville.toml").read_text().replace("Espace familles de Sèvres", "Famille & Cie")
    (tmp_path / "demo" / "ville.toml").write_text(text)
    app = make_app(ini | {"sevres.town_file": str(tmp_path / "demo" / "ville.toml")}, clock)
    browser = TestApp(app, extra_environ={"HTTP_HOST": "localhost"})

    page = browser.get("/")

    sheets = [each["href"] for each in page.html("link", rel="stylesheet")]
    assert "--rim: #124" in browser.get(sheets[1]).text
    assert page.html.title.text == "Accueil - Famille & Cie"
    for database in app.registry._zodb_databases.values():
        database.close()
