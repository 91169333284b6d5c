"""What the bank keeps: pages, operations, what the shop is to be told of them, and impayés.

Moments are seconds since 1970, in UTC, by the bank's own clock. Amounts are whole cents.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from sevres_familles.sandbox.bank.entry import HeldCard


class PageState(StrEnum):
    """How far a payer has come."""

    OPEN = "open"
    CHALLENGE = "challenge"
    ENDED = "ended"


class Status(StrEnum):
    """Where an operation stands, in the bank's words (``vads_trans_status``)."""

    AUTHORISED = "AUTHORISED"
    CAPTURED = "CAPTURED"
    UNDER_VERIFICATION = "UNDER_VERIFICATION"
    CANCELLED = "CANCELLED"
    REFUSED = "REFUSED"
    ABANDONED = "ABANDONED"


#: The statuses of money that has moved, or will at the next remittance.
MOVED = frozenset({Status.AUTHORISED, Status.CAPTURED})


class Operation(StrEnum):
    """Which way the money goes (``vads_operation_type``)."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class Source(StrEnum):
    """Why a notification is sent, in the bank's words (``vads_url_check_src``)."""

    #: By itself, at the end of a try on the page.
    PAY = "PAY"
    #: Again, after a failure.
    RETRY = "RETRY"
    #: The merchant asked for the same once more.
    BO = "BO"
    #: The merchant did something: cancelled, gave back.
    MERCH_BO = "MERCH_BO"
    #: The bank's own night work changed the status.
    BATCH = "BATCH"


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
    """An operation: one try with a card on a page, its abandonment, or money given back."""

    uuid: str
    token: str
    order_id: str
    #: What the bank moves. A scenario has it differ from what the shop asked for.
    amount: int
    created_at: float
    status: Status
    #: Two digits: 00 done, 05 refused, 17 cancelled by the buyer, 96 technical error.
    result: str
    #: The answer of the payer's bank, two digits; none when it was not asked.
    auth_result: str | None
    auth_number: str
    #: 1 for the first card tried on the page, then 2 and 3; none when there was no card.
    sequence: int | None
    #: Masked; empty when there was no card.
    card: str
    expiry_month: int
    expiry_year: int
    #: CHALLENGE, FRICTIONLESS, FAILED, or empty when there was no card.
    authentication: str
    certificate: str
    #: The value of ``vads_hash``, known to the notification alone.
    hash: str = field(repr=False)
    receipt: Receipt = Receipt.NOT_ASKED
    operation: Operation = Operation.DEBIT
    #: The operation whose money this one gives back; empty for a debit.
    parent: str = ""
    #: When its status last changed.
    changed_at: float = 0.0

    @property
    def takes(self) -> bool:
        """Whether it took the payer's money, and still has it."""
        return self.operation is Operation.DEBIT and self.status in MOVED


@dataclass(frozen=True)
class Chargeback:
    """Money that the payer's bank took back, because the payer contests it (an impayé)."""

    reference: str
    uuid: str
    order_id: str
    amount: int
    at: float


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
    source: Source
    state: NotificationState
    due_at: float
    #: A scenario wants its signature to be wrong.
    is_forged: bool = False
    attempts: tuple[Attempt, ...] = ()


@dataclass(frozen=True)
class Notice:
    """A notification that is to be kept: ``after_last`` makes it wait for the one before it in a list."""

    uuid: str
    due_at: float
    source: Source = Source.PAY
    state: NotificationState = NotificationState.WAITING
    is_forged: bool = False
    after_last: bool = False
