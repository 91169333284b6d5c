"""The bank and the mailbox as real processes, for the tests of the sandbox and for the journeys.

    with running_mailbox(folder / "mailbox") as mailbox:
        with running_bank(folder / "bank", smtp=mailbox.smtp) as bank:
            ...bank.url, bank.rest_url, bank.payments(), mailbox.mails(to="…")

Each waits until it answers, and ends with its ``with`` block. Nothing here sleeps longer
than a condition needs.
"""

import json
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

from sevres_familles.sandbox.bank.records import Notification, Payment
from sevres_familles.sandbox.bank.store import Store
from sevres_familles.sandbox.mailbox.folder import Folder
from tests.ports import free_ports

#: The key of the bank's own examples.
KEY = "1122334455667788"
REST_PASSWORD = "testpassword_sandbox"
SITE_ID = "12345678"

#: How long anything may take here, in seconds: the machines of tests are busy.
PATIENCE = 60.0


Answer = TypeVar("Answer")


def wait_until(condition: Callable[[], Answer], what: str, seconds: float = PATIENCE) -> Answer:
    """Return the first true answer of a condition.

    :raises AssertionError: when it does not come true in time.
    """
    give_up_at = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > give_up_at:
            raise AssertionError(f"not in {seconds:.0f} seconds: {what}")
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Answered:
    """What a server answered, redirects not followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def location(self) -> str:
        return self.headers["Location"]


def ask(
    address: str,
    method: str = "GET",
    body: Mapping[str, str] | bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answered:
    """Ask a server of this machine, without following redirects; a mapping is sent as a form."""
    parts = urlsplit(address)
    sent = dict(headers or {})
    if isinstance(body, Mapping):
        body = urlencode(body).encode()
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    door = HTTPConnection(parts.netloc, timeout=PATIENCE)
    try:
        door.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, sent)
        answer = door.getresponse()
        return Answered(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        door.close()


@dataclass(frozen=True)
class Process:
    """A house of the sandbox, in a process of its own."""

    port: int
    folder: Path
    child: "subprocess.Popen[bytes]" = field(repr=False)

    @property
    def log(self) -> str:
        """What it wrote, on both outputs."""
        return _log_of(self.folder).read_text()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, and return its exit status."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        return self.child.wait(PATIENCE)


@dataclass(frozen=True)
class Bank(Process):
    """A running bank."""

    site_id: str
    key: str = field(repr=False)
    rest_password: str = field(repr=False)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}/banque"

    @property
    def form_url(self) -> str:
        """Where the shop posts its form."""
        return f"{self.url}/vads-payment/"

    @property
    def rest_url(self) -> str:
        """What the names of the REST services are appended to."""
        return f"{self.url}/api-payment/V4/"

    @property
    def merchant_url(self) -> str:
        """The merchant's page."""
        return f"{self.url}/commercant"

    @property
    def store(self) -> Store:
        """Its memory, read beside it."""
        return Store(self.folder / "bank.sqlite")

    def payments(self) -> list[Payment]:
        """What came of its payment pages, the newest first."""
        return self.store.latest_payments()

    def payment(self, order_id: str) -> Payment:
        """The one debit that came of the pages for a reference of the shop."""
        (payment,) = [one for one in self.store.payments_of_order(order_id) if not one.parent]
        return payment

    def notifications(self, order_id: str) -> list[Notification]:
        """The notifications of that payment, with the shop's answers."""
        return self.store.notifications(self.payment(order_id).uuid)

    def notify_again(self, order_id: str) -> None:
        """Do what the button of the merchant's page does."""
        self.act(self.payment(order_id).uuid, "notification")

    def act(self, uuid: str, name: str, **fields: str) -> None:
        """Press a button of the merchant's page: remettre, annuler, rembourser (montant), impaye, notification."""
        answer = ask(f"{self.merchant_url}/{uuid}/{name}", "POST", fields)
        assert answer.status == 303, answer.text

    def next_day(self) -> None:
        """Put its clock a day forward: what was accepted is remitted, journals are laid."""
        answer = ask(f"{self.merchant_url}/jour-suivant", "POST", {})
        assert answer.status == 303, answer.text

    def journals(self, kind: str = "JT") -> list[Path]:
        """Its journals of a kind (JT, JRB, JRI), the oldest day first."""
        return sorted((self.folder / "journaux").glob(f"{kind}_*.csv"))

    def order(self, order_id: str, password: str | None = None) -> dict[str, Any]:
        """The bank's answer to Order/Get."""
        return self.rest("Order/Get", password, orderId=order_id)

    def rest(self, service: str, password: str | None = None, **question: Any) -> dict[str, Any]:
        """The bank's answer to a question of a program."""
        secret = f"{self.site_id}:{password or self.rest_password}".encode()
        answer = ask(
            f"{self.rest_url}{service}",
            "POST",
            json.dumps(question).encode(),
            {"Authorization": f"Basic {b64encode(secret).decode()}", "Content-Type": "application/json"},
        )
        assert answer.status == 200, answer.text
        told: dict[str, Any] = json.loads(answer.body)
        return told


@dataclass(frozen=True)
class Mailbox(Process):
    """A running mailbox."""

    smtp_port: int

    @property
    def url(self) -> str:
        """Its address in a browser, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def smtp(self) -> str:
        """Where it takes mails, as HOST:PORT."""
        return f"127.0.0.1:{self.smtp_port}"

    def mails(self, to: str = "") -> list[EmailMessage]:
        """The mails it has, whole, the newest first; those of one recipient if named."""
        folder = Folder(self.folder)
        kept = [folder.content(mail.name) for mail in folder.latest(500, to)]
        return [message_from_bytes(content, policy=policy.default) for content in kept if content]

    def wait_for_mail(self, to: str, seconds: float = PATIENCE) -> EmailMessage:
        """The newest mail of a recipient, as soon as there is one."""
        return wait_until(lambda: self.mails(to), f"a mail to {to}", seconds)[0]


@contextmanager
def running_bank(
    folder: Path,
    *,
    site_id: str = SITE_ID,
    key: str = KEY,
    rest_password: str = REST_PASSWORD,
    port: int | None = None,
    ipn_delays: Sequence[float] = (900, 900, 900, 900),
    smtp: str = "127.0.0.1:9",
    page_life: float = 600,
    late: float = 120,
    after_return: float = 5,
    more: Sequence[str] = (),
) -> Iterator[Bank]:
    """Run a bank until the block ends.

    :param folder: made if need be; a bank started again on it goes on where it was.
    :param port: a free one if none is named.
    :param ipn_delays: seconds between a notification that failed and the next try.
    :param late: seconds by which a late notification is late, and a verification takes.
    :param after_return: seconds after which a notification leaves that comes after the browser's return.
    :param smtp: where its receipts go; the default is a port that nobody listens on.
    :param more: further arguments of the command.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port = port or free_ports()
    key_file, password_file = folder / "key", folder / "rest-password"
    key_file.write_text(f"{key}\n")
    password_file.write_text(f"{rest_password}\n")
    child = _start(
        folder,
        "bank",
        *("--port", str(port), "--folder", str(folder), "--site-id", site_id),
        *("--key-file", str(key_file), "--rest-password-file", str(password_file)),
        *("--ipn-delays", ",".join(map(str, ipn_delays)), "--page-life", str(page_life)),
        *("--late", str(late), "--after-return", str(after_return), "--smtp", smtp, *more),
    )
    bank = Bank(port, folder, child, site_id, key, rest_password)
    try:
        _wait_for_health(bank, f"{bank.url}/sante")
        yield bank
    finally:
        bank.stop()


@contextmanager
def running_mailbox(folder: Path, *, port: int | None = None, smtp_port: int | None = None) -> Iterator[Mailbox]:
    """Run a mailbox until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    port, smtp_port = port or free_ports(), smtp_port or free_ports()
    child = _start(
        folder,
        "mailbox",
        *("--port", str(port), "--smtp-port", str(smtp_port), "--folder", str(folder)),
    )
    mailbox = Mailbox(port, folder, child, smtp_port)
    try:
        _wait_for_health(mailbox, f"{mailbox.url}sante")
        yield mailbox
    finally:
        mailbox.stop()


def _start(folder: Path, house: str, *arguments: str) -> "subprocess.Popen[bytes]":
    with _log_of(folder).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", f"sevres_familles.sandbox.{house}.command", *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def _log_of(folder: Path) -> Path:
    return folder / "log.txt"


def _wait_for_health(house: Process, address: str) -> None:
    def is_healthy() -> bool:
        assert house.child.poll() is None, house.log
        try:
            return ask(address).status == 200
        except OSError:
            return False

    wait_until(is_healthy, f"{address} answers")
