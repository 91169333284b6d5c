"""Open the bank's SQLite file: its tables, and transactions on it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    token TEXT PRIMARY KEY,
    site_id TEXT NOT NULL,
    trans_day TEXT NOT NULL,
    trans_id TEXT NOT NULL COLLATE NOCASE,
    fields TEXT NOT NULL,
    opened_at REAL NOT NULL,
    state TEXT NOT NULL,
    held TEXT,
    UNIQUE (site_id, trans_day, trans_id)
);
CREATE TABLE IF NOT EXISTS payment (
    uuid TEXT PRIMARY KEY,
    token TEXT NOT NULL REFERENCES page (token),
    order_id TEXT NOT NULL,
    created_at REAL NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS payment_by_order ON payment (order_id);
CREATE INDEX IF NOT EXISTS payment_by_token ON payment (token);
CREATE TABLE IF NOT EXISTS chargeback (
    uuid TEXT PRIMARY KEY REFERENCES payment (uuid),
    reference TEXT NOT NULL,
    order_id TEXT NOT NULL,
    amount INTEGER NOT NULL,
    at REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS notification (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL REFERENCES payment (uuid),
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at REAL NOT NULL,
    is_forged INTEGER NOT NULL DEFAULT 0,
    after_id INTEGER
);
CREATE INDEX IF NOT EXISTS notification_by_payment ON notification (uuid);
CREATE INDEX IF NOT EXISTS notification_by_due ON notification (state, due_at);
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY,
    notification_id INTEGER NOT NULL REFERENCES notification (id),
    at REAL NOT NULL,
    answer TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempt_by_notification ON attempt (notification_id);
-- Those that wait for no other, or for one that was tried.
CREATE VIEW IF NOT EXISTS free_notification AS SELECT * FROM notification
    WHERE after_id IS NULL OR EXISTS (SELECT 1 FROM attempt WHERE notification_id = notification.after_id);
CREATE TABLE IF NOT EXISTS number (name TEXT PRIMARY KEY, value REAL NOT NULL);
"""

#: What a file made before these columns has to be given.
_NEW_COLUMNS = {"is_forged": "INTEGER NOT NULL DEFAULT 0", "after_id": "INTEGER"}


class Database:
    """A SQLite file, with a connection a transaction.

    So no thread waits for another's, and SQLite's own lock decides who writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def prepare(self) -> None:
        """Make the tables, and the columns that a file of before lacks."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self.reading() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_SCHEMA)
            known = {row["name"] for row in database.execute("PRAGMA table_info(notification)")}
            for name in _NEW_COLUMNS.keys() - known:
                database.execute(f"ALTER TABLE notification ADD COLUMN {name} {_NEW_COLUMNS[name]}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Connect for as long as a few questions take."""
        database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
            yield database
        finally:
            database.close()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction, committed at the end."""
        with self.reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
