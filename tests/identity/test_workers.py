"""What one worker learns the others know: waits and sessions, by two real processes (requirements I4, I11)."""

from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest
from bs4 import BeautifulSoup

from tests import factories
from tests.faults.workers import Workers, running_workers
from tests.identity.helpers import PASSWORD, give_password

CODE = factories.CODE


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("workers")
    with running_workers(folder, f"embedded://{folder}/var/db", 2) as workers:
        with workers.store() as portal:
            for code in (CODE, "31415"):
                factories.store_family(portal, code)
                give_password(portal, workers.registry, code)
        yield workers


class Answer(NamedTuple):
    """What a worker answered, redirects followed."""

    status: int
    url: str
    page: BeautifulSoup


def ask(browser: OpenerDirector, url: str, **fields: str) -> Answer:
    """Ask for a page, or post fields to it."""
    try:
        with browser.open(url, urlencode(fields).encode() if fields else None) as answer:
            return Answer(answer.status, answer.url, BeautifulSoup(answer.read(), "html.parser"))
    except HTTPError as refusal:
        return Answer(refusal.code, url, BeautifulSoup(refusal.read(), "html.parser"))


def new_browser() -> OpenerDirector:
    return build_opener(HTTPCookieProcessor(CookieJar()))


def post(browser: OpenerDirector, page: str, form: str, **fields: str) -> Answer:
    """Fill in a form of a page, and send it where it goes."""
    token = ask(browser, page).page.find(id=form).find("input", attrs={"name": "csrf_token"})["value"]
    return ask(browser, page, csrf_token=str(token), **fields)


def sign_in(browser: OpenerDirector, worker: str, code: str = CODE, password: str = PASSWORD) -> Answer:
    return post(browser, f"{worker}/connexion", "connexion", code=code, mdp=password, retour="")


def sign_out_and_in(browser: OpenerDirector, worker: str) -> Answer:
    """Come back by the same browser: the device stays known."""
    token = ask(browser, f"{worker}/connexion").page.find("input", attrs={"name": "csrf_token"})["value"]
    ask(browser, f"{worker}/deconnexion", csrf_token=str(token))
    return sign_in(browser, worker)


def test_wrong_tries_on_one_worker_make_the_other_wait_and_a_known_device_does_not(workers):
    here, there = workers.addresses
    owner = new_browser()
    assert sign_in(owner, there).status == 200

    tries = [sign_in(new_browser(), here, password="ce n’est pas le bon").status for _ in range(5)]

    assert tries == [422] * 5
    assert sign_in(new_browser(), there, password="ce n’est pas le bon").status == 429
    assert sign_in(new_browser(), there).status == 429
    for worker in (there, here):
        assert sign_out_and_in(owner, worker).url == f"{worker}/familles/{CODE}/"


def test_a_session_that_is_ended_by_one_worker_is_out_at_the_other(workers):
    here, there = workers.addresses
    desk, phone = new_browser(), new_browser()
    for browser, worker in ((desk, here), (phone, there)):
        assert sign_in(browser, worker, "31415").status == 200
    home = f"{there}/familles/31415/"
    assert ask(phone, home).url == home

    post(desk, f"{here}/vos-connexions", "connexions", connexion="autres")

    assert "/connexion" in ask(phone, home).url
    assert ask(desk, f"{here}/familles/31415/").url == f"{here}/familles/31415/"
