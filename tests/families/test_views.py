"""A family's home and record, as the family sees them."""

import pytest
from webtest import TestApp

from sevres_familles.domain.family import Child, FamilyRecord, Guardian
from tests import factories
from tests.conftest import make_app
from tests.identity.helpers import give_password, give_printed_password, sign_in

HOME = "/familles/26719/"


@pytest.fixture(autouse=True)
def _family(stored, registry):
    with stored() as portal:
        factories.store_family(portal)
        give_password(portal, registry)


@pytest.fixture
def family(browser):
    """A browser in which the DUPOND family is signed in."""
    sign_in(browser)
    return browser


def words(answer):
    """What the page says, in one line."""
    return " ".join(answer.html.get_text(" ").split())


def store_with(stored, registry, code, record):
    with stored() as portal:
        factories.store_family(portal, code, record)
        give_password(portal, registry, code)


class TestHome:
    def test_shows_the_coordinates_of_the_family(self, family):
        card = words(family.get(HOME))

        for each in ("Bonjour Monsieur et Madame DUPOND", "Vos coordonnées", "DUPOND Pierre DUPOND Danielle"):
            assert each in card
        assert "12 Grande Rue 92310 SÈVRES 06 07 08 09 10" in card
        assert "Code d’accès : 26719" in card

    def test_a_double_name_stays_together_where_there_is_room(self, browser, stored, registry):
        record = FamilyRecord((Guardian("Madame", "DUPONT-MARTINEAU", "Anne"), Guardian("Monsieur", "LEROY", "Paul")))
        store_with(stored, registry, "31415", record)
        sign_in(browser, "31415")

        title = browser.get("/familles/31415/").html.h1

        assert title.get_text() == "Bonjour Madame DUPONT-MARTINEAU et Monsieur LEROY"
        assert [each.get_text() for each in title.find_all(class_="whole")] == ["DUPONT-MARTINEAU"]

    @pytest.mark.parametrize(
        ("link", "address"),
        [
            ("Détail de vos coordonnées et paiement", "/familles/26719/dossier"),
            ("Changer de mot de passe", "/mot-de-passe"),
            ("Vos paiements et vos reçus", "/familles/26719/paiements"),
            ("Recevoir vos factures", "/familles/26719/recevoir-vos-factures"),
            ("Vos connexions", "/vos-connexions"),
            ("Lire le mode d’emploi", "/aide/mode-d-emploi"),
            ("vos droits et le contact de la ville", "/donnees-personnelles"),
        ],
    )
    def test_leads_on(self, family, link, address):
        found = family.get(HOME).html.find("main").find("a", string=link)

        assert found["href"] == address
        assert family.get(address).status_int == 200

    def test_what_is_due_comes_before_the_coordinates_for_those_who_listen_or_hold_a_phone(self, family):
        page = family.get(HOME).text

        assert page.index("h-due") < page.index("h-coord")

    def test_the_navigation_leads_home_and_to_the_record(self, family):
        links = [(a.get_text(), a["href"], a.get("aria-current")) for a in family.get(HOME).html.nav.find_all("a")]

        assert links[:2] == [("Accueil", HOME, "page"), ("Votre dossier", HOME + "dossier", None)]

    def test_the_record_is_current_in_the_navigation_among_the_accounts(self, family, stored):
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"])

        link = family.get(HOME + "comptes/scolaire/").html.nav.find("a", string="Votre dossier")

        assert link["aria-current"] == "true"

    def test_a_browser_signed_in_by_the_printed_password_alone_sees_nothing_of_the_family(
        self, browser, stored, registry
    ):
        with stored() as portal:
            printed = give_printed_password(portal, registry)
        sign_in(browser, password=printed)

        page = browser.get("/mot-de-passe")

        assert HOME not in page.text
        browser.get(HOME, status=[303, 404])

    def test_what_the_billing_file_wrote_is_text(self, browser, stored, registry):
        nasty = '<script>alert("1")</script>'
        store_with(stored, registry, "31415", FamilyRecord((Guardian("Madame", nasty, "Anne"),), (Child(nasty, None),)))
        sign_in(browser, "31415")

        for address in ("/familles/31415/", "/familles/31415/dossier"):
            assert nasty not in browser.get(address).text


class TestRecord:
    def test_shows_every_field_and_says_which_are_empty(self, family):
        first, second = family.get(HOME + "dossier").html.find_all("dl")[:2]

        assert [dd.get_text() for dd in first.find_all("dd")] == [
            "DUPOND", "Monsieur", "Pierre", "06\xa007\xa008\xa009\xa010", "Non renseigné", "dupond@free.fr",
            "Non renseigné", "12", "Grande Rue", "Non renseigné", "92310", "SÈVRES", "09\xa056\xa056\xa056\xa056",
        ]  # fmt: skip
        assert second.find("dd").get_text() == "DUPOND"

    def test_says_the_words_of_2009_and_whom_to_ask(self, family):
        said = words(family.get(HOME + "dossier"))

        assert "Si vous constatez une erreur dans votre dossier, merci de prendre contact avec nos services" in said
        assert "Pour l’instant, vous pouvez uniquement consulter les données vous concernant" in said
        assert "Service des Affaires Scolaires et de l’Animation Périscolaire, 54 Grande Rue, 92310 Sèvres" in said

    def test_shows_children_by_first_name_and_birth_date(self, family):
        assert "Léa 04/05/2018 Hugo 29/02/2020" in words(family.get(HOME + "dossier"))

    def test_a_birth_date_that_is_not_known_is_said_so(self, browser, stored, registry):
        record = factories.DUPOND._replace(children=(Child("Zoé", None),))
        store_with(stored, registry, "31415", record)
        sign_in(browser, "31415")

        assert "Zoé Non renseignée" in words(browser.get("/familles/31415/dossier"))

    def test_a_family_without_children_is_told_so(self, browser, stored, registry):
        store_with(stored, registry, "31415", factories.DUPOND._replace(children=()))
        sign_in(browser, "31415")

        assert "Aucun enfant n’est enregistré" in words(browser.get("/familles/31415/dossier"))

    def test_says_what_becomes_of_personal_data(self, family):
        said = words(family.get(HOME + "dossier"))

        for each in (
            "mission d’intérêt public",
            "logiciel de facturation",
            "CNIL",
            "Délégué à la protection des données",
        ):
            assert each in said

    def test_its_breadcrumbs_come_from_home(self, family):
        crumbs = family.get(HOME + "dossier").html.find(attrs={"aria-label": "Fil d’Ariane"})

        assert crumbs.a["href"] == HOME
        assert words_of(crumbs) == "Accueil Votre dossier"


def words_of(element):
    return " ".join(element.get_text(" ").split())


class TestParts:
    def test_an_area_above_adds_a_card_to_the_home_of_a_family(self, ini, clock, tmp_path):
        template = tmp_path / "card.pt"
        template.write_text('<section class="card"><h2>${words}</h2>${icon["info"]}</section>', encoding="utf-8")
        app = make_app(ini, clock)
        from pyramid.config import Configurator

        config = Configurator(registry=app.registry)
        config.add_family_part("cards", lambda family, request: {"words": f"Carte de {family.code}"}, str(template))
        config.add_family_part("cards", lambda family, request: None, str(template))

        page = signed_in(app).get(HOME)

        assert [each.h2.get_text() for each in page.html.find_all(class_="grid")[0].find_all("section")] == [
            "Carte de 26719"
        ]


def signed_in(app):
    import transaction

    manager = transaction.TransactionManager(explicit=True)
    connection = app.registry._zodb_databases[""].open(transaction_manager=manager)
    with manager:
        portal = connection.root()[app.registry.settings_of_portal.root_name]
        factories.store_family(portal)
        give_password(portal, app.registry)
    connection.close()
    browser = TestApp(app, extra_environ={"HTTP_HOST": "localhost", "REMOTE_ADDR": "192.0.2.1"})
    sign_in(browser)
    return browser


class TestOthers:
    """Another family's addresses are the same 404 as nothing (requirements S2)."""

    NOTHING = "/familles/00000/"

    @pytest.fixture(autouse=True)
    def _other(self, stored, registry):
        with stored() as portal:
            factories.store_invoice(factories.store_family(portal, "31415"))

    @pytest.mark.parametrize(
        "address",
        [
            "/familles/31415",
            "/familles/31415/",
            "/familles/31415/dossier",
            "/familles/31415/@@dossier",
            "/familles/31415/inconnu",
            "/familles/31415/comptes/",
            "/familles/31415/comptes/factures?compte=scolaire",
            "/familles/31415/comptes/scolaire/",
            "/familles/31415/comptes/scolaire/?page=9",
            "/familles/31415/comptes/scolaire/2026-9161/",
            "/familles/31415/comptes/scolaire/9999-1/",
            "/familles/26719/../31415/dossier",
            "/familles/26719/%2e%2e/31415/dossier",
            "/familles/%33%31415/",
            "/familles/31415%2Fdossier",
            "/familles/26719/%2F..%2F31415",
            "/familles/26719/inconnu",
            "/familles/26719/record",
            "/familles/26719/__acl__",
            "/familles/26719/lots",
            "/familles/",
            "/regies/scolaire/",
        ],
    )
    def test_are_the_same_page_as_nothing(self, family, address):
        nothing = family.get(self.NOTHING, status=404)

        found = family.get(address, status=404)

        assert found.body == nothing.body
        assert sorted(found.headers) == sorted(nothing.headers)

    @pytest.mark.parametrize("address", ["/familles/31415/dossier", "/familles/00000/dossier", "/familles/", HOME])
    def test_signed_out_all_lead_to_connexion(self, browser, address):
        answer = browser.get(address, status=303)

        assert answer.location.startswith("http://localhost/connexion?retour=")
