"""F1 and F2: `kill -9` at any system call of a payment, of the asking worker, of a mail, of an import, of a print run.

Each run kills one process at one call, starts it again, and does what people do then: reload, click again, run the
command again.  Afterwards the portal's books are those of the bank's own file, nothing lost, nothing double.
"""

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from pyramid.paster import get_appsettings

from sevres_familles.domain.money import Money
from sevres_familles.identity.services import credentials_of
from sevres_familles.notifications.delivery import CLAIM, deliver_due
from sevres_familles.payments.asking import ask_all
from sevres_familles.web.scripts import opened, prepare_database
from sevres_familles.web.settings import make_secrets, read_settings
from tests.faults.effort import runs
from tests.faults.families import Browser, Unreachable, insist
from tests.faults.killing import Running, calls_of, killed_at, start
from tests.identity.helpers import PASSWORD, give_password, give_printed_password
from tests.journeys.town import Town, _four_free_ports, text_of, write_ini
from tests.regies.exchange.making import Folder, family, invoice, line
from tests.sandbox.running import KEY, REST_PASSWORD, ask, running_bank, running_mailbox, wait_until
from tests.sandbox.shop import ACCEPTED, LOST

CODE, EMAIL, PRINTED_FOR = "26719", "dupond@courriel.example", "31415"
GRANDE_RUE = {"R1_numéro": "12", "R1_voie": "Grande Rue", "R1_code_postal": "92310", "R1_ville": "SÈVRES"}
#: How many kills of each process.
PAYING, ASKING, MAILING, IMPORTING, PRINTING = runs(7, 120), runs(4, 60), runs(4, 50), runs(5, 80), runs(4, 50)
INVOICES = [str(number) for number in range(1, PAYING + ASKING + MAILING + 12)]


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
        self._invoices = iter(INVOICES)

    def serve(self) -> Running:
        """Start the portal, and wait until it answers."""
        portal = start(self.town, "pserve")
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

    def take_in(self, code: str) -> None:
        """Import a family that owes an invoice."""
        number = f"N{code}"
        paths = self.files(
            familles=[family(code, **GRANDE_RUE)], factures=[invoice(number, code)], lignes=[line(number)]
        )
        self.run("sevres-import", *paths)

    def next_invoice(self) -> str:
        return f"2026-{next(self._invoices)}"

    def run(self, command: str, *arguments: str) -> int:
        """Run a command to its end."""
        running = start(self.town, command, *arguments)
        running.go()
        status = running.wait()
        assert status == 0, running.log.read_text()
        return status

    def run_killed(self, command: str, *arguments: str, number: int) -> bool:
        """Run a command that is killed at a call, unless it ends before, and tell whether it was."""
        running = start(self.town, command, *arguments)
        with killed_at(running, number):
            running.go()
            status = running.wait()
        assert status in (0, -9), running.log.read_text()
        return status == -9

    def measure(self, command: str, *arguments: str) -> int:
        """Run a command to its end, and tell how many calls it makes."""
        running = start(self.town, command, *arguments)
        counting = calls_of(running)
        running.go()
        assert running.wait() == 0, running.log.read_text()
        return counting.stop()

    def deliver_later(self) -> None:
        """Send what is due once the claims of a worker that died are over."""
        clock = self.town.registry.clock
        self.town.registry.clock = Later(clock, CLAIM + timedelta(minutes=1))
        try:
            deliver_due(self.town.registry)
        finally:
            self.town.registry.clock = clock

    def settle(self, reference: str) -> None:
        """Ask the bank until a payment has come to its end, and look at the books."""
        wait_until(lambda: ask_all(self.town.registry) >= 0 and self.is_settled(reference), f"{reference} ends")
        assert self.town.faults() == ()

    def is_settled(self, reference: str) -> bool:
        with self.town.store() as (portal, _):
            payment = portal["paiements"][reference]
            assert len(payment.posted) <= 1
            return payment.is_paid and not payment.is_open

    def close(self) -> None:
        self.portal.stop()


@contextmanager
def town_of_one_family(folder) -> Iterator[Town]:
    """Run a bank and a mailbox for a town whose one family has many invoices; its processes are the test's."""
    port = _four_free_ports()
    with (
        running_mailbox(folder / "mailbox", port=port + 2, smtp_port=port + 3) as mailbox,
        running_bank(folder / "bank", port=port + 1, smtp=mailbox.smtp) as bank,
        pytest.MonkeyPatch.context() as patch,
    ):
        secrets = folder / "var" / "secrets"
        secrets.mkdir(mode=0o700, parents=True)
        for name, secret in (("bank.key", KEY), ("bank-rest.password", REST_PASSWORD)):
            (secrets / name).touch(mode=0o600)
            (secrets / name).write_text(secret)
        ini = write_ini(folder, {"ask_delays": "0.1 0.2 0.5 1 2 4 8", "smtp_timeout": "2"})
        patch.setenv("PORT", str(port))
        patch.setenv("VAR", str(folder / "var"))
        make_secrets(read_settings(get_appsettings(str(ini))))
        with opened(str(ini)) as request:
            prepare_database(request.registry)
            outcome = Folder(folder / "files", request.registry).take(
                familles=[family(CODE, **{"R1 e-mail": EMAIL})],
                factures=[invoice(number) for number in INVOICES],
                lignes=[line(number) for number in INVOICES],
            )
            assert outcome.lot == 1, outcome.faults.report()
            town = Town(port, folder, ini, bank, mailbox, {}, request.registry)
            with town.store() as (portal, registry):
                give_password(portal, registry)
            yield town


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with town_of_one_family(tmp_path_factory.mktemp("house")) as town:
        house = House(town)
        yield house
        house.close()


def places(number: int, most: int, seed: int = 0) -> list[int]:
    """Draw the calls to kill at: the first ones, then anywhere up to the last."""
    chance = random.Random(seed)
    return [1, 2, *(chance.randint(1, most) for _ in range(number - 2))]


def test_killed_at_any_call_of_a_payment_the_portal_loses_nothing_and_doubles_nothing(house):
    counting = calls_of(house.portal)
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))
    most = counting.stop()
    killed = Counter()

    for number in places(PAYING, most):
        name = house.next_invoice()
        reference = None
        with killed_at(house.portal, number), suppress(Unreachable):
            reference = house.family.pay(name, ACCEPTED)
            assert house.family.is_paid(reference)
        if not house.portal.is_alive:
            killed["before the bank" if reference is None else "after"] += 1
            house.revive()
        reference = insist(lambda: house.family.pay(name, ACCEPTED), house.revive)  # noqa: B023 - run at once

        house.settle(reference)
        assert house.family.is_paid(reference)
    print(f"of {PAYING} runs, {sum(killed.values())} kills within {most} calls of a thread")
    assert sum(killed.values()) > PAYING // 3


def test_what_the_bank_accepted_while_the_portal_died_is_booked_by_asking(house):
    """F2: the process dies between the bank's word and its own commit, and stays dead."""
    name = house.next_invoice()
    with card_page_of(house, name) as (reference, pay_by_card):
        with killed_at(house.portal, 1, calls="pwrite64"):
            pay_by_card()
        assert house.portal.wait() == -9
        assert not house.is_settled(reference)

        house.run("sevres-ask", "--once")

        assert house.is_settled(reference)
    assert house.town.faults() == ()
    house.portal = house.serve()
    assert house.family.is_paid(reference)


@contextmanager
def card_page_of(house, name):
    """Bring the family to the bank's card page, and give what types its card."""
    reference = house.family.leave(name)
    yield reference, lambda: house.family.pay_at_bank(reference, ACCEPTED)


def test_killed_at_any_call_the_asking_worker_books_once(house):
    most = 0
    killed = 0
    for seed in range(ASKING):
        reference = house.family.pay(house.next_invoice(), LOST)
        if not most:
            most = house.measure("sevres-ask", "--once")
            house.settle(reference)
            continue

        killed += house.run_killed("sevres-ask", "--once", number=random.Random(seed).randint(most // 3, most))

        house.settle(reference)
        with house.town.store() as (portal, _):
            assert len(portal["paiements"][reference].receipts) == 1
    print(f"{killed} kills of the asking worker within {most} calls")
    assert killed > ASKING // 4


def test_killed_at_any_call_the_mail_worker_sends_each_mail_under_one_message_id(house):
    most = house.measure("sevres-mail", "--once")
    killed = 0
    for seed in range(MAILING):
        reference = house.family.pay(house.next_invoice(), ACCEPTED)
        house.settle(reference)

        killed += house.run_killed("sevres-mail", "--once", number=random.Random(seed).randint(1, most))
        house.deliver_later()

        mails = [mail for mail in house.town.mailbox.mails(EMAIL) if reference in text_of(mail)]
        assert len(mails) >= 1
        assert len({mail["Message-ID"] for mail in mails}) == 1
    print(f"{killed} kills of the mail worker within {most} calls")
    assert killed > MAILING // 4


def test_killed_at_any_call_an_import_shows_all_or_nothing_and_the_next_one_goes_on(house):
    codes = [str(40000 + number) for number in range(30)]

    def files(owed):
        return house.files(
            familles=[family(code) for code in codes],
            factures=[invoice(f"I{code}", code, "99,00", owed) for code in codes],
            lignes=[line(f"I{code}", "99,00") for code in codes],
        )

    def owed():
        with house.town.store() as (portal, _):
            families = portal["familles"]
            return {families[code]["comptes"]["scolaire"].balance() for code in codes if code in families}

    most = house.measure("sevres-import", *files("99,00"))
    before, killed = owed(), 0
    for seed in range(IMPORTING):
        after = Money(9900 - 100 * (seed + 1) % 9000)

        killed += house.run_killed(
            "sevres-import", *files(str(after).removesuffix("\u00a0€")), number=1 + seed * most // IMPORTING
        )

        assert owed() in (before, {after})
        house.run("sevres-import", *files(str(after).removesuffix("\u00a0€")))
        assert owed() == {after}
        assert house.town.faults() == ()
        before = {after}
    print(f"{killed} kills of the import within {most} calls")
    assert killed > IMPORTING // 2


def test_killed_at_any_call_a_print_run_kills_no_earlier_letter(house):
    def letters():
        """What opens the account of a family without a password of its own, and the runs that wait."""
        with house.town.store() as (portal, _):
            return credentials_of(portal, PRINTED_FOR).__getstate__(), len(portal.stores["printing"].runs)

    command = ("sevres-print", "--regie", "scolaire", "--lot", "CANTINES", "--family", PRINTED_FOR)
    house.take_in(PRINTED_FOR)
    with house.town.store() as (portal, registry):
        give_printed_password(portal, registry, PRINTED_FOR)
    most = house.measure(*command)
    before, killed = letters()[0], 0
    for seed in range(PRINTING):
        killed += house.run_killed(*command, number=1 + seed * most // PRINTING)

        assert letters()[0] == before
    house.run(*command)
    assert letters()[0] == before
    assert house.town.faults() == ()
    print(f"{killed} kills of the print run within {most} calls")
    assert killed > PRINTING // 4
