"""A small model of the bank: what the interleavings are judged by.

It takes the forms that browsers bring, ends each page once, writes messages in the bank's terms and signs them, answers
`Order/Get`, and at the end writes the file that the oracle reads.  It shares nothing with the sandbox's bank, nor with
the portal but the words of the bank's documents.
"""

import itertools
import json
import random
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.payments.making import HASH, SITE, body_of, fields_of, sign

PAGE_LIFE = 600
MOST_TRIES = 3


@dataclass
class Operation:
    """Money that the bank moves, or did not: its words for it."""

    uuid: str
    order: str
    amount: int
    status: str
    at: datetime
    sequence: int | None
    kind: str = "DEBIT"

    @property
    def takes(self) -> bool:
        return self.kind == "DEBIT" and self.status in ("AUTHORISED", "CAPTURED")


@dataclass
class Page:
    """A payment page: the form that opened it, and what came of it."""

    form: Mapping[str, str]
    opened_at: datetime
    tries: int = 0
    is_ended: bool = False


class Message(NamedTuple):
    """A notification, as it was when it was written; some may be lost, the bank being asked instead."""

    order: str
    body: bytes
    may_be_lost: bool


@dataclass
class ModelBank:
    """The bank of one run."""

    key: str
    now: Callable[[], datetime]
    drawing: random.Random
    pages: dict[str, Page] = field(default_factory=dict)
    operations: list[Operation] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    #: Fields that the bank adds to its notifications, beside those of its documents.
    added: dict[str, str | None] = field(default_factory=dict)
    _numbers: Any = field(default_factory=itertools.count)

    def open_page(self, form: Mapping[str, str]) -> Page | None:
        """Take a form; none when its transaction number was used already, as a double post's is."""
        assert form["signature"] == sign(dict(form), self.key)
        assert form["vads_site_id"] == SITE
        used = {(page.form["vads_trans_date"][:8], page.form["vads_trans_id"]) for page in self.pages.values()}
        if (form["vads_trans_date"][:8], form["vads_trans_id"]) in used:
            return None
        assert form["vads_order_id"] not in self.pages
        page = self.pages[form["vads_order_id"]] = Page(form, self.now())
        return page

    def try_card(self, page: Page, outcome: str) -> None:
        """End a try on a page: AUTHORISED, REFUSED, UNDER_VERIFICATION or ABANDONED."""
        if page.is_ended or (self.now() - page.opened_at).total_seconds() > PAGE_LIFE:
            return
        page.tries += 1
        page.is_ended = outcome != "REFUSED" or page.tries == MOST_TRIES
        order, amount = page.form["vads_order_id"], int(page.form["vads_amount"])
        self._add(Operation(self._uuid(), order, amount, outcome, self.now(), page.tries))

    def settle_verifications(self) -> None:
        """Have what was under verification accepted or refused, by the night's work."""
        for each in self.operations:
            if each.status == "UNDER_VERIFICATION":
                each.status = self.drawing.choice(("AUTHORISED", "REFUSED"))
                self._tell(each, "BATCH")

    def cancel(self, operation: Operation) -> None:
        """Cancel a payment before its remittance."""
        if operation.status == "AUTHORISED" and operation.takes:
            operation.status = "CANCELLED"
            self._tell(operation, "MERCH_BO")

    def give_back(self, operation: Operation, cents: int) -> None:
        """Give money of a payment back, once."""
        if operation.takes and operation.status != "CAPTURED":
            operation.status = "CAPTURED"
            self._add(Operation(self._uuid(), operation.order, cents, "AUTHORISED", self.now(), None, "CREDIT"))

    def answer(self, order: str) -> dict[str, Any] | None:
        """Answer ``Order/Get``; none when the bank knows nothing."""
        known = [each for each in self.operations if each.order == order]
        if not known:
            return None
        return {
            "shopId": SITE,
            "orderDetails": {"orderId": order},
            "transactions": [
                {
                    "uuid": each.uuid,
                    "operationType": each.kind,
                    "detailedStatus": each.status,
                    "amount": each.amount,
                    "currency": "EUR",
                    "transactionDetails": {"sequenceNumber": each.sequence},
                }
                for each in known
            ],
        }

    def write(self, database_file: Path) -> None:
        """Write the file of the bank, as the oracle reads it."""
        with closing(sqlite3.connect(database_file, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = OFF")
            database.execute("BEGIN")
            database.execute("CREATE TABLE IF NOT EXISTS payment (uuid TEXT, record TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS chargeback (uuid TEXT, order_id TEXT, amount INT, at REAL)")
            database.execute("DELETE FROM payment")
            database.executemany("INSERT INTO payment VALUES (?, ?)", map(_row, self.operations))
            database.execute("COMMIT")

    def _uuid(self) -> str:
        return f"u{next(self._numbers)}"

    def _add(self, operation: Operation) -> None:
        self.operations.append(operation)
        self._tell(operation, "PAY" if operation.kind == "DEBIT" else "MERCH_BO")

    def _tell(self, operation: Operation, source: str) -> None:
        form = self.pages[operation.order].form
        result, authorised = _RESULTS.get(operation.status, ("00", "00"))
        fields = fields_of(
            order_id=operation.order,
            trans_id=form["vads_trans_id"],
            trans_date=form["vads_trans_date"],
            amount=str(operation.amount),
            effective_amount=str(operation.amount),
            trans_status=operation.status,
            trans_uuid=operation.uuid,
            operation_type=operation.kind,
            sequence_number=str(operation.sequence) if operation.sequence is not None else None,
            result=result,
            auth_result=authorised,
            url_check_src=source,
            hash=HASH,
            **self.added,
        )
        self.messages.append(Message(operation.order, body_of(fields, self.key), source != "MERCH_BO"))


_RESULTS = {"REFUSED": ("05", "51"), "ABANDONED": ("17", None)}


def _row(operation: Operation) -> tuple[str, str]:
    record = {
        "uuid": operation.uuid,
        "order_id": operation.order,
        "amount": operation.amount,
        "status": operation.status,
        "operation": operation.kind,
        "created_at": operation.at.timestamp(),
    }
    return operation.uuid, json.dumps(record)
