"""The print run: letters a second and peak memory, on the embedded storage, in processes of its own.

A lot of a town is printed again and again: its families with passwords of their own, then without, when each letter
needs a new one; then a lot five times as large, for the memory.  The whole command is measured, its start included.
"""

import os
import re
import statistics
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

import transaction
from pyramid.paster import get_app

from benchmarks.pages import BIN
from sevres_familles.demo.town import write_town
from sevres_familles.identity.services import credentials_of
from sevres_familles.web.root import portal_in

#: Some 300 of 1,000 families have an invoice of the lot.
FAMILIES = 5_000
RUNS = 3
_PRINT = ("sevres-print", "development.ini", "--regie", "scolaire", "--lot", "CANTINES")


class Measure(NamedTuple):
    """One run: letters, seconds of the clock and of the processors, peak memory of its largest process in MB."""

    letters: int
    seconds: float
    cpu: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Letters a second."""
        return self.letters / self.seconds


def make_town(var: Path, families: int) -> None:
    """Make a town whose families have an invoice each."""
    files = var.parent / f"files-{families}"
    write_town(files, families=families, seed=1, today=date.today(), invoices_each=1)  # noqa: DTZ011
    _run(var, "sevres-init", "development.ini")
    _run(var, "sevres-import", "development.ini", *map(str, sorted(files.glob("*.csv"))))


def give_passwords(var: Path) -> None:
    """Give every family the same password of its own."""
    os.environ["VAR"] = str(var)
    registry = get_app("development.ini").registry
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    hashed = registry.passwords.hash("lampe cerise nuage tambour")
    with manager:
        portal = portal_in(connection.root(), registry)
        for code in portal["familles"]:
            credentials_of(portal, code).set_password(hashed)
    connection.close()
    registry._zodb_databases[""].close()


def measure(var: Path) -> Measure:
    """Print the lot, and abandon the run."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [BIN / _PRINT[0], *_PRINT[1:]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environ(var), text=True
    )
    said = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = status
    found = re.search(r"Impression (\S+)\s:.*?Lettres\s: (\d+) facture", said, re.S)
    if status or found is None:
        raise SystemExit(f"the run failed: {said}")
    _run(var, "sevres-print", "development.ini", "--abandon", found[1])
    return Measure(int(found[2]), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _environ(var: Path) -> dict[str, str]:
    return os.environ | {"VAR": str(var)}


def _run(var: Path, command: str, *arguments: str) -> None:
    subprocess.run([BIN / command, *arguments], check=True, stdout=subprocess.DEVNULL, env=_environ(var))


def told(name: str, measures: list[Measure]) -> str:
    """Write the medians of some measures, and their spread."""
    rates = sorted(each.rate for each in measures)
    cpu = statistics.median(each.letters / each.cpu for each in measures)
    peak = max(each.peak_mb for each in measures)
    return (
        f"{name}: {measures[0].letters:,} letters, {statistics.median(rates):,.0f} a second "
        f"({rates[0]:,.0f} to {rates[-1]:,.0f}), {cpu:,.0f} a CPU second, peak {peak:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_town(folder / "town", FAMILIES)
        print(told("with new passwords", [measure(folder / "town") for _ in range(RUNS)]))
        give_passwords(folder / "town")
        print(told("without new passwords", [measure(folder / "town") for _ in range(RUNS)]))
        make_town(folder / "city", FAMILIES * 5)
        give_passwords(folder / "city")
        print(told("five times as many", [measure(folder / "city")]))


if __name__ == "__main__":
    main()
