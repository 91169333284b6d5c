"""Workers for the faults of §8: several real `pserve` on one storage, a real bank, and families that can pay.

    with running_workers(folder, storage, 4) as workers:
        reference = workers.depart("30000")                       # a payment that left for the bank
        workers.tell(told_by(workers.bank, reference))            # what the bank posts, to one worker or many

The bank's own file is the oracle's: `workers.faults()`.
"""

import http.client
import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

from sevres_familles.payments.services import hand_over, open_payment
from sevres_familles.sandbox.bank.messages import notification
from sevres_familles.sandbox.bank.records import Source
from sevres_familles.sandbox.bank.shop import Merchant, Shop
from sevres_familles.web.root import Portal
from sevres_familles.web.scripts import opened
from tests.conftest import portal_stored
from tests.faults.killing import Running, start
from tests.journeys.town import write_bank_secrets, write_ini
from tests.oracle import differences
from tests.ports import free_ports
from tests.sandbox.running import (
    KEY,
    PATIENCE,
    REST_PASSWORD,
    SITE_ID,
    Bank,
    ask,
    running_bank,
    wait_until,
)

_numbers = itertools.count(1)


class Worker(NamedTuple):
    """A worker as browsers reach it: its address, with a slash at the end, and the bank that it leads to."""

    url: str
    bank: Bank


class Told(NamedTuple):
    """What a worker answered to the bank, and after how many seconds."""

    status: int
    seconds: float


@dataclass(frozen=True)
class Workers:
    """Running workers: their ports, their database opened beside them, and the bank."""

    ports: tuple[int, ...]
    processes: tuple[Running, ...]
    folder: Path
    ini: Path
    bank: Bank
    registry: Any = field(repr=False)

    @property
    def addresses(self) -> list[str]:
        """Where each worker is, without a slash at the end."""
        return [f"http://localhost:{port}" for port in self.ports]

    def workers(self) -> list[Worker]:
        """Give the workers as browsers reach them."""
        return [Worker(f"{address}/", self.bank) for address in self.addresses]

    def command(self, name: str, *arguments: str | Path) -> Running:
        """Make the process of a command beside the workers, which waits for the word to go."""
        return _command(self.folder, self.ini, self.ports[0], name, *arguments)

    def run(self, name: str, *arguments: str | Path, patience: float = PATIENCE) -> tuple[int, str]:
        """Run a command beside the workers: its status, and what it said."""
        running = self.command(name, *arguments)
        running.go()
        return running.wait(patience), running.log.read_text()

    def store(self) -> AbstractContextManager[Portal]:
        """Open the portal beside the workers, and commit at the end."""
        return portal_stored(self.registry)

    def depart(self, *codes: str) -> list[tuple[str, dict[str, str]]]:
        """Open a payment of each family for all its invoices: references, and the forms that browsers would post."""
        with self.store() as portal:
            return [self._open(portal, code) for code in codes]

    def _open(self, portal: Portal, code: str) -> tuple[str, dict[str, str]]:
        account = portal["familles"][code]["comptes"]["scolaire"]
        at = self.registry.clock.now()
        payment = open_payment(
            portal,
            self.registry.gateways["systempay"],
            account,
            [invoice.__name__ for invoice in account],
            email="",
            return_url=f"{self.addresses[0]}/paiements/{{reference}}/retour",
            notify_url=f"{self.addresses[0]}/paiements/notifications/systempay",
            at=at,
        )
        hand_over(portal["paiements"], payment, first_ask=at, at=at)
        return payment.reference, dict(payment.form.fields)

    def message(self, reference: str) -> bytes:
        """Write the notification of a payment as the bank itself does, from what stands in its file."""
        payment = self.bank.payment(reference)
        page = self.bank.store.page(payment.token)
        assert page is not None
        shop = Shop(SITE_ID, "TEST", KEY, REST_PASSWORD, Merchant("", "", ""))
        return urlencode(notification(page, payment, Source.PAY, shop)).encode()

    def tell_at_once(self, bodies: Sequence[bytes]) -> list[Told]:
        """Post notifications to the workers in turn, all at the same moment, each by a connection of its own."""
        together = threading.Barrier(len(bodies), timeout=PATIENCE)

        def tell(number: int) -> Told:
            door = http.client.HTTPConnection("localhost", self.ports[number % len(self.ports)], timeout=PATIENCE)
            door.connect()
            try:
                together.wait()
                start = time.perf_counter()
                door.request(
                    "POST",
                    "/paiements/notifications/systempay",
                    bodies[number],
                    {"Content-Type": "application/x-www-form-urlencoded"},
                )
                return Told(door.getresponse().status, time.perf_counter() - start)
            finally:
                door.close()

        with ThreadPoolExecutor(len(bodies)) as pool:
            return list(pool.map(tell, range(len(bodies))))

    def faults(self) -> tuple[str, ...]:
        """Verify the books, in themselves and against the bank's own file."""
        with self.store() as portal:
            return differences(self.bank.folder / "bank.sqlite", portal)


@contextmanager
def running_workers(folder: Path, storage: str, count: int, **settings: str) -> Iterator[Workers]:
    """Run a bank and so many workers on one storage until the block ends; ``settings`` are without their prefix."""
    folder.mkdir(exist_ok=True)
    ports = tuple(free_ports() for _ in range(count))
    with ExitStack() as stack:
        bank = stack.enter_context(running_bank(folder / "bank"))
        ini = _prepared(folder, storage, ports[0], bank, settings)
        processes = tuple(stack.enter_context(_running_worker(folder, ini, port)) for port in ports)
        for port in ports:
            wait_until(lambda port=port: _answers(port), f"the worker on {port} answers")
        registry = stack.enter_context(opened(str(ini))).registry
        yield Workers(ports, processes, folder, ini, bank, registry)


def _prepared(folder: Path, storage: str, port: int, bank: Bank, more: dict[str, str]) -> Path:
    write_bank_secrets(folder / "var")
    settings = {
        "var": str(folder / "var"),
        "storage": storage,
        "public_url": f"http://localhost:{port}",
        "bank_form_url": bank.form_url,
        "bank_rest_url": bank.rest_url,
        **more,
    }
    ini = write_ini(folder, settings)
    init = _command(folder, ini, port, "sevres-init")
    init.go()
    assert init.wait() == 0, init.log.read_text()
    return ini


@contextmanager
def _running_worker(folder: Path, ini: Path, port: int) -> Iterator[Running]:
    worker = _command(folder, ini, port, "pserve")
    worker.go()
    try:
        yield worker
    finally:
        worker.process.terminate()
        worker.process.join(PATIENCE)


def _command(folder: Path, ini: Path, port: int, name: str, *arguments: str | Path) -> Running:
    return start(name, [ini, *arguments], {"PORT": str(port)}, folder / f"{name}-{next(_numbers)}.log")


def _answers(port: int) -> bool:
    try:
        return ask(f"http://localhost:{port}/connexion").status == 200
    except OSError:
        return False
