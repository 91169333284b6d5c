"""Debian's PostgreSQL, in processes of its own and a folder that goes with it, asking for passwords as a town's does.

with running_postgres() as postgres:
    with postgres.database() as address:
        ...an empty database, by an address of the settings...
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

USER = "portail"
#: How many objects of a database are left to scan.
_KEPT = 20_000
#: Faster, and no test cuts the power of this one.
_HASTY = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")


def binaries() -> Path | None:
    """Find the folder of PostgreSQL's programs, the newest if Debian has several; none when it is not installed."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return versions[-1].parent if versions else None


@dataclass
class Postgres:
    """A running server, reached by its socket."""

    folder: Path
    _bin: Path = field(repr=False)
    #: Where what its databases held is left for the scan for cards and secrets (`tests.leaks`), if anywhere.
    _kept: Path | None = None

    @property
    def passfile(self) -> Path:
        """The file with the password, as libpq reads it."""
        return self.folder / "passfile"

    def address(self, name: str) -> str:
        """Give the address of a database, as ``sevres.storage`` has it."""
        return f"postgresql://{USER}@/{name}?host={self.folder}&passfile={self.passfile}"

    def execute(self, statement: str, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement outside a transaction, and give its rows."""
        with closing(psycopg2.connect(self.address(database))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """Make a database, and give its address; drop it at the end, whoever is still connected."""
        name = f"essai_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.address(name)
        finally:
            if self._kept is not None:
                self._keep(name, self._kept / f"{name}.rows")
            self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _keep(self, name: str, path: Path) -> None:
        """Write what the newest objects of a database hold to a file, if there are any."""
        ((has_objects,),) = self.execute("SELECT to_regclass('object_state') IS NOT NULL", database=name)
        if has_objects:
            newest = "SELECT state FROM object_state ORDER BY tid DESC LIMIT %s"
            write_rows(path, (state for (state,) in self.execute(newest, _KEPT, database=name) if state))

    def control(self, *arguments: str) -> None:
        """Run ``pg_ctl``."""
        _run(self._bin / "pg_ctl", "-D", self.folder / "data", "-w", "-s", *arguments, log=self.folder / "ctl.log")

    def restart(self) -> None:
        """Stop at once, as a crash does, and start again."""
        self.control("restart", "-m", "immediate", "-l", str(self.folder / "log"))


def write_rows(path: Path, rows: Iterable[bytes]) -> None:
    """Write what objects of a database hold, one after the other."""
    path.write_bytes(b"\n".join(map(bytes, rows)))


def _run(*command: str | Path, log: Path) -> None:
    """Run a program of PostgreSQL, which refuses to be root.

    :raises AssertionError: with what it said, when it fails.
    """
    whom: Mapping[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": ()} if os.geteuid() == 0 else {}
    with log.open("ab") as output:
        ended = subprocess.run(
            [str(each) for each in command], stdout=output, stderr=output, cwd=log.parent, check=False, **whom
        )
    assert ended.returncode == 0, log.read_text()


@contextmanager
def running_postgres(*options: str, hasty: bool = True, kept: Path | None = None) -> Iterator[Postgres]:
    """Run a server until the block ends.

    :param options: further settings of the server, as ``shared_buffers=64MB``.
    :param hasty: whether its commits may be lost with the machine; never in what is measured.
    :param kept: where what its databases and its log held is left for the scan for cards and secrets.
    """
    found = binaries()
    assert found, "PostgreSQL is not installed (apt-get install postgresql)"
    # A path of a socket holds 107 bytes: the folders of pytest are too deep.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Postgres(folder, found, kept)
    try:
        _make_cluster(server, found)
        settings = ("listen_addresses=", f"unix_socket_directories={folder}", *(_HASTY if hasty else ()), *options)
        given = " ".join(f"-c '{each}'" for each in settings)
        server.control("start", "-l", str(folder / "log"), "-o", given)
        try:
            yield server
        finally:
            server.control("stop", "-m", "immediate")
            if kept is not None:
                shutil.copyfile(folder / "log", kept / "postgresql.log")
    finally:
        shutil.rmtree(folder)


def _make_cluster(server: Postgres, found: Path) -> None:
    password = secrets.token_hex(16)
    secret = server.folder / "password"
    secret.write_text(password)
    server.passfile.write_text(f"*:*:*:{USER}:{password}\n")
    server.passfile.chmod(0o600)
    if os.geteuid() == 0:
        shutil.chown(secret, "postgres")
    _run(
        *(found / "initdb", "-D", server.folder / "data", "-U", USER, "--pwfile", secret, "-A", "scram-sha-256"),
        *("-E", "UTF8", "--locale=C.UTF-8", "--data-checksums", "--no-sync", "--no-instructions"),
        log=server.folder / "initdb.log",
    )
