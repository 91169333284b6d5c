"""A whole town running for a journey: portal, workers, bank and mailbox, each a real process, on an embedded database.

    with running_town(folder) as town:
        ...town.url, town.bank, town.mailbox, town.store() ...

The timers are those of the settings, shortened.  Two journeys that share a town use families of their own.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import transaction

from sevres_familles.web.root import Portal
from sevres_familles.web.scripts import opened
from tests.oracle import differences
from tests.ports import free_ports
from tests.sandbox.running import (
    KEY,
    PATIENCE,
    REST_PASSWORD,
    Bank,
    Mailbox,
    ask,
    running_bank,
    running_mailbox,
    wait_until,
)

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
TIMERS = {
    "ask_delays": "2 4 6 10 20 40",
    "ask_pause": "0.3",
    "mail_pause": "0.2",
    "bank_page_life": "600",
}
#: As a town tries the portal before it opens: production, with the demonstration's bank and data.
REHEARSAL = {"environment": "recette", "demo_data": "true"}


@dataclass(frozen=True)
class Town:
    """A running town."""

    port: int
    folder: Path
    ini: Path
    bank: Bank
    mailbox: Mailbox
    processes: "dict[str, subprocess.Popen[bytes]]"
    #: The portal's registry in this process, its database opened beside the town.
    registry: Any = field(repr=False)
    #: Where the portal is seated in an application: nothing, or a path that ends with a slash.
    seat: str = ""

    @property
    def url(self) -> str:
        """The portal, with a slash at the end."""
        return f"http://localhost:{self.port}/{self.seat}"

    def run(self, command: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the project beside the town, and give what it said."""
        return subprocess.run(
            [str(BIN / command), str(self.ini), *arguments],
            capture_output=True,
            text=True,
            env=_environ(self.port, self.folder),
            check=False,
        )

    @contextmanager
    def store(self) -> Iterator[tuple[Portal, Any]]:
        """Open the portal's database beside it: (portal, registry); committed at the end."""
        manager = transaction.TransactionManager(explicit=True)
        connection = self.registry._zodb_databases[""].open(transaction_manager=manager)
        try:
            with manager:
                yield connection.root()[self.registry.settings_of_portal.root_name], self.registry
        finally:
            connection.close()

    def faults(self) -> tuple[str, ...]:
        """Verify the books, in themselves and against the bank's own file."""
        with self.store() as (portal, _):
            return differences(self.bank.folder / "bank.sqlite", portal)

    @contextmanager
    def nobody_asks(self) -> Iterator[None]:
        """End the asking worker, and start it again after the block: one that is held still may hold the database."""
        asking = self.processes["asking"]
        asking.terminate()
        asking.wait(PATIENCE)
        try:
            yield
        finally:
            environ = _environ(self.port, self.folder)
            self.processes["asking"] = _start(self.folder, "asking", "sevres-ask", str(self.ini), environ)

    def link_mailed(self, to: str, page: str) -> str:
        """Wait for a mail with a link to a page of the portal, and give the link."""
        link = re.compile(rf"{re.escape(self.url + page)}/\S+")
        return wait_until(lambda: self._links(to, link), f"a mail to {to} with a link to {page}")[0]

    def _links(self, to: str, link: "re.Pattern[str]") -> list[str]:
        return [address for mail in self.mailbox.mails(to) for address in link.findall(text_of(mail))]


def text_of(mail: EmailMessage) -> str:
    """Give the words of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def _environ(port: int, folder: Path) -> dict[str, str]:
    """Give the environment of a town's processes."""
    return {
        **os.environ,
        "PORT": str(port),
        "VAR": str(folder / "var"),
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running_town(
    folder: Path, *, bank_page_life: float = 600, source: Path = ROOT / "development.ini", seat: str = "", **timers: str
) -> Iterator[Town]:
    """Run a town until the block ends.

    :param source: the ini that its own is made from: of another application, which seats the portal at ``seat``.
    :param timers: settings without their prefix, in place of `TIMERS`.
    """
    port = free_ports(4)
    write_bank_secrets(folder / "var")
    ini = write_ini(folder, {**REHEARSAL, **TIMERS, "bank_page_life": str(bank_page_life), **timers}, source)
    environ = _environ(port, folder)
    subprocess.run([str(BIN / "sevres-init"), str(ini)], check=True, env=environ, stdout=subprocess.DEVNULL)
    with (
        running_mailbox(folder / "mailbox", port=port + 2, smtp_port=port + 3) as mailbox,
        running_bank(
            folder / "bank", port=port + 1, smtp=mailbox.smtp, page_life=bank_page_life, late=10, after_return=6
        ) as bank,
    ):
        processes = {
            name: _start(folder, name, command, str(ini), environ)
            for name, command in (("portal", "pserve"), ("asking", "sevres-ask"), ("mail", "sevres-mail"))
        }
        try:
            with _registry(ini, environ) as registry:
                town = Town(port, folder, ini, bank, mailbox, processes, registry, seat)
                wait_until(lambda: _answers(town), "the portal answers")
                yield town
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                process.wait(30)


def write_bank_secrets(var: Path) -> None:
    """Write what the portal and the bank both know, where the service alone reads it."""
    secrets = var / "secrets"
    for each in (var, secrets):
        each.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, secret in (("bank.key", KEY), ("bank-rest.password", REST_PASSWORD)):
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text(secret)


def write_ini(folder: Path, settings: Mapping[str, str], source: Path = ROOT / "development.ini") -> Path:
    """Write an ini with other settings."""
    lines = source.read_text(encoding="utf-8").splitlines()
    names = {f"sevres.{name}" for name in settings}
    kept = [line for line in lines if line.split("=")[0].strip() not in names]
    place = kept.index("[server:main]")
    added = [f"sevres.{name} = {value}" for name, value in settings.items()]
    ini = folder / "journey.ini"
    ini.write_text("\n".join([*kept[:place], *added, "", *kept[place:]]) + "\n", encoding="utf-8")
    return ini


@contextmanager
def _registry(ini: Path, environ: Mapping[str, str]) -> Iterator[Any]:
    """Open the portal as a command of the town would."""
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:
            for name in ("PORT", "VAR"):
                patch.setenv(name, environ[name])
            registry = stack.enter_context(opened(str(ini))).registry
        yield registry


def _start(folder: Path, name: str, command: str, ini: str, environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen([str(BIN / command), ini], stdout=log, stderr=subprocess.STDOUT, env=dict(environ))


def _answers(town: Town) -> bool:
    process = town.processes["portal"]
    assert process.poll() is None, (town.folder / "portal.log").read_text()
    try:
        answer = ask(town.url + "connexion")
        assert answer.status == 200, answer.text
        return True
    except OSError:
        return False
