"""Keep the pages, the operations and the notifications of the bank, in one SQLite file.

What came of a card is committed before anyone is told (write-ahead log, ``synchronous=FULL``),
with the notifications that are still to be sent in the same transaction. So the bank may be
killed at any moment: it goes on where it was.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from sevres_familles.sandbox.bank.database import Database
from sevres_familles.sandbox.bank.entry import HeldCard
from sevres_familles.sandbox.bank.records import (
    Attempt,
    Chargeback,
    Notice,
    Notification,
    NotificationState,
    Operation,
    Page,
    PageState,
    Payment,
    Receipt,
    Source,
    Status,
)


class TransIdUsed(Exception):
    """The shop used the same ``vads_trans_id`` before, on the same UTC day."""


class PageEnded(Exception):
    """The payment page has come to its end already."""


class Store:
    """The bank's memory."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Return the memory of a bank that opens, made ready if it is new."""
        store = cls(path)
        store._database.prepare()
        with store._database.writing() as database:
            # Killed between sending and hearing: send again, the shop knows duplicates.
            database.execute(
                "UPDATE notification SET state = ? WHERE state = ?",
                (NotificationState.WAITING, NotificationState.SENDING),
            )
        return store

    # Numbers: how far the bank's clock is ahead, the last day that was closed.

    def number(self, name: str) -> float | None:
        """Return a number that was kept, none if it never was."""
        with self._database.reading() as database:
            row = database.execute("SELECT value FROM number WHERE name = ?", (name,)).fetchone()
        return float(row["value"]) if row else None

    def keep_number(self, name: str, value: float) -> None:
        """Keep a number."""
        with self._database.writing() as database:
            database.execute("INSERT OR REPLACE INTO number VALUES (?, ?)", (name, value))

    # Pages.

    def open_page(self, page: Page) -> None:
        """Keep a new page.

        :raises TransIdUsed: when its ``vads_trans_id`` was used that day.
        """
        fields = page.fields
        with self._database.writing() as database:
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
        with self._database.reading() as database:
            row = database.execute("SELECT * FROM page WHERE token = ?", (token,)).fetchone()
        return _page(row) if row else None

    def hold(self, token: str, card: HeldCard) -> None:
        """Keep a masked card until its holder has answered the challenge.

        :raises PageEnded: when the page was ended meanwhile.
        """
        with self._database.writing() as database:
            changed = database.execute(
                "UPDATE page SET state = ?, held = ? WHERE token = ? AND state <> ?",
                (PageState.CHALLENGE, json.dumps(asdict(card)), token, PageState.ENDED),
            )
            if not changed.rowcount:
                raise PageEnded(token)

    # Operations.

    def end_try(
        self, page: Page, payments: Sequence[Payment], notices: Sequence[Notice], *, ends: bool
    ) -> tuple[int, ...]:
        """Keep what came of a try on a page, with what the shop is to be told, in one transaction.

        :param ends: whether the page ends too; if not, another card may be tried on it.
        :returns: the numbers of the notifications.
        :raises PageEnded: when another tab or click was first.
        """
        tried = payments[0].sequence or 0
        with self._database.writing() as database:
            changed = database.execute(
                "UPDATE page SET state = ?, held = NULL WHERE token = ? AND state <> ?",
                (PageState.ENDED if ends else PageState.OPEN, page.token, PageState.ENDED),
            )
            if not changed.rowcount or (tried and tried <= _tries(database, page.token)):
                raise PageEnded(page.token)
            for payment in payments:
                _insert(database, payment)
            return _add(database, notices)

    def tries(self, token: str) -> int:
        """Return how many cards were tried on a page."""
        with self._database.reading() as database:
            return _tries(database, token)

    def change(self, uuid: str, before: Status, after: Status, at: float, notices: Sequence[Notice] = ()) -> bool:
        """Change the status of an operation, if it is as believed, and keep what the shop is to be told."""
        with self._database.writing() as database:
            changed = database.execute(
                "UPDATE payment SET record = json_set(record, '$.status', ?, '$.changed_at', ?) "
                "WHERE uuid = ? AND json_extract(record, '$.status') = ?",
                (after, at, uuid, before),
            )
            if changed.rowcount:
                _add(database, notices)
            return bool(changed.rowcount)

    def give_back(self, credit: Payment, most: int, notices: Sequence[Notice]) -> bool:
        """Keep money given back, unless more than ``most`` cents of its parent would be then."""
        with self._database.writing() as database:
            if _given_back(database, credit.parent) + credit.amount > most:
                return False
            _insert(database, credit)
            _add(database, notices)
            return True

    def given_back(self, uuid: str) -> int:
        """Return how much of an operation was given back: refunds, and an impayé."""
        with self._database.reading() as database:
            return _given_back(database, uuid)

    def charge_back(self, chargeback: Chargeback) -> bool:
        """Keep an impayé, one an operation at most."""
        with self._database.writing() as database:
            added = database.execute(
                "INSERT OR IGNORE INTO chargeback VALUES (?, ?, ?, ?, ?)",
                (chargeback.uuid, chargeback.reference, chargeback.order_id, chargeback.amount, chargeback.at),
            )
            return bool(added.rowcount)

    def chargebacks(self, since: float = 0.0, until: float = float("inf")) -> list[Chargeback]:
        """Return the impayés of a time, the oldest first."""
        with self._database.reading() as database:
            rows = database.execute("SELECT * FROM chargeback WHERE at >= ? AND at < ? ORDER BY at", (since, until))
            return [
                Chargeback(row["reference"], row["uuid"], row["order_id"], row["amount"], row["at"]) for row in rows
            ]

    def note_receipt(self, uuid: str, receipt: Receipt) -> None:
        """Record what became of the receipt of a payment."""
        with self._database.writing() as database:
            database.execute(
                "UPDATE payment SET record = json_set(record, '$.receipt', ?) WHERE uuid = ?",
                (receipt, uuid),
            )

    def payment(self, uuid: str) -> Payment | None:
        """Return an operation by the bank's reference, none if there is no such one."""
        return next(iter(self._payments("SELECT record FROM payment WHERE uuid = ?", uuid)), None)

    def payment_of_page(self, token: str) -> Payment | None:
        """Return what last came of a page, none while nothing has."""
        query = (
            "SELECT record FROM payment WHERE token = ? AND coalesce(json_extract(record, '$.parent'), '') = '' "
            "ORDER BY created_at DESC, rowid DESC LIMIT 1"
        )
        return next(iter(self._payments(query, token)), None)

    def payments_of_order(self, order_id: str) -> list[Payment]:
        """Return every operation of one reference of the shop, the oldest first."""
        return self._payments("SELECT record FROM payment WHERE order_id = ? ORDER BY created_at, rowid", order_id)

    def latest_payments(self, most: int = 100) -> list[Payment]:
        """Return the latest operations, the newest first."""
        return self._payments("SELECT record FROM payment ORDER BY created_at DESC, rowid DESC LIMIT ?", most)

    def payments_changed(self, since: float, until: float) -> list[Payment]:
        """Return the operations that were made or changed in a time, the oldest first."""
        query = "SELECT record FROM payment WHERE created_at < ? ORDER BY created_at, rowid"
        return [each for each in self._payments(query, until) if since <= max(each.created_at, each.changed_at) < until]

    def payments_with(self, status: Status, until: float) -> list[Payment]:
        """Return the operations that have a status since before a moment."""
        query = (
            "SELECT record FROM payment WHERE json_extract(record, '$.status') = ? AND created_at < ? "
            "ORDER BY created_at, rowid"
        )
        return self._payments(query, status, until)

    def _payments(self, query: str, *parameters: str | float) -> list[Payment]:
        with self._database.reading() as database:
            return [_payment(row["record"]) for row in database.execute(query, parameters)]

    # Notifications.

    def notify(self, notice: Notice) -> int:
        """Keep a notification that is to be sent, and return its number."""
        with self._database.writing() as database:
            return _add(database, [notice])[0]

    def claim_notification(self, now: float) -> Notification | None:
        """Take the notification that has been due for longest, none if none is."""
        with self._database.writing() as database:
            row = database.execute(
                "UPDATE notification SET state = ? WHERE id = ("
                "  SELECT id FROM free_notification WHERE state = ? AND due_at <= ?"
                "  ORDER BY due_at, id LIMIT 1) RETURNING *",
                (NotificationState.SENDING, NotificationState.WAITING, now),
            ).fetchone()
            return _notification(database, row) if row else None

    def next_due(self) -> float | None:
        """Return when the next notification is due, none if none is waiting."""
        with self._database.reading() as database:
            row = database.execute(
                "SELECT min(due_at) AS due_at FROM free_notification WHERE state = ?",
                (NotificationState.WAITING,),
            ).fetchone()
        due: float | None = row["due_at"]
        return due

    def record_attempt(
        self, notification: Notification, attempt: Attempt, state: NotificationState, due_at: float
    ) -> None:
        """Record one try, and what becomes of the notification."""
        with self._database.writing() as database:
            database.execute(
                "INSERT INTO attempt (notification_id, at, answer) VALUES (?, ?, ?)",
                (notification.id, attempt.at, attempt.answer),
            )
            database.execute(
                "UPDATE notification SET state = ?, due_at = ? WHERE id = ?",
                (state, due_at, notification.id),
            )

    def notifications(self, uuid: str) -> list[Notification]:
        """Return the notifications of an operation with their tries, the oldest first."""
        with self._database.reading() as database:
            rows = database.execute("SELECT * FROM notification WHERE uuid = ? ORDER BY id", (uuid,)).fetchall()
            return [_notification(database, row) for row in rows]

    def was_tried(self, notification_id: int) -> bool:
        """Tell whether a notification was sent at least once, and answered or not."""
        with self._database.reading() as database:
            row = database.execute("SELECT 1 FROM attempt WHERE notification_id = ?", (notification_id,)).fetchone()
        return row is not None


def _insert(database: sqlite3.Connection, payment: Payment) -> None:
    row = payment.uuid, payment.token, payment.order_id, payment.created_at, json.dumps(asdict(payment))
    database.execute("INSERT INTO payment VALUES (?, ?, ?, ?, ?)", row)


def _tries(database: sqlite3.Connection, token: str) -> int:
    row = database.execute(
        "SELECT max(json_extract(record, '$.sequence')) AS tries FROM payment "
        "WHERE token = ? AND coalesce(json_extract(record, '$.parent'), '') = ''",
        (token,),
    ).fetchone()
    return int(row["tries"] or 0)


def _given_back(database: sqlite3.Connection, uuid: str) -> int:
    row = database.execute(
        "SELECT (SELECT coalesce(sum(json_extract(record, '$.amount')), 0) FROM payment "
        "WHERE json_extract(record, '$.parent') = :uuid) "
        "+ (SELECT coalesce(sum(amount), 0) FROM chargeback WHERE uuid = :uuid) AS cents",
        {"uuid": uuid},
    ).fetchone()
    return int(row["cents"])


def _add(database: sqlite3.Connection, notices: Sequence[Notice]) -> tuple[int, ...]:
    numbers: list[int] = []
    for each in notices:
        after = numbers[-1] if each.after_last else None
        added = database.execute(
            "INSERT INTO notification (uuid, source, state, due_at, is_forged, after_id) VALUES (?, ?, ?, ?, ?, ?) "
            "RETURNING id",
            (each.uuid, each.source, each.state, each.due_at, each.is_forged, after),
        ).fetchone()
        numbers.append(int(added["id"]))
    return tuple(numbers)


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
    values["operation"] = Operation(values.get("operation", Operation.DEBIT))
    return Payment(**values)


def _notification(database: sqlite3.Connection, row: sqlite3.Row) -> Notification:
    attempts = database.execute("SELECT at, answer FROM attempt WHERE notification_id = ? ORDER BY id", (row["id"],))
    return Notification(
        id=row["id"],
        uuid=row["uuid"],
        source=Source(row["source"]),
        state=NotificationState(row["state"]),
        due_at=row["due_at"],
        is_forged=bool(row["is_forged"]),
        attempts=tuple(Attempt(attempt["at"], attempt["answer"]) for attempt in attempts),
    )
