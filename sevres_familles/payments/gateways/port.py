"""What a payment gateway can do, whatever the bank."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple, Protocol

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Evidence


class BankForm(NamedTuple):
    """A signed form that takes the browser to the bank: posted as it is, by a button."""

    url: str
    fields: tuple[tuple[str, str], ...]


class BankOrder(NamedTuple):
    """What the bank was sent for a payment, and what every message about it must carry again.

    ``reference`` is ours (``P-…``); ``transaction_id`` and ``transaction_date`` are those of the form.
    """

    reference: str
    transaction_id: str
    transaction_date: str


class Departure(NamedTuple):
    """What opening a payment at a bank gives: what was sent, and the form that sends it."""

    order: BankOrder
    form: BankForm


class Notice(NamedTuple):
    """A notification that is authentic: the order it names, and what it shows."""

    order: BankOrder
    evidence: Evidence


class NotAuthentic(Exception):
    """A notification does not come from the bank, or not for us.  ``status`` is the answer: 400 or 403."""

    def __init__(self, reason: str, status: int = 403) -> None:
        super().__init__(reason)
        self.status = status


class BankUnreachable(Exception):
    """The bank did not answer, or not in its own terms: nothing is known, ask again later."""


class JournalKind(StrEnum):
    """Which journal of the bank: every operation of a day, or the impayés."""

    TRANSACTIONS = "JT"
    CHARGEBACKS = "JRI"


class JournalRow(NamedTuple):
    """One row of a journal: its line in the file, the order it names, and what it shows."""

    line: int
    reference: str
    evidence: Evidence


class OddRow(NamedTuple):
    """A row that stands where it should and shows nothing that we can use: what it names, if it does, and why."""

    line: int
    reference: str
    transaction: str
    text: str


class BankJournal(NamedTuple):
    """A journal that could be read whole; ``day`` is the day that it tells of."""

    kind: JournalKind
    day: date
    rows: tuple[JournalRow, ...]
    odd: tuple[OddRow, ...]


class JournalFault(NamedTuple):
    """What keeps a journal from being read; ``line`` is 0 for the file as a whole."""

    line: int
    text: str


class UnreadableJournal(Exception):
    """A journal has faults: all are told, and nothing of it is taken."""

    def __init__(self, faults: tuple[JournalFault, ...]) -> None:
        super().__init__("; ".join(f"{fault.line}: {fault.text}" for fault in faults))
        self.faults = faults


class PaymentGateway(Protocol):
    """A bank, as payments see it."""

    #: How long the bank's page lives: past it (and a margin), what the bank does not know will never come.
    page_life: timedelta

    def depart(
        self, reference: str, amount: Money, *, email: str, return_url: str, notify_url: str, at: datetime
    ) -> Departure:
        """Make the signed form of a payment."""
        ...

    def read_notification(self, body: bytes, *, source: str, at: datetime) -> Notice:
        """Check a notification and read it.

        :raises NotAuthentic: when any check of who speaks fails.
        """
        ...

    def ask(self, order: BankOrder, *, at: datetime) -> tuple[Evidence, ...]:
        """Ask the bank what it knows of a payment; empty when it knows nothing.

        :raises BankUnreachable: when it does not answer clearly.
        """
        ...

    def read_journal(self, content: bytes, *, at: datetime) -> BankJournal:
        """Read a journal of the bank.

        :raises UnreadableJournal: naming every fault, with its line.
        """
        ...
