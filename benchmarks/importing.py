"""The import: invoices a second and peak memory, on the embedded storage, in a process of its own.

100,000 invoices of 3 lines for 20,000 families, into an empty database, several times; then ten times as many, once.
The whole command is measured, its start included.
"""

import os
import statistics
import subprocess
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import NamedTuple

from benchmarks.pages import BIN
from sevres_familles.demo.town import write_town

FAMILIES = 20_000
INVOICES_EACH = 5
RUNS = 5


class Measure(NamedTuple):
    """One import: seconds of the clock and of the processor, and the peak of resident memory in MB."""

    seconds: float
    cpu: float
    peak_mb: float


def make_files(folder: Path, families: int) -> list[Path]:
    """Write a town's files."""
    write_town(folder, families=families, seed=1, today=date.today(), invoices_each=INVOICES_EACH)  # noqa: DTZ011 - any day will do
    return sorted(folder.glob("*.csv"))


def measure(files: list[Path], var: Path) -> Measure:
    """Import files into an empty database."""
    environ = os.environ | {"VAR": str(var)}
    subprocess.run([BIN / "sevres-init", "development.ini"], check=True, stdout=subprocess.DEVNULL, env=environ)
    command = [str(BIN / "sevres-import"), "development.ini", *map(str, files)]
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.perf_counter()
    process = os.posix_spawn(command[0], command, environ, file_actions=silence)
    _, status, usage = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    if status:
        raise SystemExit("the import failed")
    return Measure(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def told(name: str, measures: list[Measure], invoices: int) -> str:
    """Write the medians of some measures, and their spread."""
    rates = sorted(invoices / each.seconds for each in measures)
    cpu = sorted(invoices / each.cpu for each in measures)
    peak = max(each.peak_mb for each in measures)
    return (
        f"{name}: {statistics.median(rates):,.0f} invoices/s ({rates[0]:,.0f} to {rates[-1]:,.0f}), "
        f"{statistics.median(cpu):,.0f} a CPU second ({cpu[0]:,.0f} to {cpu[-1]:,.0f}), peak {peak:.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = make_files(folder / "small", FAMILIES)
        small = [measure(files, folder / f"var-{run}") for run in range(RUNS)]
        print(told("100,000 invoices", small, FAMILIES * INVOICES_EACH))
        big = [measure(make_files(folder / "big", FAMILIES * 10), folder / "var-big")]
        print(told("1,000,000 invoices", big, FAMILIES * INVOICES_EACH * 10))
        for what, place in (("clock", 0), ("processor", 1)):
            ratio = big[0][place] / statistics.median(each[place] for each in small)
            print(f"ten times the work takes {ratio:.1f} times the {what} time")


if __name__ == "__main__":
    main()
