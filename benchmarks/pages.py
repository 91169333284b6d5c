"""Pages: CPU a request as a ratio to a bare hello; cold start; memory; the invoice page as the town grows."""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.serving import Visitor, cpu_a_request, hello, portal
from sevres_familles.demo.accounts import ACCOUNTS

ROUNDS = 7
#: Within a round, pages take so many turns of so many requests.
TURNS = 20
REQUESTS = 20
BIN = Path(sys.executable).parent


def make_town(folder: Path, families: int = 0) -> Path:
    """Make a database: the demonstration, or that and as many believable families."""
    var = folder / f"var-{families}"
    _run("sevres-init", "development.ini", var=var)
    _run("sevres-demo", str(folder / "demo"), var=var)
    _run("sevres-import", "development.ini", *sorted(map(str, (folder / "demo").glob("*.csv"))), var=var)
    _run("sevres-demo", "--accounts", "development.ini", var=var)
    if families:
        files = folder / f"families-{families}"
        _run("sevres-demo", str(files), "--families", str(families), "--seed", "1", var=var)
        _run("sevres-import", "development.ini", *sorted(map(str, files.glob("*.csv"))), var=var)
    return var


def _run(command: str, *arguments: str, var: Path) -> None:
    subprocess.run(
        [str(BIN / command), *arguments], check=True, stdout=subprocess.DEVNULL, env={"VAR": str(var), "PATH": str(BIN)}
    )


def big_account() -> tuple[str, str]:
    """Give the code and password of the demonstration's family with 30 invoices."""
    account = next(each for each in ACCOUNTS if each.code == "25310")
    return account.code, account.password


def ratios() -> dict[str, list[float]]:
    """Measure pages against hello; within a round they take turns, so that all meet the same machine."""
    found: dict[str, list[float]] = {"hello (ms)": [], "home": [], "invoices": []}
    code, password = big_account()
    page = f"/familles/{code}/comptes/scolaire/"
    with tempfile.TemporaryDirectory() as folder, hello() as bare, portal(make_town(Path(folder))) as served:
        stranger, plain, family = Visitor(served.port), Visitor(bare.port), Visitor(served.port)
        family.sign_in(code, password)
        for visitor, path in ((stranger, "/"), (family, page)):
            for _ in range(50):
                visitor.get(path)
        for _ in range(ROUNDS):
            base = home = invoices = 0.0
            for _ in range(TURNS):
                base += cpu_a_request(bare, plain, "/", REQUESTS * 3) / TURNS
                home += cpu_a_request(served, stranger, "/", REQUESTS) / TURNS
                invoices += cpu_a_request(served, family, page, REQUESTS) / TURNS
            found["hello (ms)"].append(base * 1000)
            found["home"].append(home / base)
            found["invoices"].append(invoices / base)
        found["memory (MB)"] = [served.memory_mb]
    return found


def cold_start() -> list[float]:
    """Measure from the start of the process to its first page, in seconds."""
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        var = make_town(Path(folder))
        for _ in range(5):
            started = time.monotonic()
            with portal(var) as served:
                Visitor(served.port).get("/")
                seconds.append(time.monotonic() - started)
    return seconds


def growth() -> list[float]:
    """Measure the invoice page in a town of 20,000 families against one of 200, round by round."""
    with tempfile.TemporaryDirectory() as folder:
        return page_ratios(make_town(Path(folder), 200), make_town(Path(folder), 20_000))


def page_ratios(small: Path, large: Path) -> list[float]:
    """Measure the invoice page of one family in two towns, the large one against the small, round by round."""
    code, password = big_account()
    page = f"/familles/{code}/comptes/scolaire/"
    with portal(small) as village, portal(large) as town:
        visitors = Visitor(village.port), Visitor(town.port)
        for visitor in visitors:
            visitor.sign_in(code, password)
            for _ in range(50):
                visitor.get(page)
        found = []
        for _ in range(ROUNDS):
            large_cpu = small_cpu = 0.0
            for _ in range(TURNS):
                large_cpu += cpu_a_request(town, visitors[1], page, REQUESTS)
                small_cpu += cpu_a_request(village, visitors[0], page, REQUESTS)
            found.append(large_cpu / small_cpu)
        return found


def line(name: str, values: list[float], target: str) -> str:
    """Write a figure: its median, its spread, and what is asked."""
    return f"{name:<52} {statistics.median(values):8.2f}   ({min(values):.2f} to {max(values):.2f})   {target}"


def main() -> None:
    """Measure and print."""
    found = ratios()
    print(line("bare hello, ms of CPU a request", found["hello (ms)"], ""))
    print(line("public home, times hello", found["home"], "asked: at most 6"))
    print(line("24 invoices, signed in, times hello", found["invoices"], "asked: at most 10"))
    print(line("memory of a worker after that, MB", found["memory (MB)"], ""))
    print(line("cold start to the first page, s", cold_start(), ""))
    print(line("24 invoices, 20,000 families against 200, times", growth(), "asked: at most 1.3"))


if __name__ == "__main__":
    main()
