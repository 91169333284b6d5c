"""A real SMTP server on the loopback, and an outbox to write in."""

import asyncio
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any, NamedTuple

import pytest
from aiosmtpd.controller import Controller

from sevres_familles.notifications.resources import Mail, MailKind
from tests.conftest import NOW
from tests.ports import free_ports


class Received(NamedTuple):
    """A mail that the server took: its envelope, and what stood in DATA."""

    sender: str
    recipients: list[str]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=default).parsebytes(self.raw)


class Server:
    """An SMTP server that takes everything, unless a test tells it otherwise."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[Received] = []
        #: What it answers to each recipient, then to each mail: a test puts its own.
        self.answer_recipient: Callable[[str], str] = lambda recipient: "250 OK"
        self.answer_mail: Callable[[Received], str] = lambda mail: "250 OK"
        #: Whether it hangs up instead of answering a mail, or never answers a recipient.
        self.hangs_up = False
        self.is_mute = False
        self._controller: Controller | None = None

    @property
    def messages(self) -> list[EmailMessage]:
        return [each.message for each in self.received]

    def start(self) -> None:
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port, ready_timeout=30)
        self._controller.start()

    def stop(self) -> None:
        if self._controller is not None:
            self._controller.stop()
            self._controller = None

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802 - aiosmtpd's name
        while self.is_mute:
            await asyncio.sleep(0.01)
        answer = self.answer_recipient(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        mail = Received(envelope.mail_from, envelope.rcpt_tos, envelope.original_content)
        answer = self.answer_mail(mail)
        if self.hangs_up or answer.startswith("250"):
            self.received.append(mail)
        if self.hangs_up:
            server.transport.abort()
        return answer


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(free_ports())
    server.start()
    yield server
    server.is_mute = False
    server.stop()


@pytest.fixture
def ini(ini: dict[str, str], server: Server) -> dict[str, str]:
    """The settings, with the SMTP server, and a name that is not ASCII."""
    return {
        **ini,
        "sevres.smtp_port": str(server.port),
        "sevres.smtp_timeout": "30",
        "sevres.mail_sender": "Espace familles de Sèvres <portail@ville.example>",
    }


def write_mail(portal: Any, recipient: str = "dupond@free.fr", **options: Any) -> Mail:
    """Write a mail, the one that needs nothing else: « mot de passe »."""
    values = {"kind": MailKind.PASSWORD_CHANGED, "context": {"code": "26719"}, "domain": "ville.example", "at": NOW}
    outbox = portal.stores["outbox"]
    known = _mails(outbox)
    outbox.write(recipient=recipient, **{**values, **options})
    return next(mail for mail in _mails(outbox) if mail not in known)


def _mails(outbox: Any) -> list[Mail]:
    return [*outbox.waiting.values(), *outbox.settled.values()]
