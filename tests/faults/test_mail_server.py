"""F7: the mail server is down, slow, refuses or hangs up for a day; payments go on, and no mail is lost."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from sevres_familles.domain.payment import EvidenceKind, PaymentState
from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.services import apply
from tests import factories
from tests.conftest import make_app, portal_stored
from tests.faults.effort import runs
from tests.notifications.conftest import Server
from tests.payments.making import AT, evidence, opened
from tests.ports import free_ports

HOURS = runs(short=3, long=24)


@contextmanager
def greeting(port: int, words: bytes) -> Iterator[None]:
    """Accept connections, say these words, and then nothing more until the other hangs up."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        stop = threading.Event()

        def serve() -> None:
            while not stop.is_set():
                with suppress(OSError):
                    connection, _ = listening.accept()
                    with connection:
                        connection.settimeout(5)
                        connection.sendall(words)
                        if not words.endswith(b"\n"):
                            connection.recv(1)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        stop.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        thread.join(10)


@contextmanager
def answering(server: Server, *, recipient: str = "250 OK", mail: str = "250 OK", hangs_up: bool = False):
    """Run the server with answers that are not what one hopes for."""
    server.answer_recipient, server.answer_mail = (lambda to: recipient), (lambda taken: mail)
    server.hangs_up = hangs_up
    server.start()
    yield
    server.stop()
    server.answer_recipient = server.answer_mail = lambda taken: "250 OK"
    server.hangs_up = False


@contextmanager
def nobody() -> Iterator[None]:
    yield


FAULTS = {
    "down": lambda server: nobody(),
    "slow: not a word": lambda server: greeting(server.port, b""),
    "slow: half a word": lambda server: greeting(server.port, b"22"),
    "refusing at the door": lambda server: greeting(server.port, b"554 no\r\n"),
    "going away": lambda server: greeting(server.port, b"421 later\r\n"),
    "not SMTP": lambda server: greeting(server.port, b"HTTP/1.1 400 Bad Request\r\n\r\n"),
    "4xx to recipients": lambda server: answering(server, recipient="451 4.7.1 later"),
    "4xx to mails": lambda server: answering(server, mail="452 4.3.1 no room"),
    "5xx to recipients": lambda server: answering(server, recipient="550 5.7.1 relaying denied"),
    "5xx to mails": lambda server: answering(server, mail="554 5.6.0 no"),
    "takes mails, then hangs up": lambda server: answering(server, hangs_up=True),
}


@pytest.fixture
def server():
    return Server(free_ports())


@pytest.fixture
def registry(ini, clock, server):
    clock.moment = AT
    app = make_app({**ini, "sevres.smtp_port": str(server.port), "sevres.smtp_timeout": "0.3"}, clock)
    yield app.registry
    for database in app.registry._zodb_databases.values():
        database.close()


def pay(registry, code, at):
    """Let a family pay, and give its payment's reference."""
    with portal_stored(registry) as portal:
        factories.store_invoice(factories.store_family(portal, code))
        payment = opened(portal, registry, code=code, at=at)
        apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, transaction=code, at=at))
        return payment.reference


def pass_time(registry, clock, duration, step=timedelta(minutes=15)):
    """Let time pass, the mail worker working."""
    end = clock.now() + duration
    while clock.now() < end:
        deliver_due(registry)
        clock.advance(seconds=min(step, end - clock.now()).total_seconds())


@pytest.mark.parametrize("fault", FAULTS)
def test_payments_go_on_and_each_mail_leaves_within_the_hour_of_its_return(registry, clock, server, fault):
    with FAULTS[fault](server):
        references = [pay(registry, "30001", clock.now())]
        pass_time(registry, clock, timedelta(hours=HOURS / 2))
        references.append(pay(registry, "30002", clock.now()))
        pass_time(registry, clock, timedelta(hours=HOURS / 2))
        references.append(pay(registry, "30003", clock.now()))
        deliver_due(registry)
        with portal_stored(registry) as portal:
            payments = [portal["paiements"][each] for each in references]
            assert [each.state for each in payments] == [PaymentState.ACCEPTED] * 3
            assert [len(each.receipts) for each in payments] == [1, 1, 1]
            assert verify_portal(portal).faults == ()
            names = sorted(mail.message_id for mail in portal.stores["outbox"].waiting.values())
    assert len(names) == 3
    before = [message["Message-ID"] for message in server.messages]

    registry.mailer.timeout = 5  # an answer that a busy machine gives late would be a mail that leaves twice
    server.start()
    try:
        pass_time(registry, clock, timedelta(hours=1), step=timedelta(minutes=1))
    finally:
        server.stop()

    left = [message["Message-ID"] for message in server.messages][len(before) :]
    assert sorted(left) == names
    assert set(before) <= set(names)  # those that it took before it hung up bear the same names
    with portal_stored(registry) as portal:
        assert not portal.stores["outbox"].waiting
        assert verify_portal(portal).faults == ()
    told = [message.get_body(("plain",)).get_content() for message in server.messages]
    for reference in references:
        assert any(reference in words for words in told)
