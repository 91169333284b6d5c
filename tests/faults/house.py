"""A town whose portal and workers are started, killed and started again by a test; its one family has many invoices.

with town_of_one_family(folder, invoices=40) as town:
    house = House(town)
    house.family.pay(house.next_invoice(), ACCEPTED)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pyramid.paster import get_appsettings

from sevres_familles.notifications.delivery import CLAIM, deliver_due
from sevres_familles.payments.asking import ask_all
from sevres_familles.web.scripts import opened, prepare_database
from sevres_familles.web.settings import make_secrets, read_settings
from tests.faults.families import Browser
from tests.faults.killing import Point, Running, calls_of, killed_at, start
from tests.identity.helpers import PASSWORD, give_password
from tests.journeys.town import Town, text_of, write_bank_secrets, write_ini
from tests.ports import free_ports
from tests.regies.exchange.making import Folder, family, invoice, line
from tests.sandbox.running import ask, running_bank, running_mailbox, wait_until

CODE, EMAIL = "26719", "dupond@courriel.example"
GRANDE_RUE = {"R1_numéro": "12", "R1_voie": "Grande Rue", "R1_code_postal": "92310", "R1_ville": "SÈVRES"}


class Later(NamedTuple):
    """A clock that is ahead of another."""

    clock: Any
    by: timedelta

    def now(self) -> datetime:
        return self.clock.now() + self.by


class House:
    """A town whose portal and workers are started, killed and started again by the test."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.portal = self.serve()
        self.family = Browser(town, CODE, PASSWORD)
        self._numbers = count(1)

    def command(self, name: str, *arguments: str) -> Running:
        """Make the process of a command, which waits for the word to go; the portal's log stands with its database."""
        town = self.town
        log = (town.folder if name == "pserve" else town.bank.folder) / f"{name}.log"
        environ = {"PORT": str(town.port), "VAR": str(town.folder / "var")}
        return start(name, [town.ini, *arguments], environ, log)

    def serve(self) -> Running:
        """Start the portal, and wait until it answers."""
        portal = self.command("pserve")
        portal.go()
        wait_until(lambda: self._answers(portal), "the portal answers")
        return portal

    def _answers(self, portal: Running) -> bool:
        assert portal.is_alive, portal.log.read_text()
        try:
            return ask(self.town.url + "connexion").status == 200
        except OSError:
            return False

    def revive(self) -> None:
        """Start the portal again after its death."""
        assert self.portal.wait() == -9, self.portal.log.read_text()
        self.portal = self.serve()

    def files(self, **sheets: list[dict[str, str]]) -> list[str]:
        """Write exchange files, and give their paths."""
        return list(map(str, Folder(self.town.folder / "files", self.town.registry).files(**sheets)))

    def take_in(self, *codes: str, lot: str) -> None:
        """Import families that owe an invoice each."""
        paths = self.files(
            familles=[family(code, **GRANDE_RUE) for code in codes],
            factures=[invoice(f"N{code}", code, lot=lot) for code in codes],
            lignes=[line(f"N{code}") for code in codes],
        )
        self.run("sevres-import", *paths)

    def next_invoice(self) -> str:
        return f"2026-{next(self._numbers)}"

    def run(self, command: str, *arguments: str, status: int = 0) -> str:
        """Run a command to its end, which is that status, and give what it said."""
        running = self.command(command, *arguments)
        running.log.write_bytes(b"")
        running.go()
        assert running.wait() == status, running.log.read_text()
        return running.log.read_text()

    def run_killed(self, command: str, *arguments: str, point: Point) -> bool:
        """Run a command that is killed at a point, unless it ends before, and tell whether it was."""
        running = self.command(command, *arguments)
        with killed_at(running, point):
            running.go()
            wait_until(lambda: not running.is_alive, f"{command} ends")
        status = running.wait()
        assert status in (0, -9), running.log.read_text()
        return status == -9

    def measure(self, command: str, *arguments: str) -> list[Point]:
        """Run a command to its end, and give the points that it goes through."""
        running = self.command(command, *arguments)
        with calls_of(running) as points:
            running.go()
            assert running.wait() == 0, running.log.read_text()
        return points

    def deliver_later(self) -> None:
        """Send what is due once the claims of a worker that died are over."""
        clock = self.town.registry.clock
        self.town.registry.clock = Later(clock, CLAIM + timedelta(minutes=1))
        try:
            deliver_due(self.town.registry)
        finally:
            self.town.registry.clock = clock

    def mails_about(self, reference: str) -> list[EmailMessage]:
        """Find the mails that the family had about a payment."""
        return [mail for mail in self.town.mailbox.mails(EMAIL) if reference in text_of(mail)]

    def settle(self, reference: str) -> None:
        """Ask the bank until a payment has come to its end, and look at the books."""
        wait_until(lambda: ask_all(self.town.registry) >= 0 and self.is_settled(reference), f"{reference} ends")
        assert self.town.faults() == ()

    def stage_of(self, invoice: str) -> str:
        """Tell how far the payment of an invoice has come, by the portal's books and the bank's file."""
        with self.town.store() as (portal, _):
            payments = portal["paiements"].values()
            found = [each for each in payments if any(share.invoice == invoice for share in each.shares)]
            if not found:
                return "not opened"
            if found[0].is_paid:
                return "booked"
            return "accepted" if self.town.bank.store.payments_of_order(found[0].reference) else "opened"

    def is_settled(self, reference: str) -> bool:
        with self.town.store() as (portal, _):
            payment = portal["paiements"][reference]
            assert len(payment.posted) <= 1
            return payment.is_paid and not payment.is_open

    def close(self) -> None:
        self.portal.stop()


@contextmanager
def town_of_one_family(folder: Path, *, invoices: int, houses: Path | None = None) -> Iterator[Town]:
    """Run a bank and a mailbox for a town whose one family has so many invoices; its processes are the test's.

    :param houses: where bank and mailbox keep what they know; in the folder if none is named.
    """
    numbers = [str(number) for number in range(1, invoices + 1)]
    houses = houses or folder
    port = free_ports(4)
    with (
        running_mailbox(houses / "mailbox", port=port + 2, smtp_port=port + 3) as mailbox,
        running_bank(houses / "bank", port=port + 1, smtp=mailbox.smtp) as bank,
        pytest.MonkeyPatch.context() as patch,
    ):
        write_bank_secrets(folder / "var")
        ini = write_ini(
            folder, {"ask_delays": "0.1 0.2 0.5 1 2 4 8", "smtp_timeout": "2", "ask_pause": "0.3", "mail_pause": "0.3"}
        )
        patch.setenv("PORT", str(port))
        patch.setenv("VAR", str(folder / "var"))
        make_secrets(read_settings(get_appsettings(str(ini))))
        with opened(str(ini)) as request:
            prepare_database(request.registry)
            outcome = Folder(folder / "files", request.registry).take(
                familles=[family(CODE, **{"R1 e-mail": EMAIL})],
                factures=[invoice(number) for number in numbers],
                lignes=[line(number) for number in numbers],
            )
            assert outcome.lot == 1, outcome.faults.report()
            town = Town(port, folder, ini, bank, mailbox, {}, request.registry)
            with town.store() as (portal, registry):
                give_password(portal, registry)
            yield town
