"""The databases: each kind is copied while it serves, restored beside the one that serves, and put in its place.

Both are exact: records keep their oids, their transactions and their seals.
"""

import re
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import psycopg2
from psycopg2.errors import InsufficientPrivilege

from sevres_familles.backup.disk import sync
from sevres_familles.backup.vault import BackupRefused
from sevres_familles.web.storage import embedded_folder, libpq_address

_RECORDS = "SELECT count(*) FROM object_state"
#: Where PostgreSQL is asked to make and rename databases.
_MAINTENANCE = "postgres"
#: The path of an address, which names the database; `urlsplit` loses the two slashes of one without a host.
_PATH = re.compile(r"^(postgresql://[^/?]*)/[^?]*")


class Database(Protocol):
    """A database that can be copied and replaced."""

    kind: str
    #: The name of its copy among the files of a backup.
    file: str

    def copy_to(self, copy: Path) -> int:
        """Copy it as it is at one moment, whoever writes meanwhile, and count its records."""

    def records(self) -> int:
        """Count its records."""

    def restored(self, copy: Path) -> AbstractContextManager[str]:
        """Make a database of a copy, beside this one, for a block, and give its address.

        It goes at the end of the block, unless put in place.
        """

    def holds_records(self) -> bool:
        """Tell whether anything would be replaced."""

    def is_used(self) -> bool:
        """Tell whether another process has it open."""

    def replace_by(self, restored: str, stamp: str) -> str | None:
        """Put a restored database, given by its address, in place of this one, and say where this one went."""


def database_at(uri: str) -> Database:
    """Give the database of an address of the settings.

    :raises BackupRefused: when its kind has a backup of its own.
    """
    scheme = urlsplit(uri).scheme
    if scheme == "embedded":
        return EmbeddedDatabase(uri)
    if scheme == "postgresql":
        return PostgresDatabase(uri)
    raise BackupRefused(f"un stockage « {scheme} » se sauvegarde par ses propres outils")


class EmbeddedDatabase:
    """SQLite in a folder.

    RelStorage's file of numbers is left out: opening the database makes it again.
    """

    kind = "sqlite"
    file = "main.sqlite3"

    def __init__(self, uri: str) -> None:
        self._query = urlsplit(uri).query
        self._folder = embedded_folder(uri)

    def copy_to(self, copy: Path) -> int:
        """Copy it by SQLite's own way, in one reading that waits for nobody and keeps nobody waiting."""
        path = self._folder / self.file
        if not path.is_file():
            raise BackupRefused(f"aucune base dans {self._folder}")
        with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(copy)) as target:
            live.backup(target)
            # Nobody else has the copy open: it needs no log beside it.
            target.execute("PRAGMA journal_mode=DELETE")
        return _count(copy)

    def records(self) -> int:
        """Count its records."""
        return _count(self._folder / self.file)

    @contextmanager
    def restored(self, copy: Path) -> Iterator[str]:
        """Give the address of a folder with the copy in it."""
        folder = copy.parent / f"base-{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        copy.rename(folder / self.file)
        try:
            yield f"embedded://{folder}?{self._query}"
        finally:
            # It is no longer there when it was put in place.
            shutil.rmtree(folder, ignore_errors=True)

    def holds_records(self) -> bool:
        """Tell whether there is a database."""
        return (self._folder / self.file).exists()

    def is_used(self) -> bool:
        """Tell whether another process has it open: SQLite lets its log go to nobody else."""
        if not self.holds_records():
            return False
        with closing(sqlite3.connect(self._folder / self.file, timeout=0)) as connection:
            try:
                alone = connection.execute("PRAGMA journal_mode=DELETE").fetchone() == ("delete",)
            except sqlite3.OperationalError:
                return True
            return not alone

    def replace_by(self, restored: str, stamp: str) -> str | None:
        """Rename folders: the restored one arrives whole, or not."""
        arriving = self._folder.with_name(f"{self._folder.name}.restauree-{stamp}")
        shutil.move(embedded_folder(restored), arriving)
        for path in (*arriving.iterdir(), arriving):
            sync(path)
        before = None
        if self._folder.exists():
            before = self._folder.with_name(f"{self._folder.name}.avant-{stamp}")
            self._folder.rename(before)
        arriving.rename(self._folder)
        sync(self._folder.parent)
        return str(before) if before else None


class PostgresDatabase:
    """A database of PostgreSQL, copied by its own programs."""

    kind = "postgresql"
    file = "base.pgdump"

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._name = urlsplit(uri).path.lstrip("/")

    def copy_to(self, copy: Path) -> int:
        """Copy it by pg_dump, which reads the very snapshot that the records are counted in."""
        address = libpq_address(self._uri)
        with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            cursor.execute("SELECT pg_export_snapshot()")
            ((snapshot,),) = cursor.fetchall()
            cursor.execute(_RECORDS)
            ((records,),) = cursor.fetchall()
            _run("pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-privileges",
                 f"--snapshot={snapshot}", f"--file={copy}", f"--dbname={address}")  # fmt: skip
        return int(records)

    def records(self) -> int:
        """Count its records."""
        return int(self._ask(_RECORDS)[0][0])

    @contextmanager
    def restored(self, copy: Path) -> Iterator[str]:
        """Give the address of another database of the same server, made of the copy."""
        name = f"{self._name}_restauree_{secrets.token_hex(4)}"
        try:
            self._ask(f'CREATE DATABASE "{name}" TEMPLATE template0', database=_MAINTENANCE)
        except InsufficientPrivilege as error:
            raise BackupRefused("le rôle de la base doit pouvoir en créer d’autres : ALTER ROLE … CREATEDB") from error
        try:
            address = self._beside(name)
            _run("pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
                 f"--dbname={libpq_address(address)}", str(copy))  # fmt: skip
            yield address
        finally:
            self._ask(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', database=_MAINTENANCE)

    def holds_records(self) -> bool:
        """Tell whether the database has RelStorage's table of records, with anything in it."""
        return self._ask("SELECT to_regclass('object_state') IS NOT NULL") == [(True,)] and self._ask(
            "SELECT 1 FROM object_state LIMIT 1"
        ) == [(1,)]

    def is_used(self) -> bool:
        """Tell whether another connection to it is open."""
        others = self._ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s", self._name, database=_MAINTENANCE
        )
        return bool(others[0][0])

    def replace_by(self, restored: str, stamp: str) -> str | None:
        """Rename databases, both in one transaction."""
        before, arriving = f"{self._name}_avant_{stamp.lower()}", urlsplit(restored).path.lstrip("/")
        address = libpq_address(self._beside(_MAINTENANCE))
        with closing(psycopg2.connect(address)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{self._name}" RENAME TO "{before}"')
            cursor.execute(f'ALTER DATABASE "{arriving}" RENAME TO "{self._name}"')
        return before

    def _beside(self, name: str) -> str:
        """Give the address of another database of the same server."""
        return _PATH.sub(rf"\1/{name}", self._uri, count=1)

    def _ask(self, statement: str, *values: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run a statement outside a transaction, and give its rows."""
        address = self._beside(database) if database else self._uri
        with closing(psycopg2.connect(libpq_address(address))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []


def _count(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute(_RECORDS).fetchone()[0])


def _run(*command: str) -> None:
    """Run a program of PostgreSQL.

    :raises BackupRefused: with what it said, when it fails or is not there.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no words of ours come from outside
    except FileNotFoundError as error:
        raise BackupRefused(f"{command[0]} n’est pas installé (apt-get install postgresql-client)") from error
    if done.returncode:
        raise BackupRefused(f"{command[0]} : {done.stderr.strip()}")
