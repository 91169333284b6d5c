"""Two workers against one, on the signed-in page of invoices, on each storage.

Both serve all along; rounds take turns between one of them and both, with so many connections each.  The client is a
process of its own that does as little as can be; on two processors it takes its share of them, and so does PostgreSQL.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from benchmarks.crowd import hammer
from benchmarks.pages import BIN, big_account, line
from benchmarks.serving import Server, Visitor, served
from tests.journeys.town import write_ini
from tests.ports import free_ports
from tests.postgres import running_postgres

ROUNDS = 2
SECONDS = 4.0
CONNECTIONS = 4


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        told("SQLite, two workers against one", compare(Path(name), f"embedded://{name}/database"))
    with (
        tempfile.TemporaryDirectory() as name,
        running_postgres("shared_buffers=256MB", hasty=False) as server,
        server.database() as address,
    ):
        told("PostgreSQL, two workers against one", compare(Path(name), address))


class Round(NamedTuple):
    """One worker and then both: pages a second, and milliseconds of CPU that a page took its worker."""

    one: float
    both: float
    cpu_of_one: float
    cpu_of_both: float


def told(name: str, rounds: list[Round]) -> None:
    """Print the ratios, and the pages a second that they come from."""
    print(line(name, [each.both / each.one for each in rounds], "asked: at least 1.7"))
    print(line("  pages a second, one worker", [each.one for each in rounds], ""))
    print(line("  pages a second, two workers", [each.both for each in rounds], ""))
    print(line("  ms of CPU a page, one worker", [each.cpu_of_one for each in rounds], ""))
    print(line("  ms of CPU a page, two workers", [each.cpu_of_both for each in rounds], ""))


def compare(folder: Path, storage: str) -> list[Round]:
    """Measure one worker and both, round by round."""
    words = f"{storage}{'&' if '?' in storage else '?'}connection_cache_size=20000&connection_pool_size=12"
    ini = write_ini(folder, {"storage": words, "var": str(folder / "var")})
    _prepare(folder, ini)
    with (
        two_workers(ini) as (first, second),
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere,
    ):
        request, both = page_request(first.port), (first, second)

        def pages(servers: Sequence[Server]) -> tuple[float, float]:
            before = sum(server.cpu for server in servers)
            ports = [server.port for server in servers]
            count = elsewhere.submit(hammer, ports, CONNECTIONS, request, SECONDS).result()
            return count / SECONDS, (sum(server.cpu for server in servers) - before) / count * 1000

        pages(both)  # templates, caches
        found = []
        for _ in range(ROUNDS):
            (one, cpu_of_one), (two, cpu_of_both) = pages(both[:1]), pages(both)
            found.append(Round(one, two, cpu_of_one, cpu_of_both))
    return found


@contextmanager
def two_workers(ini: Path) -> Iterator[tuple[Server, Server]]:
    """Serve twice on one storage."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(served(ini, free_ports(4))) for _ in range(2))
        yield first, second


def page_request(port: int) -> bytes:
    """Sign a family in, and write the request of its page of 24 invoices.  Any worker answers it."""
    code, password = big_account()
    visitor = Visitor(port)
    visitor.sign_in(code, password)
    page = f"/familles/{code}/comptes/scolaire/"
    visitor.get(page)
    return (f"GET {page} HTTP/1.1\r\nHost: localhost:{port}\r\nCookie: {visitor.cookies}\r\n\r\n").encode()


def _prepare(folder: Path, ini: Path) -> None:
    """Make the demonstration's town."""
    environ = {**os.environ, "PORT": "6543"}
    environ.pop("VAR", None)
    files = folder / "demo"
    subprocess.run([BIN / "sevres-init", ini], check=True, env=environ, stdout=subprocess.DEVNULL)
    subprocess.run([BIN / "sevres-demo", files], check=True, env=environ, stdout=subprocess.DEVNULL)
    imported = [BIN / "sevres-import", ini, *sorted(files.glob("*.csv"))]
    subprocess.run(imported, check=True, env=environ, stdout=subprocess.DEVNULL)
    subprocess.run([BIN / "sevres-demo", "--accounts", ini], check=True, env=environ, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
