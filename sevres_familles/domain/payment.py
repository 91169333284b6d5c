"""How a payment moves: its states, the evidence the bank gives, and the table of moves.

The table is that of docs/payments.md.  Evidence of money beats absence of money, and what was taken or given back is
computed from the *set* of evidence, so that its order and its repetitions change nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO, Money


class PaymentState(StrEnum):
    """Where a payment stands."""

    CREATED = "created"
    REDIRECTED = "redirected"
    PENDING = "pending"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    CAPTURED = "captured"
    RECONCILED = "reconciled"


#: States in which the bank may still be about to take the money: the invoices are shielded.
OPEN_STATES = frozenset({PaymentState.CREATED, PaymentState.REDIRECTED, PaymentState.PENDING})
#: States in which money was taken.
PAID_STATES = frozenset({PaymentState.ACCEPTED, PaymentState.CAPTURED, PaymentState.RECONCILED})


class EvidenceKind(StrEnum):
    """What a message of the bank shows."""

    AUTHORISED = "authorised"
    CAPTURED = "captured"
    PENDING = "pending"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    #: The bank was asked after its page had died, and knows nothing of the payment.
    UNKNOWN_AT_BANK = "unknown at the bank"
    CREDIT = "credit"
    VOIDED = "voided"
    CHARGEBACK = "chargeback"
    #: Authentic, but in terms we do not know or that disagree: the bank is asked instead.
    UNCLEAR = "unclear"


class Channel(StrEnum):
    """How evidence reached us."""

    NOTIFICATION = "notification"
    ASKED = "order/get"
    JOURNAL = "journal"


class Evidence(NamedTuple):
    """One message of the bank about one payment, after every check.

    ``transaction`` is the bank's stable identifier (``vads_trans_uuid``), empty when it names none; ``at`` is when we
    had it, in UTC.
    """

    kind: EvidenceKind
    transaction: str
    operation: str
    status: str
    sequence: int
    amount: Money
    at: datetime
    channel: Channel
    authorisation: str = ""

    @property
    def key(self) -> tuple[EvidenceKind, str, str, str, int, int]:
        """What makes two messages the same one (payments.md §3).

        What it shows is part of it: what was unclear is told anew by the bank's clear answer in the same words.
        """
        return self.kind, self.transaction, self.operation, self.status, self.sequence, self.amount.cents


class Effect(StrEnum):
    """What a move asks for, beside the new state."""

    NONE = ""
    #: Look at the money that the evidence as a whole shows, and book what is not booked yet.
    BOOK = "book"
    #: Keep the evidence aside and tell staff: it makes no sense (yet) in this state.
    QUARANTINE = "quarantine"
    ALERT = "alert"


class Move(NamedTuple):
    """Where evidence leads from a state, and what it asks for."""

    to: PaymentState
    effect: Effect = Effect.NONE


def _row(state: PaymentState, **overrides: Move) -> dict[EvidenceKind, Move]:
    """Write a row of the table: what is not said leaves the state as it is."""
    return {kind: overrides.get(kind.name, Move(state)) for kind in EvidenceKind}


def _waiting(state: PaymentState, *, expires: bool) -> dict[EvidenceKind, Move]:
    return _row(
        state,
        AUTHORISED=Move(PaymentState.ACCEPTED, Effect.BOOK),
        CAPTURED=Move(PaymentState.CAPTURED, Effect.BOOK),
        PENDING=Move(PaymentState.PENDING),
        REFUSED=Move(PaymentState.REFUSED),
        ABANDONED=Move(PaymentState.CANCELLED),
        UNKNOWN_AT_BANK=Move(PaymentState.EXPIRED if expires else state),
        CREDIT=Move(state, Effect.QUARANTINE),
        VOIDED=Move(PaymentState.CANCELLED),
        CHARGEBACK=Move(state, Effect.QUARANTINE),
        UNCLEAR=Move(state, Effect.QUARANTINE),
    )


def _ended(state: PaymentState) -> dict[EvidenceKind, Move]:
    return _row(
        state,
        AUTHORISED=Move(PaymentState.ACCEPTED, Effect.BOOK),
        CAPTURED=Move(PaymentState.CAPTURED, Effect.BOOK),
        PENDING=Move(PaymentState.PENDING),
        CREDIT=Move(state, Effect.QUARANTINE),
        CHARGEBACK=Move(state, Effect.QUARANTINE),
        UNCLEAR=Move(state, Effect.QUARANTINE),
    )


def _paid(state: PaymentState) -> dict[EvidenceKind, Move]:
    captured = PaymentState.CAPTURED if state is PaymentState.ACCEPTED else state
    return _row(
        state,
        AUTHORISED=Move(state, Effect.BOOK),
        CAPTURED=Move(captured, Effect.BOOK),
        REFUSED=Move(state, Effect.ALERT),
        CREDIT=Move(state, Effect.BOOK),
        VOIDED=Move(state, Effect.BOOK),
        CHARGEBACK=Move(state, Effect.BOOK),
        UNCLEAR=Move(state, Effect.QUARANTINE),
    )


MOVES: Mapping[PaymentState, Mapping[EvidenceKind, Move]] = {
    PaymentState.CREATED: _waiting(PaymentState.CREATED, expires=True),
    PaymentState.REDIRECTED: _waiting(PaymentState.REDIRECTED, expires=True),
    PaymentState.PENDING: _waiting(PaymentState.PENDING, expires=False),
    PaymentState.REFUSED: _ended(PaymentState.REFUSED),
    PaymentState.CANCELLED: _ended(PaymentState.CANCELLED),
    PaymentState.EXPIRED: _ended(PaymentState.EXPIRED),
    PaymentState.ACCEPTED: _paid(PaymentState.ACCEPTED),
    PaymentState.CAPTURED: _paid(PaymentState.CAPTURED),
    PaymentState.RECONCILED: _paid(PaymentState.RECONCILED),
}


#: What tells that an operation of the bank is pending no longer.
_SETTLING = frozenset(
    {
        EvidenceKind.AUTHORISED,
        EvidenceKind.CAPTURED,
        EvidenceKind.REFUSED,
        EvidenceKind.ABANDONED,
        EvidenceKind.VOIDED,
    }
)
_WITHOUT_MONEY = frozenset({PaymentState.REFUSED, PaymentState.CANCELLED})


def move_of(state: PaymentState, evidence: Evidence, known: Iterable[Evidence]) -> Move:
    """Tell where evidence leads by the table, given what was ``known`` before it.

    An operation that came to its end is pending no more, though a late message says so; and the end of one card says
    nothing of another that is pending still.
    """
    told = tuple(known)
    settled = {each.transaction for each in told if each.kind in _SETTLING}
    pending = {each.transaction for each in told if each.kind is EvidenceKind.PENDING} - settled
    if evidence.kind is EvidenceKind.PENDING and evidence.transaction in settled:
        return Move(state)
    move = MOVES[state][evidence.kind]
    if state is PaymentState.PENDING and move.to in _WITHOUT_MONEY and pending - {evidence.transaction}:
        return Move(state)
    return move


class MoneyFact(NamedTuple):
    """Money that the bank moved: taken (a payment) or given back (a refund, a void, a chargeback).

    ``amount`` is positive; ``kind`` gives the direction.  A fact is booked once, whatever tells it again.
    """

    kind: EntryKind
    transaction: str
    amount: Money

    @property
    def takes(self) -> bool:
        """Whether the money came in."""
        return self.kind is EntryKind.PAYMENT


_TAKEN = frozenset({EvidenceKind.AUTHORISED, EvidenceKind.CAPTURED})
_GIVEN_BACK = {
    EvidenceKind.CREDIT: EntryKind.REFUND,
    EvidenceKind.VOIDED: EntryKind.VOID,
    EvidenceKind.CHARGEBACK: EntryKind.CHARGEBACK,
}


def entry_kind_of(evidence: Evidence) -> EntryKind | None:
    """Tell which kind of money movement evidence shows, if any."""
    return EntryKind.PAYMENT if evidence.kind in _TAKEN else _GIVEN_BACK.get(evidence.kind)


def money_facts(evidence: Iterable[Evidence]) -> frozenset[MoneyFact]:
    """Tell what money moved, from all the evidence of a payment, the oldest first.

    Money given back counts only once money was taken: a void, of the same bank transaction and for all that it took; a
    refund or a chargeback, of any.  What is told with two amounts counts for the first, which is booked by then.
    """
    told: dict[tuple[EntryKind, str], Money] = {}
    for each in evidence:
        kind = entry_kind_of(each)
        if kind is not None:
            told.setdefault((kind, each.transaction), each.amount)
    taken = {transaction: amount for (kind, transaction), amount in told.items() if kind is EntryKind.PAYMENT}
    facts = set()
    for (kind, transaction), amount in told.items():
        if kind is not EntryKind.VOID and taken:
            facts.add(MoneyFact(kind, transaction, amount))
        elif transaction in taken:
            facts.add(MoneyFact(kind, transaction, taken[transaction]))
    return frozenset(facts)


def net(facts: Iterable[MoneyFact]) -> Money:
    """Sum money facts: what came in, less what went back."""
    return sum((fact.amount if fact.takes else -fact.amount for fact in facts), ZERO)


class Share(NamedTuple):
    """The part of a payment meant for one invoice, frozen when the payment is opened."""

    invoice: str
    amount: Money


class Allocation(NamedTuple):
    """Where taken money goes: to invoices, and what none can take to *recettes à classer*."""

    shares: tuple[Share, ...]
    unclassified: Money


def allocate(
    amount: Money, meant: Iterable[Share], room: Mapping[str, Money], unclassified: Money = ZERO
) -> Allocation:
    """Spread the money that came over the invoices it was meant for, in their order.

    It first fills what *recettes à classer* lack, when the bank gave back more than it had given: so `allocate` and
    `take_back` undo one another, and what the invoices hold depends on the sum alone, not on the order of messages.

    An invoice takes no more than was meant for it, nor than it has room for (what is left to pay on it, nothing once
    paid, cancelled or sent to the Treasury); the rest is unclassified, never dropped (requirements D5).
    """
    shares: list[Share] = []
    lacking = min(amount, max(-unclassified, ZERO))
    left = amount - lacking
    for share in meant:
        part = min(left, share.amount, room.get(share.invoice, ZERO))
        if part > ZERO:
            shares.append(Share(share.invoice, part))
            left -= part
    return Allocation(tuple(shares), lacking + left)


def take_back(amount: Money, held: Iterable[Share], unclassified: Money) -> Allocation:
    """Spread money given back: first over what was unclassified, then over invoices, the last first.

    Gives positive sums to take off.  What the payment never held is taken from *recettes à classer* all the same,
    since the bank did give it: the ledger follows the bank, and an alert tells.
    """
    from_unclassified = min(amount, max(unclassified, ZERO))
    left = amount - from_unclassified
    shares: list[Share] = []
    for share in reversed(tuple(held)):
        part = min(left, share.amount)
        if part > ZERO:
            shares.append(Share(share.invoice, part))
            left -= part
    return Allocation(tuple(shares), from_unclassified + left)
