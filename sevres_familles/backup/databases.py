"""The databases: each kind is copied while it serves, restored beside the one that serves, and put in its place.

Both are exact: records keep their oids, their transactions and their seals.
"""

import fcntl
import shutil
import sqlite3
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import psycopg2
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import parse_dsn

from sevres_familles.backup.disk import sync
from sevres_familles.backup.vault import BackupRefused
from sevres_familles.web.storage import embedded_folder, libpq_address

_RECORDS = "SELECT count(*) FROM object_state"
#: Where PostgreSQL is asked to make and rename databases.
_MAINTENANCE = "postgres"
#: How long PostgreSQL may take, in seconds, to let a connection go that was closed.
_CLOSING = 3
_PAUSE = 0.1
#: The bytes that SQLite locks in a file (https://sqlite.org/fileformat2.html, « the lock-byte page »): the first, and
#: how many.
_LOCKED = (0x40000000, 512)
#: `struct flock`: kind, whence, first, length, process.
_FLOCK = "hhqqi"


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

        It goes at the end of the block, unless put in place.  What it makes outside the workshop of the copy bears the
        name of that workshop.
        """

    def forget(self, workshop: str) -> None:
        """Remove what a workshop that was left made outside it."""

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
        """Give the address of a folder with the copy in it, which goes with the workshop."""
        folder = copy.parent / "base"
        folder.mkdir(mode=0o700)
        copy.rename(folder / self.file)
        try:
            yield f"embedded://{folder}?{self._query}"
        finally:
            self.forget(copy.parent.name)

    def forget(self, workshop: str) -> None:
        """Remove the folder that was about to take the place."""
        shutil.rmtree(self._beside(workshop), ignore_errors=True)

    def holds_records(self) -> bool:
        """Tell whether there is a database."""
        return (self._folder / self.file).exists()

    def is_used(self) -> bool:
        """Tell whether another process has it open: SQLite then holds a lock, which is asked for without reading.

        So a damaged database can be replaced, and one that a process still works on cannot, whatever stands in it.
        """
        if not self.holds_records():
            return False
        question = struct.pack(_FLOCK, fcntl.F_WRLCK, 0, *_LOCKED, 0)
        with (self._folder / self.file).open("rb") as file:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, question)
        return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)

    def replace_by(self, restored: str, stamp: str) -> str | None:
        """Rename folders: the restored one arrives whole, or not."""
        source = embedded_folder(restored)
        arriving = self._beside(source.parent.name)
        shutil.move(source, arriving)
        for path in (*arriving.iterdir(), arriving):
            sync(path)
        before = None
        if self._folder.exists():
            before = self._beside(f"avant-{stamp}")
            self._folder.rename(before)
        arriving.rename(self._folder)
        sync(self._folder.parent)
        return str(before) if before else None

    def _beside(self, word: str) -> Path:
        return self._folder.with_name(f"{self._folder.name}.{word}")


class PostgresDatabase:
    """A database of PostgreSQL, copied by its own programs."""

    kind = "postgresql"
    file = "base.pgdump"

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._name = _name_in(uri)

    def copy_to(self, copy: Path) -> int:
        """Copy it by pg_dump, which reads the very snapshot that the records are counted in."""
        with closing(_connection(self._uri)) as connection, connection.cursor() as cursor:
            connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
            cursor.execute("SELECT pg_export_snapshot()")
            ((snapshot,),) = cursor.fetchall()
            cursor.execute(_RECORDS)
            ((records,),) = cursor.fetchall()
            _run("pg_dump", "--format=custom", "--compress=0", "--no-owner", "--no-privileges",
                 f"--snapshot={snapshot}", f"--file={copy}", f"--dbname={libpq_address(self._uri)}")  # fmt: skip
        return int(records)

    def records(self) -> int:
        """Count its records."""
        return int(self._ask(_RECORDS)[0][0])

    @contextmanager
    def restored(self, copy: Path) -> Iterator[str]:
        """Give the address of another database of the same server, made of the copy."""
        name = self._named_after(copy.parent.name)
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
            self.forget(copy.parent.name)

    def forget(self, workshop: str) -> None:
        """Drop the database that was made of a copy."""
        self._ask(f'DROP DATABASE IF EXISTS "{self._named_after(workshop)}" WITH (FORCE)', database=_MAINTENANCE)

    def holds_records(self) -> bool:
        """Tell whether the database has RelStorage's table of records, with anything in it.

        :raises BackupRefused: when there is no such database: its administrator makes it.
        """
        if not self._ask("SELECT 1 FROM pg_database WHERE datname = %s", self._name, database=_MAINTENANCE):
            raise BackupRefused(
                f"la base « {self._name} » n’existe pas : que son administrateur la crée d’abord, vide "
                f"(createdb -O RÔLE -E UTF8 -T template0 {self._name})"
            )
        return self._ask("SELECT to_regclass('object_state') IS NOT NULL") == [(True,)] and self._ask(
            "SELECT 1 FROM object_state LIMIT 1"
        ) == [(1,)]

    def is_used(self) -> bool:
        """Tell whether another connection to it is open, and stays so: the server's own workers are none."""
        give_up_at = time.monotonic() + _CLOSING
        while self._connections():
            if time.monotonic() >= give_up_at:
                return True
            time.sleep(_PAUSE)
        return False

    def _connections(self) -> int:
        ((count,),) = self._ask(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND backend_type = 'client backend'",
            self._name,
            database=_MAINTENANCE,
        )
        return int(count)

    def replace_by(self, restored: str, stamp: str) -> str | None:
        """Rename databases, both in one transaction."""
        before, arriving = f"{self._name}_avant_{stamp.lower()}", _name_in(restored)
        with closing(_connection(self._beside(_MAINTENANCE))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{self._name}" RENAME TO "{before}"')
            cursor.execute(f'ALTER DATABASE "{arriving}" RENAME TO "{self._name}"')
        return before

    def _beside(self, name: str) -> str:
        """Give the address of another database of the same server: the last name that an address says counts."""
        return f"{self._uri}{'&' if '?' in self._uri else '?'}dbname={quote(name, safe='')}"

    def _named_after(self, workshop: str) -> str:
        return f"{self._name}_{workshop}"

    def _ask(self, statement: str, *values: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run a statement outside a transaction, and give its rows."""
        address = self._beside(database) if database else self._uri
        with closing(_connection(address)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement, values)
                return list(cursor.fetchall()) if cursor.description else []


def _name_in(uri: str) -> str:
    """Give the name of the database of an address."""
    words = parse_dsn(libpq_address(uri))
    return str(words.get("dbname") or words.get("user"))


def _connection(uri: str) -> Any:
    """Connect to a database of PostgreSQL.

    :raises BackupRefused: with what it said, when it does not answer, or lets nobody in.
    """
    try:
        return psycopg2.connect(libpq_address(uri))
    except psycopg2.OperationalError as error:
        raise BackupRefused(f"PostgreSQL n’ouvre pas la base : {str(error).strip()}") from error


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
