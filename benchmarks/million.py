"""One million invoices against 10,000: cold start, page, payment.

The two towns are made once in a folder, and stay there: some minutes for the million.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.pages import BIN, big_account, line, make_town, page_ratios
from benchmarks.serving import Visitor, portal

#: Five invoices each.
SMALL, LARGE = 2_000, 200_000
ROUNDS = 5
PAYMENTS = 40


def main(folder: Path) -> None:
    """Measure and print."""
    small, large = (_town(folder, families) for families in (SMALL, LARGE))
    starts = [(cold_start(large), cold_start(small)) for _ in range(ROUNDS)]
    print(line("cold start to the first page, s, 10,000 invoices", [few for _, few in starts], ""))
    print(line("cold start, a million against 10,000", [many / few for many, few in starts], "asked: at most 1.3"))
    print(line("page of 24 invoices, a million against 10,000", page_ratios(small, large), "asked: at most 1.3"))
    paid = [(pay(large), pay(small)) for _ in range(ROUNDS)]
    for place, what in ((0, "CPU"), (1, "clock")):
        print(line(f"payment, ms of {what}, 10,000 invoices", [few[place] * 1000 for _, few in paid], ""))
        ratios = [many[place] / few[place] for many, few in paid]
        print(line(f"payment, {what}, a million against 10,000", ratios, "asked: at most 1.3"))


def _town(folder: Path, families: int) -> Path:
    """Give the state of a town: made if it is not there, and brought up to date."""
    var = folder / f"var-{families}"
    if not (folder / f"made-{families}").exists():
        made = make_town(folder, families)
        if made != var:
            raise RuntimeError(f"{made} is not {var}")
        (folder / f"made-{families}").touch()
    environ = {**os.environ, "VAR": str(var)}
    subprocess.run([BIN / "sevres-init", "development.ini"], check=True, stdout=subprocess.DEVNULL, env=environ)
    return var


def cold_start(var: Path) -> float:
    """Measure from the start of the process to its first page of a family's invoices, in seconds."""
    code, password = big_account()
    started = time.monotonic()
    with portal(var) as served:
        visitor = Visitor(served.port)
        visitor.sign_in(code, password)
        visitor.get(f"/familles/{code}/comptes/scolaire/")
        return time.monotonic() - started


def pay(var: Path) -> tuple[float, float]:
    """Measure the median payment of some: seconds of CPU, and of the clock."""
    command = [sys.executable, "-m", "benchmarks.paying", "development.ini", str(PAYMENTS)]
    environ = {**os.environ, "VAR": str(var)}
    done = subprocess.run(command, check=False, env=environ, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu, clock = map(float, done.stdout.split()[-2:])
    return cpu, clock


if __name__ == "__main__":
    main(Path(sys.argv[1]))
