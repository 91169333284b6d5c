"""Invoice day (F19): the families of a town come when the invoices are out, some pay, and the books hold.

A whole town as *recette*: workers, asking and mail workers, bank and mailbox, each a process.  The model is open:
families come when they come, at random, however slow the portal is, and read before they go on.  Every family has an
address of its own, as behind a proxy.  The bank is the sandbox's, with its real pages and notifications.
"""

import os
import random
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from benchmarks.crowd import Answer, Told, Visitor, fields_of
from benchmarks.serving import Server
from sevres_familles.demo.town import write_town
from sevres_familles.domain import french
from sevres_familles.identity.services import credentials_of
from tests.journeys.town import BIN, ROOT, Town, running_town
from tests.ports import free_ports
from tests.postgres import running_postgres
from tests.sandbox.running import ask, wait_until
from tests.sandbox.shop import ACCEPTED, typed

FAMILIES, MINUTES, PAYERS = 10_000, 10.0, 0.2
PASSWORD = "lampe cerise nuage tambour"
#: How long a family looks at a page before it goes on, in seconds.
_READING = (0.5, 3.0)
_BATCH = 500
#: How many families come to each worker before the day begins.
_FIRST = 5
#: Kinds of answers, and what is asked of them.
READ, SIGN_IN, START, BANK = "page lue", "connexion", "paiement ouvert", "(banque)"
_LIMITS = {READ: 1.0, SIGN_IN: 1.0, START: 2.0}


class Payable(NamedTuple):
    """What a family may pay: the address of its account, and an invoice there."""

    account: str
    invoice: str


class Day(NamedTuple):
    """What came of it."""

    told: list[Told]
    families: int
    #: CPU seconds of the portal's workers.
    cpu: float
    paid: int
    wanted: int
    seconds: float
    differences: tuple[str, ...]


def main(minutes: float = MINUTES, workers: int = 2, *, postgresql: bool = False) -> bool:
    """Run a day of so many minutes, at the rate of 10,000 families in ten, and tell whether all that is asked held."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {}
        if postgresql:
            server = stack.enter_context(running_postgres("shared_buffers=256MB", hasty=False))
            settings["storage"] = stack.enter_context(server.database()) + "&connection_cache_size=20000"
        town = stack.enter_context(running_town(folder, source=_behind_a_proxy(folder), **settings))
        servers = [Server(town.processes["portal"], town.port)]
        servers += [stack.enter_context(_worker(town)) for _ in range(workers - 1)]
        payable = _settle(town, folder)
        warm = _warm_up(town, servers, payable)
        payable = {code: each for code, each in payable.items() if code not in warm}
        held = _report(_day(town, servers, payable, minutes))
        print(_complaints(town))
        return held


def _behind_a_proxy(folder: Path) -> Path:
    """Write development.ini with the proxy's header believed: the clients say whose they are."""
    text = (ROOT / "development.ini").read_text(encoding="utf-8")
    trust = "trusted_proxy = 127.0.0.1\ntrusted_proxy_headers = x-forwarded-for\nclear_untrusted_proxy_headers = true\n"
    place = text.index("[loggers]")
    ini = folder / "proxied.ini"
    ini.write_text(f"{text[:place]}{trust}\n{text[place:]}", encoding="utf-8")
    return ini


@contextmanager
def _worker(town: Town) -> Iterator[Server]:
    """Run a further worker of a town."""
    port = free_ports()
    ini = town.folder / f"worker-{port}.ini"
    ini.write_text(
        town.ini.read_text(encoding="utf-8").replace("localhost:{port}\nthreads", f"localhost:{port}\nthreads")
    )
    environ = {**os.environ, "PORT": str(town.port), "VAR": str(town.folder / "var")}
    with (town.folder / f"worker-{port}.log").open("ab") as log:
        process = subprocess.Popen([BIN / "pserve", ini], stdout=log, stderr=log, env=environ)
    try:
        wait_until(lambda: _answers(port), "a worker answers")
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        return ask(f"http://localhost:{port}/connexion", headers={"Host": "localhost"}).status == 200
    except OSError:
        return False


def _settle(town: Town, folder: Path) -> dict[str, Payable | None]:
    """Take the invoices of 10,000 families in, give each the same password, and find what each may pay."""
    files = folder / "files"
    today = french.local(datetime.now(UTC)).date()
    write_town(files, families=FAMILIES, seed=1, today=today)
    done = town.run("sevres-import", *map(str, sorted(files.glob("*.csv"))))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    with town.store() as (portal, registry):
        hashed, codes = registry.passwords.hash(PASSWORD), list(portal["familles"])
    payable: dict[str, Payable | None] = {}
    for start in range(0, len(codes), _BATCH):
        with town.store() as (portal, _):
            for code in codes[start : start + _BATCH]:
                credentials_of(portal, code).set_password(hashed)
                payable[code] = _first_payable(portal["familles"][code], code, today)
    return payable


def _first_payable(family: Any, code: str, today: date) -> Payable | None:
    for account in family["comptes"]:
        for invoice in account:
            if invoice.status(today).payable:
                return Payable(f"/familles/{code}/comptes/{account.__name__}/", invoice.__name__)
    return None


def _day(town: Town, servers: Sequence[Server], payable: dict[str, Payable | None], minutes: float) -> Day:
    """Let families come, and wait for the last."""
    chance = random.Random(1)
    count = min(round(FAMILIES * minutes / MINUTES), len(payable))
    owing = [code for code, each in payable.items() if each]
    payers = set(chance.sample(owing, round(count * PAYERS)))
    others = [code for code in payable if code not in payers]
    coming = [*payers, *chance.sample(others, count - len(payers))]
    chance.shuffle(coming)
    arrivals = sorted(chance.uniform(0, minutes * 60) for _ in coming)
    told: list[Told] = []
    paid: list[str] = []
    threads = []
    started, cpu = time.monotonic(), sum(server.cpu for server in servers)
    for number, (code, arrival) in enumerate(zip(coming, arrivals, strict=True)):
        time.sleep(max(0.0, started + arrival - time.monotonic()))
        visitor = Visitor(servers[number % len(servers)].port, f"localhost:{town.port}", _address(number), told)
        family = Family(visitor, code, payable[code], random.Random(number), pays=code in payers)
        threads.append(threading.Thread(target=lambda family=family: paid.extend(family.visit(town))))
        threads[-1].start()
    for thread in threads:
        thread.join()
    seconds, cpu = time.monotonic() - started, sum(server.cpu for server in servers) - cpu
    wait_until(lambda: not _open_payments(town), "no payment is open", 120)
    return Day(told, len(coming), cpu, len(paid), len(payers), seconds, town.faults())


def _warm_up(town: Town, servers: Sequence[Server], payable: dict[str, Payable | None]) -> set[str]:
    """Let the workers draw each page some times, as they have on any other day, and give who came for that."""
    codes = [code for code, each in payable.items() if each][: len(servers) * _FIRST]
    for number, code in enumerate(codes):
        visitor = Visitor(servers[number % len(servers)].port, f"localhost:{town.port}", "10.255.0.1", [])
        Family(visitor, code, payable[code], random.Random(0), pays=True).visit(town)
    return set(codes)


def _complaints(town: Town) -> str:
    """Give the first errors that the services wrote to their logs, with where they came from."""
    lines = "\n".join(path.read_text(encoding="utf-8") for path in sorted(town.folder.glob("*.log"))).splitlines()
    found = [place for place, text in enumerate(lines) if " ERROR " in text or " CRITICAL " in text]
    return "\n".join("\n".join(lines[place : place + 40]) for place in found[:3]) or "no error in the logs"


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _open_payments(town: Town) -> int:
    with town.store() as (portal, _):
        return sum(payment.is_open for payment in portal["paiements"].values())


class Family:
    """A family that comes, reads its home, its account and an invoice, and may pay it."""

    def __init__(
        self, visitor: Visitor, code: str, payable: Payable | None, chance: random.Random, *, pays: bool
    ) -> None:
        self._visitor, self._code, self._payable, self._chance, self._pays = visitor, code, payable, chance, pays

    def visit(self, town: Town) -> list[str]:
        """Visit, and give the payment's address if one was made and shown as accepted."""
        try:
            if not self._sign_in() or self._payable is None:
                return []
            self._read(self._payable.account)
            self._read(f"{self._payable.account}{self._payable.invoice}/")
            return self._pay(town, self._payable) if self._pays else []
        finally:
            self._visitor.close()

    def _read(self, path: str) -> Answer:
        time.sleep(self._chance.uniform(*_READING))
        return self._visitor.get(READ, path)

    def _sign_in(self) -> bool:
        form = fields_of(self._visitor.get(READ, "/connexion").text, "")
        time.sleep(self._chance.uniform(*_READING))
        answer = self._visitor.post(
            SIGN_IN, "/connexion", {"csrf_token": form.get("csrf_token", ""), "code": self._code, "mdp": PASSWORD}
        )
        return answer.status == 303 and self._visitor.get(READ, answer.path).status == 200

    def _pay(self, town: Town, payable: Payable) -> list[str]:
        review = self._read(f"{payable.account}payer?facture={payable.invoice}")
        if review.status != 200:
            return []
        fields = fields_of(review.text[review.text.index('name="vu"') - 400 :])
        opened = self._visitor.post(START, f"{payable.account}payer", fields)
        leaving = self._read(opened.path)
        if "vads_" not in leaving.text:
            return []
        back = self._at_the_bank(town, fields_of(leaving.text[leaving.text.index("vads_") - 400 :]))
        if not back:
            return []
        shown = self._visitor.get(READ, back)
        address = shown.path or back
        for _ in range(20):
            if "votre paiement est accepté" in self._read(address).text:
                self._visitor.get(READ, f"{address}recu.pdf")
                return [address]
        return []

    def _at_the_bank(self, town: Town, form: dict[str, str]) -> str:
        """Pay by card, and give the address to come back to; none when the bank wants none of it."""
        counter = town.bank
        started = time.perf_counter()
        card = ask(counter.form_url, "POST", form)
        time.sleep(self._chance.uniform(*_READING))
        answer = ask(card.location, "POST", typed(ACCEPTED))
        ticket = ask(answer.location)
        self._visitor._told.append(Told(BANK, time.perf_counter() - started, ticket.status))
        if "Refresh" not in ticket.headers:
            return ""
        address = urlsplit(ticket.headers["Refresh"].partition("; url=")[2])
        return f"{address.path}?{address.query}"


def _report(day: Day) -> bool:
    """Print what was measured, and tell whether all that is asked held."""
    held = not day.differences and day.paid == day.wanted
    print(f"{day.families} families in {day.seconds:.0f} s, {day.paid} of {day.wanted} payments shown as accepted")
    print(f"the workers took {day.cpu:.0f} s of CPU, {day.cpu / day.families * 1000:.0f} ms a family")
    for kind in (READ, SIGN_IN, START, BANK):
        seconds = sorted(each.seconds for each in day.told if each.kind == kind)
        p50, p95, p99 = (seconds[min(int(len(seconds) * share), len(seconds) - 1)] for share in (0.5, 0.95, 0.99))
        limit = _LIMITS.get(kind)
        held = held and (limit is None or p95 < limit)
        asked = f"asked: p95 < {limit:.0f} s" if limit else ""
        figures = f"p50 {p50:6.3f}  p95 {p95:6.3f}  p99 {p99:6.3f}  max {seconds[-1]:6.3f}"
        print(f"{kind:<18} {len(seconds):>7}  {figures}  {asked}")
    statuses = Counter(each.status for each in day.told if each.kind != BANK)
    print("statuses:", ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
    errors = sum(count for status, count in statuses.items() if not 200 <= status < 400)
    held = held and errors <= len(day.told) / 1000 and errors == statuses[503]
    print("the books against the bank's file:", "; ".join(day.differences[:5]) or "no difference")
    return held


if __name__ == "__main__":
    main()
