"""Where an import keeps what it read: a private SQLite file in the folder of state, taken away at the end.

The lock beside it lets one import run at a time.
"""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TABLES = {
    "families": ("code", "file", "line", "guardians", "emails"),
    "children": ("code", "file", "line", "child"),
    "invoices": ("code", "file", "line", "regie", "name", "head", "total", "remaining", "state", "counted", "issued"),
    "lines": ("regie", "name", "file", "line", "total", "body"),
    "balances": ("code", "file", "line", "regie", "amount", "computed_on"),
    "stored": ("code",),
    "looked_at": ("code",),
    "known": ("code", "regie", "name"),
    "planned": ("code",),
    "addresses": ("hash", "code"),
}
#: Made once the tables are full: sorting once is quicker than keeping order.
_INDEXES = {
    "families": ("code",),
    "children": ("code",),
    "invoices": ("code, regie, name", "regie, name"),
    "lines": ("regie, name",),
    "balances": ("code, regie",),
    "stored": ("code",),
    "looked_at": ("code",),
    "known": ("regie, name",),
    "planned": ("code",),
    "addresses": ("hash, code",),
}
_AT_ONCE = 1_000


class ImportRunning(Exception):
    """Another import holds the lock."""


class Workspace:
    """The tables of an import: rows are added, then ordered, then gone through."""

    def __init__(self, path: Path) -> None:
        # isolation_level=None: one transaction for it all, which is never needed again after a crash.
        self._connection = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -8000", "locking_mode = EXCLUSIVE"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("BEGIN")
        for table, columns in _TABLES.items():
            self._connection.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
        self._waiting: dict[str, list[Sequence[Any]]] = {table: [] for table in _TABLES}

    def add(self, table: str, row: Sequence[Any]) -> None:
        """Add a row to a table, in the order of its columns."""
        waiting = self._waiting[table]
        waiting.append(row)
        if len(waiting) >= _AT_ONCE:
            self._flush(table)

    def _flush(self, table: str) -> None:
        places = ", ".join("?" * len(_TABLES[table]))
        self._connection.executemany(f"INSERT INTO {table} VALUES ({places})", self._waiting[table])
        self._waiting[table].clear()

    def order(self, *tables: str) -> None:
        """Close tables to new rows, and make their indexes."""
        for table in tables:
            self._flush(table)
            for number, columns in enumerate(_INDEXES.get(table, ())):
                self._connection.execute(f"CREATE INDEX {table}_{number} ON {table} ({columns})")

    def fill(self, table: str, query: str, *parameters: Any) -> None:
        """Add the rows that a query gives to a table."""
        self._connection.execute(f"INSERT INTO {table} {query}", parameters)

    def select(self, query: str, *parameters: Any) -> Iterator[Any]:
        """Go through the rows of a query."""
        return self._connection.execute(query, parameters)

    def count(self, table: str) -> int:
        """Count the rows of a table that is closed."""
        (count,) = next(self.select(f"SELECT COUNT(*) FROM {table}"))
        return int(count)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


@contextmanager
def workspace_in(state: Path) -> Iterator[Workspace]:
    """Take the lock, and make the workspace of one import; both are gone at the end.

    :raises ImportRunning: when another import has the lock.
    """
    folder = state / "import"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "workspace.sqlite"
    with (folder / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ImportRunning from error
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        # What SQLite sorts it writes to files without a name: they stay in our folder too.
        os.environ["SQLITE_TMPDIR"] = str(folder)
        workspace = Workspace(path)
        try:
            yield workspace
        finally:
            workspace.close()
            path.unlink()
