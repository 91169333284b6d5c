"""The mail worker as a real process, on the storage that is served: killed, stopped, asked how things stand."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from pyramid.request import Request

from sevres_familles.notifications.delivery import CLAIM, deliver_due
from sevres_familles.notifications.scripts import work
from sevres_familles.web.clock import SystemClock
from tests.conftest import StoppedClock
from tests.notifications.conftest import write_mail

PATIENCE = 60


@pytest.fixture
def ini(ini, tmp_path):
    return {**ini, "sevres.storage": f"embedded://{tmp_path}/database", "sevres.mail_pause": "0.05"}


@pytest.fixture
def clock():
    """The worker has the clock of the machine; so has whoever writes to it."""
    return StoppedClock(SystemClock().now())


@pytest.fixture
def ini_file(ini, tmp_path) -> Path:
    path = tmp_path / "portal.ini"
    lines = ["[app:main]", "use = egg:sevres_familles", *(f"{name} = {value}" for name, value in ini.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def start(app, ini_file):
    """Start workers; those still there at the end are killed."""
    workers = []

    def start(*options):
        command = [Path(sys.executable).with_name("sevres-mail"), ini_file, *options]
        environment = {**os.environ, "VAR": str(ini_file.parent / "var")}
        worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        if worker.poll() is None:
            worker.kill()
        worker.communicate()


@pytest.fixture
def write(stored, clock):
    def write(*recipients):
        with stored() as portal:
            return [write_mail(portal, each, at=clock.now()).message_id for each in recipients]

    return write


@pytest.fixture
def states(stored):
    """Tell what waits and what is settled."""

    def states():
        with stored() as portal:
            outbox = portal.stores["outbox"]
            return len(outbox.waiting), len(outbox.settled)

    return states


def until(condition, what):
    give_up_at = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < give_up_at, f"not in {PATIENCE} seconds: {what}"
        time.sleep(0.02)


def test_sends_what_waits_then_what_comes(start, write, server, states):
    write("a@free.fr")
    worker = start()
    until(lambda: states() == (0, 1), "the first mail is noted")

    write("b@free.fr")
    until(lambda: states() == (0, 2), "the second mail is noted")

    assert worker.poll() is None
    assert [each.recipients for each in server.received] == [["a@free.fr"], ["b@free.fr"]]


def test_one_round_can_be_asked_for(start, write, server, states):
    write("a@free.fr")

    assert start("--once").wait(PATIENCE) == 0

    assert states() == (0, 1)


def test_killed_between_the_server_s_answer_and_the_note_the_mail_leaves_again_under_the_same_name(
    start, write, server, states, registry
):
    names = write("a@free.fr", "b@free.fr")
    worker = start()

    def kill(mail):
        worker.kill()
        worker.wait(PATIENCE)
        return "250 OK"

    server.answer_mail = kill
    until(lambda: worker.poll() is not None and server.received, "the worker is killed")
    server.answer_mail = lambda mail: "250 OK"
    assert worker.returncode == -signal.SIGKILL
    assert states() == (2, 0)

    registry.clock.moment = SystemClock().now()
    assert deliver_due(registry) == 1, "the claim of the killed worker holds"
    registry.clock.moment += CLAIM + timedelta(seconds=1)
    assert deliver_due(registry) == 1

    assert states() == (0, 2)
    sent = [message["Message-ID"] for message in server.messages]
    assert sorted(set(sent)) == sorted(names)
    assert len(sent) == 3
    assert sent[0] == sent[2]


def test_sigterm_ends_it_after_the_mail_under_way(start, write, server, states):
    write("a@free.fr", "b@free.fr")
    is_handing_over, may_end = threading.Event(), threading.Event()

    def hold(mail):
        is_handing_over.set()
        assert may_end.wait(PATIENCE)
        return "250 OK"

    server.answer_mail = hold
    worker = start()
    assert is_handing_over.wait(PATIENCE)

    worker.send_signal(signal.SIGTERM)
    may_end.set()

    assert worker.wait(PATIENCE) == 0
    assert states() == (1, 1)
    assert len(server.received) == 1


def test_a_dead_server_ends_nothing(start, write, server, states, stored):
    write("a@free.fr")
    server.stop()
    worker = start()

    def was_tried():
        with stored() as portal:
            return [mail.error for mail in portal.stores["outbox"].waiting.values()] == ["ConnectionRefusedError"]

    until(was_tried, "the mail was tried")
    assert worker.poll() is None
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE) == 0


def test_a_round_that_fails_is_told_and_the_next_one_is_run(registry, write, server, states, caplog):
    write("a@free.fr")
    stop = threading.Event()

    class FaultyClock:
        """A clock that fails once, as a database that restarts would; the worker is stopped once the mail left."""

        failed = False

        def now(self):
            if not self.failed:
                self.failed = True
                raise RuntimeError("restarting")
            if server.received:
                stop.set()
            return SystemClock().now()

    registry.clock = FaultyClock()
    request = Request.blank("/")
    request.registry, request.portal_settings = registry, registry.settings_of_portal

    work(request, stop)

    assert states() == (0, 1)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "A round of mails failed"
    ]


def test_two_workers_send_each_mail_once(start, write, server, states):
    everybody = sorted(f"m{number}@free.fr" for number in range(30))
    write(*everybody)

    for _ in range(2):
        start()
    until(lambda: states() == (0, 30), "all mails are noted")

    assert sorted(each.recipients[0] for each in server.received) == everybody


def test_tells_how_the_outbox_stands_without_an_address(start, write, server, states):
    write("a@free.fr", "b@free.fr", "nobody")

    told, _ = start("--list").communicate(timeout=PATIENCE)

    assert states() == (2, 1)
    assert "2 messages en attente, le plus ancien du " in told
    assert "Abandonné le " in told
    assert "WrongAddress" in told
    assert "@free.fr" not in told
    assert "nobody" not in told
