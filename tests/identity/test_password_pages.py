"""« Changer de mot de passe », and the first choice of one."""

import pytest

from sevres_familles.identity.services import is_own_password
from tests import factories
from tests.identity.helpers import PASSWORD, PRINTED, sign_in

HOME = "http://localhost/familles/26719/"
NEW = "marron huile samedi bocal"


def choose(browser, new=NEW, again=None, current=None):
    """Fill the page in."""
    form = browser.get("/mot-de-passe").forms["mot-de-passe"]
    form["n1"], form["n2"] = new, new if again is None else again
    if current is not None:
        form["actuel"] = current
    return form.submit(expect_errors=True)


def error(answer, field="n1"):
    found = answer.html.find(id=f"mot-de-passe-{field}-erreur")
    return found.get_text() if found else ""


def rules(answer):
    return [each.get("class") for each in answer.html.select(".rules li")]


class TestFirstChoice:
    def test_greets_the_family_and_shows_the_three_steps(self, browser, printed):
        page = sign_in(browser, password=printed).follow()

        assert "Bienvenue, Monsieur DUPOND" in page.text
        assert [each.get_text() for each in page.html.select(".stepper li span:last-child")][-1] == "Votre e-mail"
        assert page.html.select(".stepper [aria-current=step]")[0].get_text().endswith("Votre mot de passe")

    def test_the_breadcrumbs_call_the_page_by_its_title(self, browser, printed):
        page = sign_in(browser, password=printed).follow().html

        assert page.find("nav", class_="crumb").find_all("li")[-1].get_text() == page.h1.get_text()

    def test_asks_for_no_current_password(self, browser, printed):
        page = sign_in(browser, password=printed).follow()

        assert "actuel" not in page.forms["mot-de-passe"].fields

    def test_leads_to_the_e_mail_address_and_opens_the_family(self, browser, printed):
        sign_in(browser, password=printed)

        answer = choose(browser)

        assert answer.location == "http://localhost/confirmer-mon-e-mail?etape=3"
        assert browser.get("/familles/26719/").status_int == 200

    def test_spends_the_printed_password(self, browser, printed):
        sign_in(browser, password=printed)
        choose(browser)

        assert sign_in(browser, password=printed).status_int == 422
        assert sign_in(browser, password=NEW).location == HOME

    def test_a_refused_choice_spends_nothing(self, browser, printed):
        sign_in(browser, password=printed)
        choose(browser, "trop court")

        assert sign_in(browser, password=printed).status_int == 303

    def test_other_visits_with_the_printed_password_end(self, browser, printed):
        sign_in(browser, password=printed)
        other = browser.cookies["session"]
        sign_in(browser, password=printed)
        choose(browser)

        browser.set_cookie("session", other)

        assert browser.get("/mot-de-passe").location.startswith("http://localhost/connexion")

    def test_is_told_to_the_addresses_of_the_record(self, browser, printed, announced, clock):
        sign_in(browser, password=printed)

        choose(browser)

        (event,) = announced
        assert (event.code, event.emails, event.at) == ("26719", ("dupond@free.fr",), clock.now())


class TestChangePassword:
    def test_needs_a_sign_in(self, browser, dupond):
        assert browser.get("/mot-de-passe").location == "http://localhost/connexion?retour=%2Fmot-de-passe"

    def test_changes_it_and_leads_home(self, browser, with_password):
        sign_in(browser)

        answer = choose(browser, current=PASSWORD)

        assert answer.location == HOME
        assert "Votre mot de passe est enregistré" in answer.follow().text
        assert sign_in(browser).status_int == 422
        assert sign_in(browser, password=NEW).status_int == 303

    def test_goes_on_here_and_ends_every_other_session(self, browser, with_password, credentials):
        sign_in(browser)
        other = browser.cookies["session"]
        sign_in(browser)
        before = browser.cookies["session"]
        choose(browser, current=PASSWORD)

        assert browser.get("/familles/26719/").status_int == 200
        assert len(credentials()["sessions"]) == 1
        for ended in (other, before):
            browser.set_cookie("session", ended)
            assert browser.get("/familles/26719/").status_int == 303

    @pytest.mark.parametrize("current", ["wrong", PRINTED, NEW])
    def test_refuses_a_wrong_current_password(self, browser, with_password, announced, current):
        sign_in(browser)

        answer = choose(browser, current=current)

        assert answer.status_int == 422
        assert "pas votre mot de passe actuel" in error(answer, "actuel")
        assert announced == []
        assert sign_in(browser).status_int == 303

    def test_a_stolen_session_does_not_guess_the_current_password(self, browser, with_password):
        sign_in(browser)

        answers = [choose(browser, current="wrong").status_int for _ in range(7)]

        assert answers == [422] * 5 + [429] * 2

    def test_does_without_the_current_password_for_nobody_else(self, browser, with_password):
        sign_in(browser)

        assert choose(browser).status_int == 422
        assert sign_in(browser).status_int == 303

    @pytest.mark.parametrize(
        ("new", "said", "broken"),
        [
            ("xkqvbtmzpwr", "trop court", [0]),
            ("tasse dupond orage vélo", "contient votre nom, «\u00a0dupond\u00a0»", [1]),
            ("bottes de Léa rouges", "prénom d’un enfant, «\u00a0lea\u00a0»", [1]),
            ("le train de SEVRES à midi", "nom de la ville", [1]),
            ("tasse 26719 orage vélo", "votre code d’accès", [1]),
            ("motdepasse2026", "trop facile à deviner", [2]),
            (PRINTED, "ressemble à celui d’une facture", [2]),
            ("aaaaaaaaaaaaaaaa", "trop facile à deviner", [2]),
            ("dupond", "trop court", [0, 1, 2]),
        ],
    )
    def test_says_beside_the_field_which_rule_is_broken(self, browser, with_password, new, said, broken):
        sign_in(browser)

        answer = choose(browser, new, current=PASSWORD)

        assert answer.status_int == 422
        assert said in error(answer)
        assert [number for number, kind in enumerate(rules(answer)) if kind == ["ko"]] == broken
        assert not [field for field in answer.html.find_all("input", type="password") if field.get("value")]

    def test_the_summary_counts_as_many_faults_as_the_rules_show(self, browser, with_password):
        sign_in(browser)

        answer = choose(browser, "dupond", current=PASSWORD)

        summary = answer.html.find(id="erreurs")
        assert summary.h2.get_text() == "Il reste trois points à corriger"
        assert [link["href"] for link in summary.find_all("a")] == ["#mot-de-passe-n1"] * 3
        assert len([kind for kind in rules(answer) if kind == ["ko"]]) == 3

    def test_a_password_that_is_too_long_is_one_fault(self, browser, with_password):
        sign_in(browser)

        answer = choose(browser, "tasse orage vélo " * 20, current=PASSWORD)

        assert answer.status_int == 422
        assert "trop long" in error(answer)
        assert error(answer, "n2") == ""
        assert answer.html.find(id="erreurs").h2.get_text() == "Il reste un point à corriger"

    def test_says_that_the_two_differ_beside_the_second(self, browser, with_password):
        sign_in(browser)

        answer = choose(browser, "tasse dupond orage vélo", "autre chose", current=PASSWORD)

        assert "différents" in error(answer, "n2")
        assert "Il reste deux points à corriger" in answer.text

    def test_shows_the_rules_without_a_verdict_at_first(self, browser, with_password):
        sign_in(browser)

        assert rules(browser.get("/mot-de-passe")) == [None] * 3

    def test_keeps_spaces_and_accents_as_typed(self, browser, with_password, stored, registry):
        sign_in(browser)
        new = "  déjà l’été à la mer  "

        choose(browser, new, current=PASSWORD)

        with stored() as portal:
            assert is_own_password(portal, registry, factories.CODE, new)
            assert not is_own_password(portal, registry, factories.CODE, new.strip())
