"""Devices that are known: what their cookie holds, what it spares, when it is worth nothing (requirements I4, I10)."""

from datetime import timedelta

import pytest
from webtest import TestApp

from sevres_familles.identity.devices import describe
from sevres_familles.identity.events import EmailReplaced, NewDeviceSeen
from sevres_familles.identity.services import ask_confirmation, confirm_email, credentials_of, issue_printed_password
from sevres_familles.identity.tokens import Purpose, token_for
from tests import factories
from tests.conftest import NOW, browser_of, make_app, portal_stored
from tests.identity.helpers import PASSWORD, PRINTED, give_password, give_printed_password, sign_in

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"


@pytest.fixture
def seen(registry) -> list[NewDeviceSeen]:
    events: list[NewDeviceSeen] = []
    registry.registerHandler(events.append, (NewDeviceSeen,))
    return events


def come_back(browser: TestApp, password: str = PASSWORD):
    """Sign in again by the same browser, whose session is over."""
    browser.cookiejar.clear("localhost.local", "/", "session")
    form = browser.get("/connexion").forms["connexion"]
    form["code"], form["mdp"] = factories.CODE, password
    return form.submit(expect_errors=True)


def hammer(app, tries: int, address: str = "198.51.100.7", code: str = factories.CODE) -> None:
    """Try so many wrong passwords from elsewhere."""
    stranger = browser_of(app)
    stranger.extra_environ["REMOTE_ADDR"] = address
    form = stranger.get("/connexion").forms["connexion"]
    for _ in range(tries):
        form["code"], form["mdp"] = code, "ce n’est pas le bon"
        form.submit(expect_errors=True)


class TestCookie:
    def test_is_given_at_the_first_sign_in_and_lasts_half_a_year(self, browser, with_password):
        cookies = sign_in(browser).headers.getall("Set-Cookie")

        (given,) = [each for each in cookies if each.startswith("appareil=")]
        assert "HttpOnly" in given
        assert "SameSite=Lax" in given
        assert f"Max-Age={180 * 24 * 3600}" in given

    def test_is_tied_to_the_host_over_https(self, ini, clock):
        app = make_app({**ini, "sevres.public_url": "https://localhost"}, clock)
        with portal_stored(app.registry) as portal:
            factories.store_family(portal)
            give_password(portal, app.registry)
        answer = sign_in(browser_of(app, scheme="https"))

        (given,) = [each for each in answer.headers.getall("Set-Cookie") if "appareil" in each]
        assert given.startswith("__Host-appareil=")
        assert "secure" in given.lower()
        assert "Path=/" in given

    def test_names_neither_family_nor_address(self, browser, with_password):
        sign_in(browser)

        assert factories.CODE not in browser.cookies["appareil"]

    def test_is_not_given_for_a_wrong_password_nor_for_a_printed_one(self, browser, with_password, stored, registry):
        sign_in(browser, password="ce n’est pas le bon")
        assert "appareil" not in browser.cookies

        with stored() as portal:
            printed = give_printed_password(portal, registry)
        sign_in(browser, password=printed)

        assert "appareil" not in browser.cookies

    def test_opens_nothing(self, browser, with_password):
        sign_in(browser)
        browser.cookiejar.clear("localhost.local", "/", "session")

        assert browser.get("/familles/26719/").status_int == 303

    def test_serves_several_families_of_one_device(self, browser, with_password, stored, registry, seen):
        with stored() as portal:
            factories.store_family(portal, "31415")
            give_password(portal, registry, "31415")
        sign_in(browser)
        browser.cookiejar.clear("localhost.local", "/", "session")
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = "31415", PASSWORD
        form.submit()
        seen.clear()

        come_back(browser)

        assert seen == []


class TestNewDevice:
    def test_is_told_to_every_address_once(self, browser, with_password, stored, seen):
        with stored() as portal:
            credentials_of(portal, factories.CODE).email = "pierre@ville.example"
        browser.extra_environ["HTTP_USER_AGENT"] = FIREFOX

        sign_in(browser)
        come_back(browser)

        assert [(each.code, each.device, each.emails, each.at) for each in seen] == [
            ("26719", "Firefox sous Windows", ("pierre@ville.example", "dupond@free.fr"), NOW)
        ]

    def test_is_told_again_once_the_password_changed(self, browser, with_password, stored, registry, seen):
        sign_in(browser)
        with stored() as portal:
            give_password(portal, registry, password="une autre phrase de passe")

        come_back(browser, "une autre phrase de passe")

        assert len(seen) == 2

    def test_is_told_again_after_half_a_year_without_it(self, browser, with_password, clock, seen):
        sign_in(browser)
        clock.advance(days=170)
        come_back(browser)
        clock.advance(days=170)
        come_back(browser)
        assert len(seen) == 1

        clock.advance(days=181)
        come_back(browser)

        assert len(seen) == 2

    @pytest.mark.parametrize(
        "forged", ["x", "a.1.b", "a.b.c_d.e.f", "a" * 5_000, "0123456789abcdef.1795444500." + "0" * 32]
    )
    def test_is_not_hidden_by_a_cookie_of_someone_s_making(self, browser, with_password, seen, forged):
        browser.get("/connexion")
        browser.set_cookie("appareil", forged)

        assert come_back(browser).status_int == 303
        assert len(seen) == 1

    def test_is_not_hidden_by_the_cookie_of_another_family(self, browser, with_password, stored, registry, seen):
        with stored() as portal:
            factories.store_family(portal, "31415")
            give_password(portal, registry, "31415")
        sign_in(browser, "31415")

        come_back(browser)

        assert [each.code for each in seen] == ["31415", "26719"]

    def test_is_not_told_of_the_device_where_the_first_password_was_chosen(
        self, browser, dupond, stored, registry, seen
    ):
        with stored() as portal:
            issue_printed_password(portal, registry, factories.CODE, NOW, PRINTED)
        sign_in(browser, password=PRINTED)
        form = browser.get("/mot-de-passe").forms["mot-de-passe"]
        form["n1"] = form["n2"] = PASSWORD
        form.submit()

        come_back(browser)

        assert seen == []


class TestThrottle:
    def test_wrong_tries_from_elsewhere_do_not_make_the_family_s_own_device_wait(self, app, browser, with_password):
        sign_in(browser)
        for number in range(6):
            hammer(app, 5, address=f"198.51.100.{number}")
        assert sign_in(browser_of(app)).status_int == 429

        assert come_back(browser).status_int == 303

    def test_not_even_those_from_its_own_address(self, app, browser, with_password):
        sign_in(browser)
        hammer(app, 30, address="192.0.2.1")

        assert come_back(browser).status_int == 303
        assert sign_in(browser_of(app)).status_int == 429

    def test_a_stolen_device_guesses_five_times_and_waits(self, browser, with_password, clock):
        sign_in(browser)

        answers = [come_back(browser, f"essai numéro {number}").status_int for number in range(7)]

        assert answers == [422] * 5 + [429] * 2
        clock.advance(minutes=2)
        assert come_back(browser).status_int == 303


class TestEmailReplaced:
    @pytest.fixture
    def told(self, registry) -> list[EmailReplaced]:
        events: list[EmailReplaced] = []
        registry.registerHandler(events.append, (EmailReplaced,))
        return events

    @pytest.fixture
    def confirm(self, stored, registry, with_password, announced):
        def confirm(email: str) -> None:
            with stored() as portal:
                ask_confirmation(portal, registry, factories.CODE, email, NOW)
                nonce = announced[-1].nonce
                token = token_for(registry.settings_of_portal, Purpose.EMAIL, factories.CODE, nonce)
                confirm_email(portal, registry, factories.CODE, token, NOW + timedelta(minutes=1))

        return confirm

    def test_the_other_addresses_are_told_when_another_is_confirmed(self, confirm, told):
        confirm("dupond@free.fr")
        assert told == []

        confirm("pierre@ville.example")

        assert [(each.emails, each.code) for each in told] == [(("dupond@free.fr",), factories.CODE)]

    def test_the_address_of_the_record_is_told_of_a_second_one_too(self, confirm, told):
        confirm("pierre@ville.example")
        confirm("autre@ville.example")

        assert [each.emails for each in told] == [
            ("dupond@free.fr",),
            ("pierre@ville.example", "dupond@free.fr"),
        ]

    def test_confirming_the_same_in_other_letters_tells_nobody(self, confirm, told):
        confirm("DUPOND@free.fr")

        assert told == []


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox sous Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox sous Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.5 Mobile/15E148 Safari/604.1",
            "Safari sur un iPhone",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "CriOS/138.0 Mobile/15E148 Safari/604.1",
            "Chrome sur un iPhone",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 "
            "Safari/605.1.15",
            "Safari sur un Mac",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 Mobile "
            "Safari/537.36",
            "Chrome sous Android",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-A546B) AppleWebKit/537.36 (KHTML, like Gecko) "
            "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            "Samsung Internet sous Android",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
            "Safari/537.36 Edg/138.0.0.0",
            "Edge sous Windows",
        ),
        ("curl/8.14.1", "Navigateur inconnu"),
        ("", "Navigateur inconnu"),
        ("<script>alert(1)</script>\r\nBcc: x@y.fr Windows", "Navigateur inconnu sous Windows"),
    ],
)
def test_a_device_is_told_by_browser_and_system_alone(user_agent, words):
    assert describe(user_agent) == words
