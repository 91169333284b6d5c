"""Connexion and Déconnexion."""

import re
import time
from dataclasses import replace
from datetime import timedelta
from statistics import mean
from time import perf_counter

import pytest

from sevres_familles.domain.references import random_printed_password
from sevres_familles.identity.passwords import Passwords
from sevres_familles.identity.services import UnknownFamily, attempts, credentials_of, issue_printed_password
from tests import factories
from tests.conftest import NOW
from tests.identity.conftest import CountingPasswords
from tests.identity.helpers import PASSWORD, PRINTED, give_password, give_printed_password, sign_in

HOME = "http://localhost/familles/26719/"
WRONG = "n’est pas le bon"


def message(answer):
    """The words beside the password."""
    return answer.html.find(id="connexion-mdp-erreur").get_text()


def opens(browser, path="/familles/26719/"):
    """Whether the browser sees the family's home."""
    return browser.get(path, expect_errors=True).status_int == 200


def session_of(browser):
    return browser.cookies.get("session")


class TestSignIn:
    def test_the_page_has_the_words_of_the_guide(self, browser):
        page = browser.get("/connexion").html.get_text()

        for words in (
            "Identification",
            "Code d’accès",
            "Mot de passe",
            "Connexion",
            "Mode d’emploi",
            "payer vos factures en ligne",
            "Identifiants oubliés",
            "Votre e-mail",
            "Demande d’identifiant",
            "Votre code d’accès est",
        ):
            assert words in page

    def test_leads_to_the_family_s_home(self, browser, with_password):
        answer = sign_in(browser)

        assert answer.status_int == 303
        assert answer.location == HOME
        assert opens(browser)

    def test_leads_back_where_the_visitor_came_from(self, browser, with_password):
        asked = browser.get("/familles/26719/comptes/scolaire")

        form = browser.get(asked.location).forms["connexion"]
        form["code"], form["mdp"] = with_password, PASSWORD

        assert form.submit().location == "http://localhost/familles/26719/comptes/scolaire"

    @pytest.mark.parametrize(
        "back", ["//evil.example", "/\\evil.example", "https:evil.example", "/%0d%0ax", "/%2fevil"]
    )
    def test_leads_nowhere_else(self, browser, with_password, back):
        assert sign_in(browser, retour=back).location == HOME

    def test_leads_nowhere_else_even_when_the_form_says_so(self, browser, with_password):
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"], form["retour"] = with_password, PASSWORD, "//evil.example"

        assert form.submit().location == HOME

    def test_leads_on_who_is_signed_in_already(self, browser, with_password):
        sign_in(browser)

        assert browser.get("/connexion").location == HOME

    def test_has_telephones_open_the_keyboard_of_figures_for_codes_of_figures(self, browser):
        assert browser.get("/connexion").html.find(id="connexion-code")["inputmode"] == "numeric"

    def test_takes_a_code_with_spaces_and_a_password_as_it_is(self, browser, with_password):
        assert sign_in(browser, code=" 26 719 ").location == HOME
        assert sign_in(browser, password=PASSWORD + " ").status_int == 422

    @pytest.mark.parametrize(("code", "password"), [("26719", "wrong"), ("99999", PASSWORD), ("26719", PRINTED)])
    def test_refuses_by_the_same_words(self, browser, with_password, code, password):
        answer = sign_in(browser, code, password)

        assert answer.status_int == 422
        assert WRONG in message(answer)
        assert not opens(browser)

    def test_keeps_the_code_and_never_the_password(self, browser, with_password):
        answer = sign_in(browser, password="un secret à moi")

        assert answer.forms["connexion"]["code"].value == "26719"
        assert "un secret" not in answer.text

    def test_asks_for_what_is_missing(self, browser, dupond):
        answer = sign_in(browser, "", "")

        assert answer.status_int == 422
        assert answer.html.find(id="connexion-code-erreur")
        assert answer.html.find(id="connexion-mdp-erreur")

    def test_an_unpublished_family_does_not_get_in(self, browser, stored, registry):
        with stored() as portal:
            family = factories.store_family(portal)
            give_password(portal, registry)
            portal["familles"].remove(family.code)

        assert sign_in(browser).status_int == 422

    def test_a_family_without_a_password_does_not_get_in_with_none(self, browser, dupond):
        assert sign_in(browser, password=" ").status_int == 422

    def test_without_its_token_nothing_happens(self, browser, with_password):
        browser.get("/connexion")

        answer = browser.post("/connexion", {"code": "26719", "mdp": PASSWORD}, expect_errors=True)

        assert answer.status_int == 400
        assert not opens(browser)

    def test_a_field_that_is_not_of_the_form_is_refused(self, browser, with_password):
        form = browser.get("/connexion").forms["connexion"]
        fields = [*form.submit_fields(), ("scope", "family")]

        assert browser.post("/connexion", fields, expect_errors=True).status_int == 400

    def test_hashes_anew_when_the_parameters_have_changed(self, browser, with_password, registry, credentials):
        registry.passwords = Passwords(replace(registry.settings_of_portal, argon2_time=2))

        assert sign_in(browser).status_int == 303

        assert ",t=2," in credentials()["password"]
        assert sign_in(browser).status_int == 303


class TestPrintedPassword:
    def test_leads_to_the_choice_of_a_password_and_nowhere_else(self, browser, printed):
        answer = sign_in(browser, password=printed)

        assert answer.location == "http://localhost/mot-de-passe"
        for path in ("/familles/26719/", "/familles/26719/comptes/scolaire", "/familles/26720/", "/paiements/P-1"):
            assert browser.get(path).location == "http://localhost/mot-de-passe"

    @pytest.mark.parametrize(
        "typed", [str.lower, lambda text: text.replace("-", " "), lambda text: text.replace("-", "")]
    )
    def test_may_be_typed_in_any_case_with_or_without_dashes(self, browser, printed, typed):
        assert sign_in(browser, password=typed(printed)).status_int == 303

    def test_a_typing_error_is_told_and_is_no_attempt(self, browser, printed, counting):
        last = "3" if printed[-1] == "2" else "2"

        for _ in range(30):
            answer = sign_in(browser, password=printed[:-1] + last)
            assert answer.status_int == 422
            assert "faute de frappe" in message(answer)

        assert counting.computed == []
        assert sign_in(browser, password=printed).status_int == 303

    def test_the_typing_check_looks_at_shape_alone(self, browser, dupond):
        known = sign_in(browser, "26719", "K7MP-Q3XA-TRWD-9HF5")
        unknown = sign_in(browser, "99999", "K7MP-Q3XA-TRWD-9HF5")

        assert message(known) == message(unknown)
        assert "faute de frappe" in message(known)

    def test_opening_the_page_does_not_spend_it(self, browser, printed):
        sign_in(browser, password=printed)

        assert sign_in(browser, password=printed).status_int == 303

    def test_works_for_45_days(self, browser, printed, clock):
        clock.advance(days=45, seconds=-1)
        assert sign_in(browser, password=printed).status_int == 303

        clock.advance(seconds=1)
        assert WRONG in message(sign_in(browser, password=printed))

    def test_a_new_one_kills_the_old(self, browser, printed, stored, registry):
        with stored() as portal:
            newer = give_printed_password(portal, registry)

        assert WRONG in message(sign_in(browser, password=printed))
        assert sign_in(browser, password=newer).status_int == 303

    def test_opens_the_same_door_to_a_family_that_has_a_password(self, browser, with_password, printed):
        answer = sign_in(browser, password=printed)

        assert answer.location == "http://localhost/mot-de-passe"
        assert sign_in(browser).location == HOME

    def test_nobody_gets_one_for_an_unknown_code(self, stored, registry, clock):
        with stored() as portal, pytest.raises(UnknownFamily):
            issue_printed_password(portal, registry, "99999", clock.now())

    def test_a_fixed_one_must_have_the_shape(self, dupond, stored, registry, clock):
        with stored() as portal, pytest.raises(ValueError, match="printed"):
            issue_printed_password(portal, registry, dupond, clock.now(), "K7MP-Q3XA-TRWD-9HF5")


def normalised(answer):
    """An answer, without what is of the moment or was typed."""
    text = re.sub(r'name="csrf_token" value="\w+"', "", answer.text)
    text = re.sub(r'value="\d{5}"', "", text)
    headers = sorted((name, value) for name, value in answer.headerlist if name != "Set-Cookie")
    return answer.status, headers, text


class TestNoEnumeration:
    """Known or not, an account answers the same, for the same work (requirements I7)."""

    @pytest.mark.parametrize("password", ["wrong", PASSWORD[:-1], PRINTED, "K7MP-Q3XA-TRWD-9HF5", "x" * 256, "x" * 257])
    def test_known_and_unknown_codes_answer_the_same_bytes(self, browser, with_password, password):
        for _ in range(8):  # past the free tries too
            known, unknown = sign_in(browser, "26719", password), sign_in(browser, "99999", password)

            assert normalised(known) == normalised(unknown)

    @pytest.mark.parametrize("code", ["26719", "99999"])
    @pytest.mark.parametrize("password", ["wrong", PRINTED])
    def test_every_attempt_costs_one_verification(self, browser, with_password, counting, code, password):

        sign_in(browser, code, password)

        assert counting.computed == ["verify"]

    @pytest.mark.parametrize("password", ["wrong", PRINTED])
    def test_whatever_the_family_has(self, browser, with_password, printed, counting, password):
        counting.computed.clear()

        sign_in(browser, password=password)

        assert counting.computed == ["verify"]

    def test_known_and_unknown_codes_take_the_same_time(self, browser, with_password, clock):
        times = {"26719": [], "99999": []}
        for _ in range(40):
            for code, taken in times.items():
                form = browser.get("/connexion").forms["connexion"]
                form["code"], form["mdp"] = code, "wrong"
                clock.advance(hours=2)
                start = perf_counter()
                answer = form.submit(expect_errors=True)
                taken.append(perf_counter() - start)
                assert answer.status_int == 422
                browser.reset()

        # The quickest quarter: what a busy machine adds is not of the portal.
        known, unknown = (mean(sorted(taken)[:10]) for taken in times.values())
        assert abs(known - unknown) < 0.005


class TestConflicts:
    """A request that met another's is tried again, for no second slow verification."""

    @pytest.fixture
    def meanwhile(self, registry):
        """Have the hasher do something else, once, while it verifies."""

        def meanwhile(act):
            class Interrupted(CountingPasswords):
                def verify(self, hashed, password):
                    if not self.computed:
                        act()
                    return super().verify(hashed, password)

            registry.passwords = Interrupted(registry.passwords)
            return registry.passwords

        return meanwhile

    def test_the_right_password_is_verified_once(self, browser, with_password, meanwhile, stored):
        def come_in_elsewhere():
            with stored() as portal:
                portal.stores["credentials"][with_password].seen_at = NOW

        passwords = meanwhile(come_in_elsewhere)

        assert sign_in(browser).status_int == 303
        assert passwords.computed == ["verify"]

    @pytest.mark.parametrize("code", ["26719", "99999"])
    def test_so_is_a_wrong_one_known_or_not(self, browser, with_password, meanwhile, stored, registry, code):
        def fail_elsewhere():
            with stored() as portal:
                attempts(portal, registry, address="192.0.2.1", code=code, at=NOW).fail()

        passwords = meanwhile(fail_elsewhere)

        assert sign_in(browser, code, "wrong").status_int == 422
        assert passwords.computed == ["verify"]

    def test_a_password_that_was_changed_meanwhile_opens_nothing(self, browser, with_password, meanwhile, stored, app):
        def change():
            with stored() as portal:
                credentials_of(portal, with_password).set_password(other)

        other = app.registry.passwords.hash("lanterne sabot mouette cidre")
        passwords = meanwhile(change)

        assert sign_in(browser).status_int == 422
        assert passwords.computed == ["verify", "verify"]

    def test_the_next_request_verifies_again(self, browser, with_password, counting):
        sign_in(browser)
        sign_in(browser)

        assert counting.computed == ["verify", "verify"]


class TestTooManyAttempts:
    def fail(self, browser, times, code="26719", address="192.0.2.1"):
        browser.extra_environ["REMOTE_ADDR"] = address
        return [sign_in(browser, code, "wrong") for _ in range(times)][-1]

    def test_the_sixth_wrong_try_in_a_row_is_not_taken(self, browser, with_password, counting):
        self.fail(browser, 5)
        counting.computed.clear()

        answer = self.fail(browser, 1)

        assert answer.status_int == 429
        assert answer.headers["Retry-After"] == "60"
        assert "Attendez 60 secondes" in message(answer)
        assert counting.computed == []

    def test_the_right_password_has_to_wait_too_and_then_opens(self, browser, with_password, clock):
        self.fail(browser, 5)
        assert sign_in(browser).status_int == 429

        clock.advance(seconds=60)

        assert sign_in(browser).status_int == 303

    def test_no_stranger_locks_the_family_out(self, browser, with_password, clock):
        for number in range(30):
            self.fail(browser, 5, address=f"203.0.113.{number}")
        browser.extra_environ["REMOTE_ADDR"] = "192.0.2.1"

        answer = sign_in(browser)
        assert answer.status_int == 429
        wait = int(answer.headers["Retry-After"])
        assert wait <= 30
        clock.advance(seconds=wait)

        assert sign_in(browser).status_int == 303

    @pytest.mark.parametrize("strangers", [1, 10_000], ids=["from one address", "from as many addresses"])
    def test_after_ten_thousand_wrong_tries_the_family_gets_in_within_thirty_seconds(
        self, browser, with_password, stored, registry, clock, strangers
    ):
        with stored() as portal:
            for number in range(10_000):
                stranger = f"203.{number % strangers // 250}.{number % strangers % 250}.7"
                tries = attempts(portal, registry, address=stranger, code="26719", at=clock.now())
                if not tries.wait():
                    tries.fail()

        wait = int(sign_in(browser).headers.get("Retry-After", "0"))
        assert wait <= 30
        clock.advance(seconds=wait)

        assert sign_in(browser).status_int == 303

    def test_guesses_of_a_printed_password_wait_as_those_of_an_own_one(self, browser, printed):
        wrong = [random_printed_password() for _ in range(7)]

        answers = [sign_in(browser, password=each).status_int for each in wrong]

        assert answers == [422] * 5 + [429] * 2
        assert sign_in(browser, password=printed).status_int == 429

    def test_known_and_unknown_codes_wait_alike(self, browser, with_password):
        known = self.fail(browser, 7, "26719", "203.0.113.1")
        unknown = self.fail(browser, 7, "99999", "203.0.113.2")

        assert normalised(known) == normalised(unknown)
        assert known.status_int == 429

    def test_one_address_that_tries_every_code_is_slowed_down(self, browser, dupond):
        answers = [self.fail(browser, 1, str(code)).status_int for code in range(10_000, 10_030)]

        assert answers == [422] * 20 + [429] * 10

    def test_the_word_to_the_transaction_does_not_leave_the_house(self, browser, with_password):
        assert "X-Tm" not in self.fail(browser, 1).headers


class TestSession:
    def test_public_pages_set_no_cookie(self, browser, dupond):
        for path in ("/", "/nowhere", "/familles/26719/"):
            browser.get(path, expect_errors=True)

            assert session_of(browser) is None

    def test_the_cookie_is_for_us_alone(self, browser, dupond):
        cookie = browser.get("/connexion").headers["Set-Cookie"]

        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "path=/" in cookie.lower()

    def test_signing_in_gives_another_ticket_and_another_csrf_token(self, browser, with_password, credentials):
        form = browser.get("/connexion").forms["connexion"]
        before = form["csrf_token"].value
        form["code"], form["mdp"] = with_password, PASSWORD
        home = form.submit().follow()

        assert home.forms[0]["csrf_token"].value != before
        (kept,) = credentials()["sessions"]
        assert len(kept) == 32

        form = browser.get("/mot-de-passe")
        sign_in(browser)
        assert len(credentials()["sessions"]) == 2

    def test_a_cookie_planted_before_does_not_open_what_the_family_signed_in_to(self, browser, with_password):
        browser.get("/connexion")
        planted = session_of(browser)
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = with_password, PASSWORD
        form.submit()

        browser.set_cookie("session", planted)

        assert not opens(browser)

    def test_signing_out_ends_it_for_the_cookie_that_was_copied_too(self, browser, with_password, credentials):
        home = sign_in(browser).follow()
        copied = session_of(browser)

        answer = home.forms[0].submit()

        assert answer.location == "http://localhost/"
        assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
        assert "Vous êtes déconnecté" in answer.follow().text
        assert credentials()["sessions"] == {}
        browser.set_cookie("session", copied)
        assert not opens(browser)

    def test_signing_out_is_not_done_by_a_link(self, browser, with_password):
        sign_in(browser)

        assert browser.get("/deconnexion", expect_errors=True).status_int == 404
        assert opens(browser)

    def test_signing_out_needs_its_token(self, browser, with_password):
        sign_in(browser)

        assert browser.post("/deconnexion", expect_errors=True).status_int == 400
        assert opens(browser)

    def test_it_ends_after_twelve_hours_however_busy(self, browser, with_password, clock):
        sign_in(browser)

        clock.advance(hours=12, seconds=-1)
        assert opens(browser)
        clock.advance(seconds=1)
        assert browser.get("/familles/26719/").location.startswith("http://localhost/connexion?retour=")

    def test_it_ends_after_twenty_minutes_without_a_page(self, browser, with_password, monkeypatch):
        sign_in(browser)
        later(monkeypatch, minutes=19)
        assert opens(browser)
        later(monkeypatch, minutes=19 + 20, seconds=1)

        assert not opens(browser)

    def test_reading_pages_writes_nothing(self, browser, with_password, stored):
        sign_in(browser)
        before = serials(stored)

        for path in ("/familles/26719/", "/mot-de-passe", "/confirmer-mon-e-mail", "/connexion", "/"):
            browser.get(path, expect_errors=True)

        assert serials(stored) == before

    def test_the_oldest_of_too_many_sessions_ends(self, browser, with_password, credentials):
        sign_in(browser)
        oldest = session_of(browser)
        for _ in range(20):
            sign_in(browser)

        assert len(credentials()["sessions"]) == 20
        browser.set_cookie("session", oldest)
        assert not opens(browser)

    def test_sessions_that_are_over_are_not_kept(self, browser, with_password, credentials, clock):
        sign_in(browser)
        clock.advance(hours=13)

        sign_in(browser)

        assert len(credentials()["sessions"]) == 1

    @pytest.mark.parametrize("value", ["", "x", "a" * 200, "%00", "bm9uZQ=="])
    def test_a_cookie_that_is_not_ours_opens_nothing_and_breaks_nothing(self, browser, with_password, value):
        browser.set_cookie("session", value)

        assert browser.get("/familles/26719/").status_int == 303
        assert browser.get("/connexion").status_int == 200

    def test_a_form_left_open_too_long_leads_to_connexion(self, browser, with_password, monkeypatch):
        form = sign_in(browser).follow().forms[0]
        later(monkeypatch, minutes=21)

        answer = form.submit()

        assert answer.location == "http://localhost/connexion"
        assert "la session est terminée" in answer.follow().text


class TestExtendSession:
    def extend(self, browser, token):
        return browser.post("/prolonger", {"csrf_token": token}, expect_errors=True)

    def test_the_cookie_is_written_anew(self, browser, with_password, monkeypatch):
        token = sign_in(browser).follow().forms[0]["csrf_token"].value
        later(monkeypatch, minutes=18)

        answer = self.extend(browser, token)

        assert answer.status_int == 204
        assert "session=" in answer.headers["Set-Cookie"]
        later(monkeypatch, minutes=18 + 19)
        assert opens(browser)

    def test_it_writes_nothing_to_the_database(self, browser, with_password, stored):
        token = sign_in(browser).follow().forms[0]["csrf_token"].value
        before = serials(stored)

        self.extend(browser, token)

        assert serials(stored) == before

    def test_it_cannot_bring_a_session_back(self, browser, with_password, clock):
        token = sign_in(browser).follow().forms[0]["csrf_token"].value
        clock.advance(hours=12)

        assert self.extend(browser, token).status_int != 204

    def test_it_needs_a_token(self, browser, with_password):
        sign_in(browser)

        assert browser.post("/prolonger", expect_errors=True).status_int == 400


def later(monkeypatch, **duration):
    """Move the clock that dates cookies."""
    real = time.time()
    monkeypatch.setattr("pyramid.session.time", Moment(real + timedelta(**duration).total_seconds()))
    monkeypatch.setattr("sevres_familles.web.sessions.time", Moment(real + timedelta(**duration).total_seconds()))


class Moment:
    """A time module that stands still."""

    def __init__(self, moment):
        self.moment = moment

    def time(self):
        return self.moment


def serials(stored):
    """The last transaction of the database."""
    with stored() as portal:
        return portal._p_jar.db().lastTransaction()
