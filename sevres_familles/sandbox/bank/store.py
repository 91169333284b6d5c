"""Keep the pages, the payments and the notifications of the bank, in one SQLite file.

What came of a payment page is one row, committed before anyone is told (write-ahead log,
``synchronous=FULL``), with the notification that is still to be sent in the same
transaction. So the bank may be killed at any moment: it goes on where it was.

Moments are seconds since 1970, in UTC. Amounts are whole cents.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

from sevres_familles.sandbox.bank.entry import HeldCard

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
CREATE TABLE IF NOT EXISTS notification (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL REFERENCES payment (uuid),
    source TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at REAL NOT NULL
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
"""


class TransIdUsed(Exception):
    """The shop used the same ``vads_trans_id`` before, on the same UTC day."""


class PageEnded(Exception):
    """The payment page has come to its end already."""


class PageState(StrEnum):
    """How far a payer has come."""

    OPEN = "open"
    CHALLENGE = "challenge"
    ENDED = "ended"


class Status(StrEnum):
    """What came of a payment page, in the bank's words (``vads_trans_status``)."""

    AUTHORISED = "AUTHORISED"
    REFUSED = "REFUSED"
    ABANDONED = "ABANDONED"


class NotificationState(StrEnum):
    """How far a notification has come."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    GIVEN_UP = "given up"
    #: A scenario wants it never to be sent.
    LOST = "lost"


class Receipt(StrEnum):
    """What became of the receipt a payer asked for."""

    NOT_ASKED = "not asked"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True)
class Page:
    """A payment page: what the shop asked for, and how far the payer has come."""

    token: str
    #: The ``vads_`` fields of the shop's form, as they came.
    fields: Mapping[str, str]
    opened_at: float
    state: PageState = PageState.OPEN
    held: HeldCard | None = None

    @property
    def order_id(self) -> str:
        """Return the shop's own reference."""
        return self.fields["vads_order_id"]

    @property
    def amount(self) -> int:
        """Return the sum to pay, in cents."""
        return int(self.fields["vads_amount"])

    @property
    def return_address(self) -> str:
        """Return where the payer came from and goes back to."""
        return self.fields["vads_url_return"]

    @property
    def return_mode(self) -> str:
        """Return how the payer goes back: GET, POST, or NONE (without any field)."""
        return self.fields.get("vads_return_mode") or "NONE"

    @property
    def notification_address(self) -> str:
        """Return where the shop wants to be told; empty if nowhere."""
        return self.fields.get("vads_url_check", "")


@dataclass(frozen=True)
class Payment:
    """What came of a payment page, once and for all."""

    uuid: str
    token: str
    order_id: str
    amount: int
    created_at: float
    status: Status
    #: Two digits: 00 done, 05 refused, 17 cancelled by the buyer.
    result: str
    #: The answer of the payer's bank, two digits; none when it was not asked.
    auth_result: str | None
    auth_number: str
    #: 1 for the first card tried on the page; none when there was no card.
    sequence: int | None
    #: Masked; empty when there was no card.
    card: str
    expiry_month: int
    expiry_year: int
    #: CHALLENGE, FRICTIONLESS, or empty when there was no card.
    authentication: str
    certificate: str
    #: The value of ``vads_hash``, known to the notification alone.
    hash: str = field(repr=False)
    receipt: Receipt = Receipt.NOT_ASKED


@dataclass(frozen=True)
class Attempt:
    """One try to tell the shop, and what it answered."""

    at: float
    answer: str


@dataclass(frozen=True)
class Notification:
    """What the shop is to be told of a payment, and the tries so far."""

    id: int
    uuid: str
    #: The bank's word for why it is sent: PAY by itself, BO when the merchant asked.
    source: str
    state: NotificationState
    due_at: float
    attempts: tuple[Attempt, ...] = ()


class Store:
    """The bank's memory.

    A connection a transaction: no thread waits for another's, and SQLite's own lock
    decides who writes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Return the memory of a bank that opens, made ready if it is new."""
        path.parent.mkdir(parents=True, exist_ok=True)
        store = cls(path)
        with store._connection() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(_SCHEMA)
        with store._writing() as database:
            # Killed between sending and hearing: send again, the shop knows duplicates.
            database.execute(
                "UPDATE notification SET state = ? WHERE state = ?",
                (NotificationState.WAITING, NotificationState.SENDING),
            )
        return store

    # Pages.

    def open_page(self, page: Page) -> None:
        """Keep a new page.

        :raises TransIdUsed: when its ``vads_trans_id`` was used that day.
        """
        fields = page.fields
        with self._writing() as database:
            try:
                database.execute(
                    "INSERT INTO page VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
                    (
                        page.token,
                        fields["vads_site_id"],
                        fields["vads_trans_date"][:8],
                        fields["vads_trans_id"],
                        json.dumps(dict(fields)),
                        page.opened_at,
                        page.state,
                    ),
                )
            except sqlite3.IntegrityError as error:
                raise TransIdUsed(fields["vads_trans_id"]) from error

    def page(self, token: str) -> Page | None:
        """Return a page, none if there is no such one."""
        with self._connection() as database:
            row = database.execute("SELECT * FROM page WHERE token = ?", (token,)).fetchone()
        return _page(row) if row else None

    def hold(self, token: str, card: HeldCard) -> None:
        """Keep a masked card until its holder has answered the challenge.

        :raises PageEnded: when the page was ended meanwhile.
        """
        with self._writing() as database:
            changed = database.execute(
                "UPDATE page SET state = ?, held = ? WHERE token = ? AND state <> ?",
                (PageState.CHALLENGE, json.dumps(asdict(card)), token, PageState.ENDED),
            )
            if not changed.rowcount:
                raise PageEnded(token)

    # Payments.

    def end_page(self, payment: Payment, notification: NotificationState | None) -> int | None:
        """End a page, once, by what came of it.

        The row and the notification to send are one transaction.

        :param notification: how it begins, none if the shop gave no address for it.
        :returns: the number of the notification.
        :raises PageEnded: when the page was ended before, by another tab or click.
        """
        with self._writing() as database:
            changed = database.execute(
                "UPDATE page SET state = ?, held = NULL WHERE token = ? AND state <> ?",
                (PageState.ENDED, payment.token, PageState.ENDED),
            )
            if not changed.rowcount:
                raise PageEnded(payment.token)
            database.execute(
                "INSERT INTO payment VALUES (?, ?, ?, ?, ?)",
                (
                    payment.uuid,
                    payment.token,
                    payment.order_id,
                    payment.created_at,
                    json.dumps(asdict(payment)),
                ),
            )
            if notification is None:
                return None
            return _add(database, payment.uuid, "PAY", notification, payment.created_at)

    def note_receipt(self, uuid: str, receipt: Receipt) -> None:
        """Record what became of the receipt of a payment."""
        with self._writing() as database:
            database.execute(
                "UPDATE payment SET record = json_set(record, '$.receipt', ?) WHERE uuid = ?",
                (receipt, uuid),
            )

    def payment(self, uuid: str) -> Payment | None:
        """Return a payment by the bank's reference, none if there is no such one."""
        return next(iter(self._payments("SELECT record FROM payment WHERE uuid = ?", uuid)), None)

    def payment_of_page(self, token: str) -> Payment | None:
        """Return what came of a page, none while nothing has."""
        return next(iter(self._payments("SELECT record FROM payment WHERE token = ?", token)), None)

    def payments_of_order(self, order_id: str) -> list[Payment]:
        """Return what came of every page opened for one reference of the shop."""
        return self._payments("SELECT record FROM payment WHERE order_id = ? ORDER BY created_at", order_id)

    def latest_payments(self, most: int = 100) -> list[Payment]:
        """Return the latest payments, the newest first."""
        return self._payments("SELECT record FROM payment ORDER BY created_at DESC, rowid DESC LIMIT ?", most)

    def _payments(self, query: str, *parameters: str | int) -> list[Payment]:
        with self._connection() as database:
            return [_payment(row["record"]) for row in database.execute(query, parameters)]

    # Notifications.

    def notify_again(self, uuid: str, now: float) -> int:
        """Ask for a payment's notification once more, at once, and return its number."""
        with self._writing() as database:
            return _add(database, uuid, "BO", NotificationState.WAITING, now)

    def claim_notification(self, now: float) -> Notification | None:
        """Take the notification that has been due for longest, none if none is."""
        with self._writing() as database:
            row = database.execute(
                "UPDATE notification SET state = ? WHERE id = ("
                "  SELECT id FROM notification WHERE state = ? AND due_at <= ?"
                "  ORDER BY due_at LIMIT 1) RETURNING *",
                (NotificationState.SENDING, NotificationState.WAITING, now),
            ).fetchone()
            return _notification(database, row) if row else None

    def next_due(self) -> float | None:
        """Return when the next notification is due, none if none is waiting."""
        with self._connection() as database:
            row = database.execute(
                "SELECT min(due_at) AS due_at FROM notification WHERE state = ?",
                (NotificationState.WAITING,),
            ).fetchone()
        due: float | None = row["due_at"]
        return due

    def record_attempt(
        self, notification: Notification, attempt: Attempt, state: NotificationState, due_at: float
    ) -> None:
        """Record one try, and what becomes of the notification."""
        with self._writing() as database:
            database.execute(
                "INSERT INTO attempt (notification_id, at, answer) VALUES (?, ?, ?)",
                (notification.id, attempt.at, attempt.answer),
            )
            database.execute(
                "UPDATE notification SET state = ?, due_at = ? WHERE id = ?",
                (state, due_at, notification.id),
            )

    def notifications(self, uuid: str) -> list[Notification]:
        """Return the notifications of a payment with their tries, the oldest first."""
        with self._connection() as database:
            rows = database.execute("SELECT * FROM notification WHERE uuid = ? ORDER BY id", (uuid,)).fetchall()
            return [_notification(database, row) for row in rows]

    def was_tried(self, notification_id: int) -> bool:
        """Tell whether a notification was sent at least once, and answered or not."""
        with self._connection() as database:
            row = database.execute("SELECT 1 FROM attempt WHERE notification_id = ?", (notification_id,)).fetchone()
        return row is not None

    # Connections.

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._path, timeout=30, isolation_level=None)
        try:
            database.row_factory = sqlite3.Row
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA foreign_keys = ON")
            yield database
        finally:
            database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connection() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")


def _add(database: sqlite3.Connection, uuid: str, source: str, state: NotificationState, now: float) -> int:
    added = database.execute(
        "INSERT INTO notification (uuid, source, state, due_at) VALUES (?, ?, ?, ?) RETURNING id",
        (uuid, source, state, now),
    ).fetchone()
    number: int = added["id"]
    return number


def _page(row: sqlite3.Row) -> Page:
    return Page(
        token=row["token"],
        fields=json.loads(row["fields"]),
        opened_at=row["opened_at"],
        state=PageState(row["state"]),
        held=HeldCard(**json.loads(row["held"])) if row["held"] else None,
    )


def _payment(record: str) -> Payment:
    values = json.loads(record)
    values["status"] = Status(values["status"])
    values["receipt"] = Receipt(values["receipt"])
    return Payment(**values)


def _notification(database: sqlite3.Connection, row: sqlite3.Row) -> Notification:
    attempts = database.execute("SELECT at, answer FROM attempt WHERE notification_id = ? ORDER BY id", (row["id"],))
    return Notification(
        id=row["id"],
        uuid=row["uuid"],
        source=row["source"],
        state=NotificationState(row["state"]),
        due_at=row["due_at"],
        attempts=tuple(Attempt(attempt["at"], attempt["answer"]) for attempt in attempts),
    )
