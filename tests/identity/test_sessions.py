"""« Vos connexions »: the family sees its open sessions and ends them (requirements I11)."""

import re
from datetime import timedelta

import pytest
from webtest import TestApp

from sevres_familles.identity.events import NewDeviceSeen
from sevres_familles.identity.services import credentials_of
from tests import factories
from tests.conftest import NOW, browser_of
from tests.identity.helpers import PASSWORD, give_password, give_printed_password, sign_in

PAGE = "/vos-connexions"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"


def device(app, user_agent: str) -> TestApp:
    """Sign the family in from a device."""
    browser = browser_of(app)
    browser.extra_environ["HTTP_USER_AGENT"] = user_agent
    assert sign_in(browser).status_int == 303
    return browser


def rows(browser: TestApp) -> list[str]:
    """What the list says of each session."""
    items = browser.get(PAGE).html.find("main").find("form").find_all("li")
    return [" ".join(item.get_text(" ").split()) for item in items]


def end(browser: TestApp, which: str):
    """Press a button of the list: by its words."""
    page = browser.get(PAGE)
    button = next(each for each in page.html.main.find_all("button") if re.search(which, each.get_text()))
    return page.forms["connexions"].submit("connexion", value=button["value"])


def is_in(browser: TestApp) -> bool:
    return browser.get("/familles/26719/").status_int == 200


@pytest.fixture
def phone(app, with_password, clock) -> TestApp:
    browser = device(app, IPHONE)
    clock.advance(minutes=10)
    return browser


@pytest.fixture
def desk(app, phone) -> TestApp:
    return device(app, FIREFOX)


def test_shows_each_device_and_when_this_one_first(desk, phone):
    assert rows(desk) == [
        "Firefox sous Windows Connecté aujourd’hui à 15:45 cet appareil",
        "Safari sur un iPhone Connecté aujourd’hui à 15:35 "
        "Déconnecter Safari sur un iPhone, connecté aujourd’hui à 15:35",
    ]


def test_ends_one_session_which_is_out_at_its_next_request(desk, phone):
    answer = end(desk, "Déconnecter").follow()

    assert "Cet appareil est déconnecté." in answer.text
    assert not is_in(phone)
    assert is_in(desk)


def test_a_device_that_was_signed_out_is_told_so_once(desk, phone):
    end(desk, "Déconnecter")

    first = phone.get(PAGE).follow()

    assert "Vous avez été déconnecté. Reconnectez-vous." in first.html.find(class_="messages").get_text()
    assert phone.get(PAGE).follow().html.find(class_="messages") is None


def test_a_form_that_was_sent_after_the_session_ended_is_told_one_thing(desk, phone):
    form = phone.get("/mot-de-passe").forms["mot-de-passe"]
    end(desk, "Déconnecter")

    (said,) = form.submit().follow().html.find(class_="messages").find_all("p")

    assert "rien n’a été enregistré" in said.get_text()


def test_a_visitor_that_never_signed_in_is_told_nothing(browser, with_password):
    browser.get("/connexion")

    assert browser.get(PAGE).follow().html.find(class_="messages") is None


def test_ends_all_others_and_stays(app, desk, phone):
    third = device(app, FIREFOX)

    end(desk, "tous les autres")

    assert (is_in(desk), is_in(phone), is_in(third)) == (True, False, False)


def test_ending_all_others_makes_their_devices_unknown_and_keeps_this_one(desk, phone, registry):
    seen: list[NewDeviceSeen] = []
    registry.registerHandler(seen.append, (NewDeviceSeen,))
    end(desk, "tous les autres")

    for browser in (desk, phone):
        browser.cookiejar.clear("localhost.local", "/", "session")
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = "26719", PASSWORD
        form.submit()

    assert [each.device for each in seen] == ["Safari sur un iPhone"]


def test_a_session_that_ended_meanwhile_is_no_fault(desk, phone):
    page = desk.get(PAGE)
    name = page.html.find("button", attrs={"name": "connexion"})["value"]
    form = page.forms["connexions"]

    form.submit("connexion", value=name)
    answer = form.submit("connexion", value=name)

    assert "Cet appareil était déjà déconnecté." in answer.follow().text


def test_a_session_that_is_too_old_is_not_shown(desk, phone, clock):
    clock.advance(hours=11, minutes=55)

    assert len(rows(desk)) == 1


def test_looking_writes_nothing(desk, phone, stored):
    def state():
        with stored() as portal:
            return credentials_of(portal, factories.CODE)._p_serial

    before = state()
    desk.get(PAGE)

    assert state() == before


def test_the_names_of_sessions_open_nothing(desk, phone, stored):
    name = desk.get(PAGE).html.find("button", attrs={"name": "connexion"})["value"]

    with stored() as portal:
        assert credentials_of(portal, factories.CODE).session(name, NOW, timedelta(hours=12)) is None


def test_a_family_ends_no_session_of_another(app, desk, stored, registry):
    with stored() as portal:
        factories.store_family(portal, "31415")
        give_password(portal, registry, "31415")
    other = browser_of(app)
    sign_in(other, "31415")
    with stored() as portal:
        (key,) = credentials_of(portal, "31415").sessions

    desk.get(PAGE).forms["connexions"].submit("connexion", value=key[:8].hex())

    assert other.get("/familles/31415/").status_int == 200


def test_what_is_not_of_the_form_is_refused(desk):
    form = desk.get(PAGE).forms["connexions"]

    desk.post(PAGE, {"csrf_token": form["csrf_token"].value, "code": "31415"}, status=400)


def test_signed_out_leads_to_connexion(browser, with_password):
    answer = browser.get(PAGE)

    assert answer.location.startswith("http://localhost/connexion")


def test_the_printed_password_shows_no_session(browser, with_password, stored, registry):
    with stored() as portal:
        printed = give_printed_password(portal, registry)
    sign_in(browser, password=printed)

    assert browser.get(PAGE).location == "http://localhost/mot-de-passe"


def test_a_session_opened_before_devices_were_told_is_shown(browser, with_password, stored):
    sign_in(browser)
    with stored() as portal:
        credentials = credentials_of(portal, factories.CODE)
        credentials.sessions = {key: each._replace(device="") for key, each in credentials.sessions.items()}

    assert rows(browser)[0].startswith("Appareil inconnu")
