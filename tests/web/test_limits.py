"""Costly pages are given so many times a minute (requirements S21)."""

from datetime import timedelta

import pytest

from sevres_familles.web import limits
from sevres_familles.web.limits import Buckets
from tests import factories
from tests.conftest import NOW, browser_of, make_app, portal_stored
from tests.identity.helpers import give_password, sign_in

PDF = "/familles/{code}/comptes/scolaire/2026-9161/facture.pdf"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class TestBuckets:
    def test_a_bucket_gives_its_size_at_once_and_then_says_how_long_to_wait(self):
        buckets = Buckets(3)

        waits = [buckets.draw("a", NOW) for _ in range(5)]

        assert waits == [timedelta()] * 3 + [20 * SECOND] * 2

    def test_a_bucket_gives_again_when_it_said_and_is_full_after_a_minute(self):
        buckets = Buckets(3)
        for _ in range(4):
            buckets.draw("a", NOW)

        assert [buckets.draw("a", NOW + 20 * SECOND) for _ in range(2)] == [timedelta(), 20 * SECOND]
        assert [buckets.draw("a", NOW + 10 * MINUTE) for _ in range(4)] == [timedelta()] * 3 + [20 * SECOND]

    def test_a_clock_set_back_empties_no_bucket(self):
        buckets = Buckets(3)
        buckets.draw("a", NOW)

        assert [buckets.draw("a", NOW - 60 * MINUTE) for _ in range(3)] == [timedelta()] * 2 + [20 * SECOND]
        assert buckets.draw("a", NOW - 59 * MINUTE) == timedelta()

    def test_buckets_do_not_empty_one_another(self):
        buckets = Buckets(1)
        buckets.draw("a", NOW)

        assert buckets.draw("b", NOW) == timedelta()

    def test_they_take_a_bounded_room_and_the_busiest_stay(self, monkeypatch):
        monkeypatch.setattr(limits, "MOST_BUCKETS", 10)
        buckets = Buckets(1)
        for number in range(100):
            buckets.draw("busy", NOW)
            buckets.draw(str(number), NOW)

        assert len(buckets._levels) == 10
        assert buckets.draw("busy", NOW) > timedelta()


@pytest.fixture
def app(ini, clock):
    """A portal that gives each family three documents a minute, with two families."""
    app = make_app({**ini, "sevres.documents_per_minute": "3"}, clock)
    with portal_stored(app.registry) as portal:
        for code in ("26719", "31415"):
            factories.store_invoice(factories.store_family(portal, code))
            give_password(portal, app.registry, code)
    return app


def signed_in(app, code="26719", address="192.0.2.1"):
    browser = browser_of(app)
    browser.extra_environ["REMOTE_ADDR"] = address
    sign_in(browser, code)
    return browser


def statuses(browser, times, code="26719"):
    return [browser.get(PDF.format(code=code), expect_errors=True).status_int for _ in range(times)]


def test_a_family_is_given_so_many_documents_and_then_told_how_long_to_wait(app, clock):
    browser = signed_in(app)
    assert statuses(browser, 3) == [200] * 3

    refusal = browser.get(PDF.format(code="26719"), status=429)

    assert refusal.headers["Retry-After"] == "20"
    assert "Attendez 20 secondes, puis recommencez." in refusal.text
    assert refusal.html.h1.get_text() == "Trop de demandes à la fois"
    clock.advance(seconds=20)
    assert statuses(browser, 1) == [200]


def test_the_picture_counts_as_the_pdf_does(app):
    browser = signed_in(app)
    statuses(browser, 3)

    browser.get(PDF.format(code="26719").replace(".pdf", ".png"), status=429)


def test_other_pages_and_other_families_are_not_touched(app):
    browser = signed_in(app)
    statuses(browser, 4)

    assert browser.get("/familles/26719/").status_int == 200
    assert statuses(signed_in(app, "31415"), 1, "31415") == [200]


def test_a_second_session_of_the_family_changes_nothing(app):
    statuses(signed_in(app), 3)

    assert statuses(signed_in(app, address="198.51.100.7"), 1) == [429]


def test_an_address_behind_which_many_families_stand_has_ten_times_as_much(app, monkeypatch):
    monkeypatch.setattr(app.registry.costly_buckets[1], "_size", 4)

    assert statuses(signed_in(app), 3) == [200] * 3
    assert statuses(signed_in(app, "31415"), 3, "31415") == [200, 429, 429]


def test_what_is_another_family_s_costs_nothing_and_is_no_document(app):
    browser = signed_in(app)

    assert statuses(browser, 5, "31415") == [404] * 5
    assert statuses(browser, 1) == [200]
