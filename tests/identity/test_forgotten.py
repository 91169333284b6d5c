"""« Identifiants oubliés », and the link of its mail (requirements I3, I5, I7)."""

from datetime import timedelta
from statistics import mean
from time import perf_counter

import pytest
from pyramid.request import Request, apply_request_extensions
from webtest import TestApp

from sevres_familles.domain.family import FamilyRecord, Guardian
from sevres_familles.identity.links import confirmation_url, reset_url
from sevres_familles.identity.services import mail_address
from sevres_familles.web.root import portal_in
from tests import factories
from tests.conftest import make_app
from tests.identity.helpers import PASSWORD, sign_in

NEW = "marron huile samedi bocal"
DURAND = FamilyRecord((Guardian("Madame", "DURAND", "Anne", email="Dupond@Free.fr", work_email="anne@bureau.example"),))


def ask(browser, email="dupond@free.fr"):
    form = browser.get("/identifiants-oublies").forms["oubli"]
    form["email"] = email
    return form.submit(expect_errors=True)


@pytest.fixture
def address_of(registry, stored):
    """Write the address that a mail carries, as the mail worker does."""

    def write(link):
        request = Request.blank("/", base_url="http://localhost")
        request.registry = registry
        apply_request_extensions(request)
        with stored() as portal:
            request.portal = portal
            return (
                confirmation_url(request, link.code, link.nonce) if hasattr(link, "email") else reset_url(request, link)
            )

    return write


@pytest.fixture
def link(browser, with_password, announced, address_of):
    """The address that the mail of a family that asked carries."""
    ask(browser)
    return address_of(announced.pop().links[0])


def choose(page, new=NEW):
    form = page.forms["mot-de-passe"]
    form["n1"] = form["n2"] = new
    return form.submit(expect_errors=True)


class TestAskIdentifiers:
    def test_the_page_of_connexion_asks_too(self, browser, with_password, announced):
        form = browser.get("/connexion").forms["oubli"]
        form["email"] = "dupond@free.fr"

        answer = form.submit()

        assert answer.location == "http://localhost/identifiants-oublies?demande=envoyee"
        assert "dans quelques minutes" in answer.follow().text
        assert len(announced) == 1

    @pytest.mark.parametrize("typed", ["dupond@free.fr", "DUPOND@FREE.FR", " dupond@free.fr "])
    def test_announces_a_nonce_and_no_token(self, browser, with_password, announced, typed, clock):
        ask(browser, typed)

        (event,) = announced
        (link,) = event.links
        assert (event.email.lower(), event.at, link.code) == ("dupond@free.fr", clock.now(), "26719")
        assert len(link.nonce) == 8 + 32

    def test_serves_every_family_behind_an_address_by_one_mail(
        self, browser, with_password, stored, registry, announced
    ):
        with stored() as portal:
            factories.store_family(portal, "30001", DURAND, key=registry.settings_of_portal.secret("tokens.key"))

        ask(browser)

        (event,) = announced
        assert sorted(link.code for link in event.links) == ["26719", "30001"]

    def test_any_of_a_family_s_addresses_finds_it(self, browser, stored, registry, announced):
        with stored() as portal:
            factories.store_family(portal, "30001", DURAND, key=registry.settings_of_portal.secret("tokens.key"))

        ask(browser, "anne@bureau.example")

        assert announced[0].links[0].code == "30001"

    def test_a_family_that_never_had_a_password_is_served_too(self, browser, dupond, announced, address_of):
        ask(browser)

        assert choose(browser.get(address_of(announced[0].links[0])).follow()).status_int == 303

    def test_an_address_that_left_the_record_finds_nothing(self, browser, dupond, stored, announced):
        with stored() as portal:
            lots = portal.stores["lots"]
            lot = lots.give()
            portal["familles"]["26719"].stage(lot, DURAND)
            lots.publish(lot)

        ask(browser)
        assert announced[0].links  # DURAND uses the same address
        ask(browser, "pierre@ailleurs.example")
        assert len(announced) == 1

    def test_known_and_unknown_addresses_get_the_same_answer(self, browser, with_password, announced):
        known, unknown = ask(browser), ask(browser, "nobody@example.fr")

        assert len(announced) == 1
        assert (known.status, known.location, known.body) == (unknown.status, unknown.location, unknown.body)
        assert sorted(known.headers) == sorted(unknown.headers)

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "dupond",
            "dupond@",
            "@free.fr",
            "a@b",
            "a b@free.fr",
            "a@free.fr\r\nBcc: x@y.fr",
            "a@" + "b" * 300 + ".fr",
            "😀@exemple.fr",
            "andré@exemple.fr",
            ".a@exemple.fr",
        ],
    )
    def test_what_is_no_address_is_refused(self, browser, with_password, announced, email):
        answer = ask(browser, email)

        assert answer.status_int == 422
        assert "nom@exemple.fr" in answer.html.find(id="oubli-email-erreur").get_text()
        assert announced == []

    def test_a_stranger_does_not_flood_an_address_nor_learns_that_he_is_stopped(
        self, browser, with_password, announced, clock
    ):
        answers = []
        for _ in range(6):
            answers.append(ask(browser).location)
            clock.advance(minutes=1)

        assert len(announced) == 3
        assert len(set(answers)) == 1

    def test_an_address_that_asks_for_everybody_is_slowed_down(self, browser, with_password):
        answers = [ask(browser, f"someone{number}@example.fr") for number in range(7)]

        assert [answer.status_int for answer in answers] == [303] * 5 + [429] * 2
        assert answers[-1].headers["Retry-After"] == "30"


class TestSameTime:
    def test_known_and_unknown_addresses_take_the_same_time(self, ini, clock, tmp_path):
        """On the embedded storage, whose commits reach the disk."""
        app = make_app(ini | {"sevres.storage": f"embedded://{tmp_path}/database"}, clock)
        database = app.registry._zodb_databases[""]
        with database.transaction() as connection:
            portal = portal_in(connection.root(), app.registry)
            key = app.registry.settings_of_portal.secret("tokens.key")
            for number in range(40):
                record = FamilyRecord((Guardian("Madame", "X", "Y", email=f"known{number}@example.fr"),))
                factories.store_family(portal, str(10_000 + number), record, key=key)
        browser = TestApp(app, extra_environ={"HTTP_HOST": "localhost", "REMOTE_ADDR": "192.0.2.1"})
        times = {"known": [], "other": []}
        for number in range(40):
            for kind, taken in times.items():
                form = browser.get("/identifiants-oublies").forms["oubli"]
                form["email"] = f"{kind}{number}@example.fr"
                clock.advance(hours=1)
                start = perf_counter()
                assert form.submit().status_int == 303
                taken.append(perf_counter() - start)
                browser.reset()
        database.close()

        known, other = (mean(sorted(taken)[:10]) for taken in times.values())
        assert abs(known - other) < 0.005


class TestChooseNewPassword:
    def test_the_token_leaves_the_address_at_once(self, browser, link):
        answer = browser.get(link)

        assert answer.location == "http://localhost/nouveau-mot-de-passe"
        token = link.rsplit("/", 1)[1]
        page = answer.follow()
        assert page.status_int == 200
        assert token not in page.text
        assert "26719" in page.text

    def test_only_a_hash_of_the_token_is_kept(self, link, credentials):
        token = link.rsplit("/", 1)[1]

        assert token not in str(credentials())
        assert bytes.fromhex(token) not in credentials()["reset"].digest

    def test_sets_the_password_and_leads_to_connexion(self, browser, link, announced):
        answer = choose(browser.get(link).follow())

        assert answer.location == "http://localhost/connexion"
        assert "26719" in answer.follow().html.find(class_="messages").get_text()
        assert sign_in(browser).status_int == 422
        assert sign_in(browser, password=NEW).status_int == 303
        assert announced[0].emails == ("dupond@free.fr",)

    def test_obeys_the_same_rules(self, browser, link):
        answer = choose(browser.get(link).follow(), "tasse dupond orage vélo")

        assert answer.status_int == 422
        assert "votre nom" in answer.text
        assert sign_in(browser).status_int == 303

    def test_looking_spends_nothing(self, browser, link, app):
        for _ in range(3):
            browser.reset()
            assert browser.get(link).follow().status_int == 200

        assert choose(browser.get(link).follow()).status_int == 303

    def test_serves_once(self, browser, link):
        choose(browser.get(link).follow())

        answer = browser.get(link).follow(expect_errors=True)

        assert answer.status_int == 410
        assert "Demander un nouveau lien" in answer.text

    def test_serves_for_an_hour(self, browser, link, clock):
        clock.advance(minutes=60, seconds=-1)
        page = browser.get(link).follow()
        assert page.status_int == 200

        clock.advance(seconds=1)

        assert choose(page).status_int == 410
        assert sign_in(browser).status_int == 303

    def test_dies_when_a_newer_one_is_asked(self, browser, link, announced, address_of):
        ask(browser)

        assert browser.get(link).follow(expect_errors=True).status_int == 410
        assert browser.get(address_of(announced[0].links[0])).follow().status_int == 200

    def test_dies_when_the_password_changes(self, browser, link, stored, registry):
        sign_in(browser)
        form = browser.get("/mot-de-passe").forms["mot-de-passe"]
        form["actuel"], form["n1"], form["n2"] = PASSWORD, NEW, NEW
        form.submit()

        assert browser.get(link).follow(expect_errors=True).status_int == 410

    def test_is_bound_to_the_password_it_replaces(self, browser, link, stored, registry):
        with stored() as portal:
            portal.stores["credentials"]["26719"].password = registry.passwords.hash(NEW)

        assert browser.get(link).follow(expect_errors=True).status_int == 410

    def test_ends_every_session(self, browser, link, credentials):
        sign_in(browser)
        stolen = browser.cookies["session"]
        browser.reset()

        choose(browser.get(link).follow())

        assert credentials()["sessions"] == {}
        browser.set_cookie("session", stolen)
        assert browser.get("/familles/26719/").status_int == 303

    def test_spends_the_printed_password_too(self, browser, link, printed):
        choose(browser.get(link).follow())

        assert sign_in(browser, password=printed).status_int == 422

    @pytest.mark.parametrize("change", ["code", "token", "short", "long"])
    def test_another_address_opens_nothing(self, browser, link, change):
        start, code, token = link.rsplit("/", 2)
        changed = {
            "code": f"{start}/26720/{token}",
            "token": f"{start}/{code}/{'0' * 64}",
            "short": f"{start}/{code}",
            "long": f"{link}/x",
        }[change]

        answer = browser.get(changed, expect_errors=True)
        if answer.status_int == 303:
            answer = answer.follow(expect_errors=True)

        assert answer.status_int == 410

    def test_without_a_link_there_is_nothing_to_choose(self, browser, with_password):
        assert browser.get("/nouveau-mot-de-passe", expect_errors=True).status_int == 410

    def test_a_link_that_confirms_an_address_does_not_open_it(self, browser, link):
        answer = browser.get(link.replace("nouveau-mot-de-passe", "confirmer-mon-adresse")).follow(expect_errors=True)

        assert answer.status_int == 410

    def test_opening_a_link_writes_nothing(self, browser, link, stored):
        with stored() as portal:
            before = portal._p_jar.db().lastTransaction()

        browser.get(link).follow()

        with stored() as portal:
            assert portal._p_jar.db().lastTransaction() == before


class TestConfirmEmail:
    @pytest.fixture
    def asked(self, browser, with_password, announced, address_of):
        """The address that the mail of a family that gave another address carries."""
        sign_in(browser)
        self.give(browser, "pierre@ailleurs.example")
        return address_of(announced.pop())

    def give(self, browser, email, **more):
        form = browser.get("/confirmer-mon-e-mail").forms["e-mail"]
        form["email"] = email
        for name, value in more.items():
            form[name] = value
        return form.submit(expect_errors=True)

    def test_offers_the_address_of_the_record_and_may_be_put_off(self, browser, printed):
        sign_in(browser, password=printed)
        form = browser.get("/mot-de-passe").forms["mot-de-passe"]
        form["n1"] = form["n2"] = NEW

        page = form.submit().follow()

        assert page.forms["e-mail"]["email"].value == "dupond@free.fr"
        assert page.html.select(".stepper [aria-current=step]")[0].get_text().endswith("Votre e-mail")
        assert page.click("Plus tard").request.path == "/familles/26719/"

    def test_a_first_visitor_without_a_password_goes_back_to_choosing_one(self, browser, printed):
        sign_in(browser, password=printed)

        assert self.give(browser, "dupond@free.fr").location == "http://localhost/mot-de-passe"

    @pytest.mark.parametrize("email", ["😀@exemple.fr", "a" * 260 + "@exemple.fr"])
    def test_an_address_that_no_mail_reaches_is_refused_with_one_sentence(
        self, browser, with_password, announced, email
    ):
        sign_in(browser)

        answer = self.give(browser, email)

        assert answer.status_int == 422
        assert answer.html.find(id="erreurs").h2.get_text() == "Il reste un point à corriger"
        assert answer.html.find(id="e-mail-email-erreur").get_text().count("pas écrire à cette adresse") == 1
        assert announced == []

    def test_announces_a_nonce_for_that_address(self, browser, with_password, announced, clock):
        sign_in(browser)

        answer = self.give(browser, "pierre@ailleurs.example")

        (event,) = announced
        assert (event.code, event.email, event.at) == ("26719", "pierre@ailleurs.example", clock.now())
        assert answer.location == "http://localhost/familles/26719/"
        assert "pierre@ailleurs.example" in answer.follow().html.find(class_="messages").get_text()

    def test_changes_nothing_before_the_link_is_confirmed(self, browser, asked, stored, registry):
        page = browser.get(asked).follow()
        with stored() as portal:
            assert mail_address(portal, registry, "26719") == "dupond@free.fr"

        answer = page.forms["confirmation"].submit()

        assert answer.status_int == 303
        with stored() as portal:
            assert mail_address(portal, registry, "26719") == "pierre@ailleurs.example"

    def test_works_in_another_browser(self, browser, asked):
        browser.reset()

        page = browser.get(asked).follow()

        assert "pierre@ailleurs.example" in page.html.text
        assert page.forms["confirmation"].submit().location == "http://localhost/connexion"

    def test_serves_once_and_for_three_days(self, browser, asked, clock):
        clock.advance(days=3)
        assert browser.get(asked).follow(expect_errors=True).status_int == 410
        clock.advance(seconds=-1)
        browser.get(asked).follow().forms["confirmation"].submit()

        assert browser.get(asked).follow(expect_errors=True).status_int == 410

    def test_dies_when_the_password_changes(self, browser, asked, stored, registry):
        """A thief in an open session asks to confirm an address of his; the family, warned, changes its password."""
        form = browser.get("/mot-de-passe").forms["mot-de-passe"]
        form["actuel"], form["n1"], form["n2"] = PASSWORD, NEW, NEW
        form.submit()
        browser.reset()

        assert browser.get(asked).follow(expect_errors=True).status_int == 410
        with stored() as portal:
            assert mail_address(portal, registry, "26719") == "dupond@free.fr"

    def test_is_bound_to_the_password_of_its_day(self, browser, asked, stored, registry):
        with stored() as portal:
            portal.stores["credentials"]["26719"].password = registry.passwords.hash(NEW)

        assert browser.get(asked).follow(expect_errors=True).status_int == 410

    def test_kills_the_link_to_choose_a_password_that_the_former_address_holds(
        self, browser, asked, announced, address_of
    ):
        ask(browser)
        held = address_of(announced.pop().links[0])

        browser.get(asked).follow().forms["confirmation"].submit()

        assert browser.get(held).follow(expect_errors=True).status_int == 410

    def test_a_confirmed_address_finds_forgotten_identifiers(self, browser, asked, announced):
        browser.get(asked).follow().forms["confirmation"].submit()

        ask(browser, "Pierre@Ailleurs.example")
        ask(browser, "dupond@free.fr")

        assert [event.links[0].code for event in announced] == ["26719", "26719"]

    def test_an_address_that_is_not_confirmed_finds_nothing(self, browser, asked, announced):
        ask(browser, "pierre@ailleurs.example")

        assert announced == []

    def test_asks_for_the_password_again_after_a_quarter_of_an_hour(self, browser, with_password, announced, clock):
        sign_in(browser)
        clock.moment += timedelta(minutes=15)

        assert self.give(browser, "voleur@example.fr", actuel="wrong").status_int == 422
        assert announced == []
        assert self.give(browser, "pierre@ailleurs.example", actuel=PASSWORD).status_int == 303

    def test_needs_a_sign_in(self, browser, dupond):
        answer = browser.get("/confirmer-mon-e-mail")

        assert answer.location == "http://localhost/connexion?retour=%2Fconfirmer-mon-e-mail"

    def test_does_not_flood_an_address(self, browser, with_password, announced):
        sign_in(browser)

        answers = [self.give(browser, "pierre@ailleurs.example").status_int for _ in range(5)]

        assert answers == [303, 303, 303, 429, 429]
        assert len(announced) == 3
