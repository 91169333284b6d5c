"""R11: what machines that watch are told, and who is."""

import json
import re
from datetime import timedelta
from math import inf, isnan, nan
from typing import Any

import pytest
from webtest import TestApp

from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.notifications.resources import MailKind
from sevres_familles.payments.asking import ask_all
from sevres_familles.web import watching
from sevres_familles.web.clock import SystemClock, told_by_the_kernel
from sevres_familles.web.watching import beat
from tests import factories, rich
from tests.conftest import NOW

WORKERS = ("ask", "mail")


@pytest.fixture
def watcher(app, monkeypatch) -> TestApp:
    """A machine that watches, by the address of this machine."""
    monkeypatch.setattr(watching, "_KEPT_FOR", -1)
    return TestApp(app, extra_environ={"HTTP_HOST": "127.0.0.1:6543", "REMOTE_ADDR": "127.0.0.1"})


@pytest.fixture
def alive(registry) -> None:
    """Both workers live."""
    for name in WORKERS:
        beat(registry, name)


def readiness(watcher: TestApp, status: int) -> dict[str, Any]:
    answer = watcher.get("/readyz", status=status)
    assert answer.headers["Cache-Control"] == "no-store"
    checks: dict[str, Any] = answer.json["checks"]
    return checks


def figures(watcher: TestApp) -> dict[str, float]:
    text = watcher.get("/metrics").text
    return {name: float(value) for name, value in re.findall(r"^(sevres_\w+) (\S+)$", text, re.MULTILINE)}


class TestProcess:
    def test_answers_anybody_without_the_database(self, browser, registry):
        registry._zodb_databases[""].close()

        assert browser.get("/healthz").json == {"status": "ok"}


class TestReadiness:
    def test_is_told_when_all_is_well(self, watcher, alive):
        checks = readiness(watcher, 200)

        assert set(checks) == {
            "disk_used_percent",
            "clock_behind_seconds",
            "clock_error_seconds",
            "ask_worker_silent_seconds",
            "mail_worker_silent_seconds",
            "mails_untried_seconds",
            "payments_unanswered_seconds",
            "storage_failing",
        }
        assert set(checks.values()) == {"ok"}

    @pytest.mark.parametrize("name", WORKERS)
    def test_is_denied_while_a_worker_is_silent(self, watcher, alive, registry, clock, name):
        clock.advance(minutes=6)
        for each in WORKERS:
            if each != name:
                beat(registry, each)

        checks = readiness(watcher, 503)

        assert [each for each, said in checks.items() if said != "ok"] == [f"{name}_worker_silent_seconds"]

    def test_is_denied_before_any_worker_was_there(self, watcher):
        assert readiness(watcher, 503)["ask_worker_silent_seconds"] == "failing"

    def test_is_denied_when_the_clock_went_back(self, watcher, alive, clock):
        clock.advance(seconds=-10)

        assert readiness(watcher, 503)["clock_behind_seconds"] == "failing"

    def test_is_denied_when_the_clock_may_be_wrong(self, watcher, alive, clock):
        clock.seconds_wrong = 2.0
        assert readiness(watcher, 200)["clock_error_seconds"] == "ok"

        clock.seconds_wrong = 2.1
        assert readiness(watcher, 503)["clock_error_seconds"] == "failing"

    def test_is_not_denied_where_nobody_can_tell_of_the_clock(self, watcher, alive, clock):
        clock.seconds_wrong = nan

        assert readiness(watcher, 200)["clock_error_seconds"] == "unknown"
        assert "sevres_clock_error_seconds NaN\n" in watcher.get("/metrics").text

    def test_is_denied_when_the_disk_is_nearly_full(self, watcher, alive, monkeypatch):
        usage = type("Usage", (), {"total": 100, "used": 91, "free": 9})
        monkeypatch.setattr(watching.shutil, "disk_usage", lambda folder: usage)

        assert readiness(watcher, 503)["disk_used_percent"] == "failing"

    def test_is_denied_when_a_mail_waits_that_nobody_tried(self, watcher, alive, registry, stored, clock):
        write_mail(stored)
        clock.advance(minutes=16)
        for name in WORKERS:
            beat(registry, name)

        assert readiness(watcher, 503)["mails_untried_seconds"] == "failing"

    def test_is_denied_while_the_database_waits_for_its_steps(self, watcher, alive, registry):
        registry.evolution_steps += (lambda portal, registry: None,)

        assert readiness(watcher, 503)["storage_failing"] == "failing"

    def test_is_denied_when_the_database_cannot_be_read(self, watcher, alive, registry, monkeypatch):
        def broken(*arguments: Any, **options: Any) -> Any:
            raise OSError("the disk is gone")

        monkeypatch.setattr(registry._zodb_databases[""], "open", broken)

        assert readiness(watcher, 503)["storage_failing"] == "failing"

    def test_costs_nothing_when_asked_again_at_once(self, app, alive, registry, monkeypatch):
        watcher = TestApp(app, extra_environ={"HTTP_HOST": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1"})
        watcher.get("/readyz")
        monkeypatch.setattr(registry._zodb_databases[""], "open", None)

        watcher.get("/readyz", status=200)

    def test_reveals_no_figure(self, watcher, alive):
        assert not re.search(r"\d", json.dumps(readiness(watcher, 200)))


def write_mail(stored: Any) -> None:
    with stored() as portal:
        portal.stores["outbox"].write(MailKind.RECEIPT, "claire@ville.example", {}, domain="ville.example", at=NOW)


class TestSystemClock:
    def test_may_be_as_wrong_as_the_kernel_was_told(self):
        assert SystemClock(lambda: 12_500).error() == 0.0125

    def test_that_nobody_keeps_is_not_known(self):
        assert isnan(SystemClock(lambda: 16_000_000).error())

    def test_that_nobody_keeps_any_more_may_be_wrong_without_an_end(self):
        told = iter((12_500, 15_999_999, 16_000_000, 900))
        clock = SystemClock(lambda: next(told))

        assert [clock.error() for _ in range(4)] == [0.0125, 15.999999, inf, 0.0009]

    def test_asks_the_kernel_of_this_machine(self):
        assert 0 <= told_by_the_kernel() <= 16_000_000


class TestWorkers:
    def test_say_that_they_live_at_each_round(self, registry, stored):
        ask_all(registry)
        deliver_due(registry)

        with stored() as portal:
            assert dict(portal.stores["heartbeats"]) == {"ask": NOW, "mail": NOW}

    def test_write_it_seldom(self, registry, stored, clock):
        beat(registry, "ask")
        clock.advance(seconds=20)
        beat(registry, "ask")

        with stored() as portal:
            assert portal.stores["heartbeats"]["ask"] == NOW

        clock.advance(seconds=20)
        beat(registry, "ask")
        with stored() as portal:
            assert portal.stores["heartbeats"]["ask"] == NOW + timedelta(seconds=40)


class TestMetrics:
    def test_tell_what_waits_and_what_was_refused(self, watcher, alive, registry, stored, clock):
        with stored() as portal:
            rich.store_rich_town(portal, registry)
        clock.advance(hours=1)

        told = figures(watcher)

        with stored() as portal:
            payments = list(portal["paiements"].values())
            assert told["sevres_payments_waiting"] == sum(each.is_open for each in payments) == 6
            assert told["sevres_mails_waiting"] == len(portal.stores["outbox"].waiting) > 0
        assert 0 < told["sevres_payments_refused_share"] < 1
        assert told["sevres_payments_oldest_seconds"] > 0
        assert told["sevres_unclassified"] > 0
        assert told["sevres_import_age_seconds"] == float("inf")

    def test_count_the_requests_of_this_worker(self, watcher, alive):
        before = watcher.get("/metrics").text
        watcher.get("/healthz")
        after = watcher.get("/metrics").text

        counted = 'sevres_requests_total{method="GET",status="200"} '
        assert counted not in before
        assert f"{counted}2.0" in after
        assert 'sevres_request_seconds_bucket{le="+Inf"} 2.0' in after

    def test_name_nobody(self, watcher, registry, stored):
        with stored() as portal:
            rich.store_rich_town(portal, registry)

        text = watcher.get("/metrics").text

        for personal in (factories.CODE, "DUPOND", "dupond@free.fr", "P-"):
            assert personal not in text


class TestWho:
    @pytest.mark.parametrize("path", ["/readyz", "/metrics"])
    @pytest.mark.parametrize("address", ["192.0.2.1", "10.0.0.1", ""])
    def test_strangers_find_nothing(self, app, path, address):
        stranger = TestApp(app, extra_environ={"HTTP_HOST": "localhost", "REMOTE_ADDR": address})

        stranger.get(path, status=404)

    def test_a_strange_name_opens_nothing_else(self, watcher):
        watcher.get("/", status=400)
        watcher.get("/connexion", status=400)

    @pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
    def test_nothing_is_sent_there(self, watcher, path):
        assert watcher.post(path, expect_errors=True).status_int in (400, 404)
