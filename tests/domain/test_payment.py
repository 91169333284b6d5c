"""The table of moves, and what money the evidence shows."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO, Money, total
from sevres_familles.domain.payment import (
    MOVES,
    OPEN_STATES,
    PAID_STATES,
    Effect,
    EvidenceKind,
    MoneyFact,
    Move,
    PaymentState,
    Share,
    allocate,
    money_facts,
    move_of,
    net,
    take_back,
)
from tests.payments.making import evidence

S, K = PaymentState, EvidenceKind

#: The table of payments.md §3, row by row, written again by hand: (state, evidence) -> (state, effect).
BEFORE = {
    K.AUTHORISED: (S.ACCEPTED, Effect.BOOK),
    K.CAPTURED: (S.CAPTURED, Effect.BOOK),
    K.PENDING: (S.PENDING, Effect.NONE),
    K.REFUSED: (S.REFUSED, Effect.NONE),
    K.ABANDONED: (S.CANCELLED, Effect.NONE),
    K.UNKNOWN_AT_BANK: (S.EXPIRED, Effect.NONE),
    K.VOIDED: (S.CANCELLED, Effect.NONE),
}
KEEPS = Effect.NONE
TABLE = {
    S.CREATED: BEFORE,
    S.REDIRECTED: BEFORE,
    S.PENDING: {**BEFORE, K.UNKNOWN_AT_BANK: (S.PENDING, KEEPS)},
}
for ended in (S.REFUSED, S.CANCELLED, S.EXPIRED):
    TABLE[ended] = {
        K.AUTHORISED: (S.ACCEPTED, Effect.BOOK),
        K.CAPTURED: (S.CAPTURED, Effect.BOOK),
        K.PENDING: (S.PENDING, KEEPS),
        **dict.fromkeys((K.REFUSED, K.ABANDONED, K.UNKNOWN_AT_BANK, K.VOIDED), (ended, KEEPS)),
    }
for unpaid in (S.CREATED, S.REDIRECTED, S.PENDING, S.REFUSED, S.CANCELLED, S.EXPIRED):
    for kind in (K.CREDIT, K.CHARGEBACK, K.UNCLEAR):
        TABLE[unpaid] = {**TABLE[unpaid], kind: (unpaid, Effect.QUARANTINE)}
for paid in (S.ACCEPTED, S.CAPTURED, S.RECONCILED):
    TABLE[paid] = {
        K.AUTHORISED: (paid, Effect.BOOK),
        K.CAPTURED: (S.CAPTURED if paid is S.ACCEPTED else paid, Effect.BOOK),
        K.PENDING: (paid, KEEPS),
        K.REFUSED: (paid, Effect.ALERT),
        K.ABANDONED: (paid, KEEPS),
        K.UNKNOWN_AT_BANK: (paid, KEEPS),
        K.CREDIT: (paid, Effect.BOOK),
        K.VOIDED: (paid, Effect.BOOK),
        K.CHARGEBACK: (paid, Effect.BOOK),
        K.UNCLEAR: (paid, Effect.QUARANTINE),
    }


@pytest.mark.parametrize(("state", "kind"), list(itertools.product(S, K)))
def test_every_cell_of_the_table_is_as_written(state, kind):
    assert tuple(MOVES[state][kind]) == TABLE[state][kind]


def test_an_accepted_payment_never_goes_back():
    for state, kind in itertools.product(PAID_STATES, K):
        assert MOVES[state][kind].to in PAID_STATES


def test_no_evidence_of_absence_leaves_an_ended_payment_open():
    for state in (S.REFUSED, S.CANCELLED, S.EXPIRED):
        for kind in (K.REFUSED, K.ABANDONED, K.UNKNOWN_AT_BANK, K.VOIDED):
            assert MOVES[state][kind].to not in OPEN_STATES


@pytest.mark.parametrize("end", [K.REFUSED, K.ABANDONED, K.VOIDED])
def test_an_operation_that_came_to_its_end_is_pending_no_more_though_a_late_message_says_so(end):
    known = [evidence(end)]

    assert move_of(S.REFUSED, evidence(K.PENDING), known) == Move(S.REFUSED)
    assert move_of(S.REFUSED, evidence(K.PENDING, transaction="u2"), known) == Move(S.PENDING)


def test_the_end_of_one_card_says_nothing_of_another_that_is_pending():
    pending = [evidence(K.PENDING, transaction="u2")]

    assert move_of(S.PENDING, evidence(K.REFUSED), pending) == Move(S.PENDING)
    assert move_of(S.PENDING, evidence(K.REFUSED, transaction="u2"), pending) == Move(S.REFUSED)
    assert move_of(S.PENDING, evidence(K.AUTHORISED), pending) == Move(S.ACCEPTED, Effect.BOOK)


def test_money_given_back_counts_only_once_money_was_taken():
    assert money_facts([evidence(K.CREDIT, 1000, transaction="u2"), evidence(K.VOIDED)]) == frozenset()


def test_a_void_counts_for_its_own_transaction_alone():
    facts = money_facts([evidence(K.AUTHORISED), evidence(K.VOIDED, transaction="u9")])

    assert facts == {MoneyFact(EntryKind.PAYMENT, "u1", Money(6000))}


def test_what_is_told_with_two_amounts_counts_for_the_first_and_a_void_gives_it_back():
    told = [evidence(K.AUTHORISED, 6000), evidence(K.CAPTURED, 5000), evidence(K.VOIDED, 5000)]

    assert money_facts(told) == {
        MoneyFact(EntryKind.PAYMENT, "u1", Money(6000)),
        MoneyFact(EntryKind.VOID, "u1", Money(6000)),
    }


@pytest.mark.parametrize("kind", [K.CREDIT, K.CHARGEBACK])
def test_what_is_given_back_is_one_fact_though_told_with_two_amounts(kind):
    told = [evidence(kind, 2000, transaction="u2"), evidence(kind, 2500, transaction="u2"), evidence(K.AUTHORISED)]

    assert net(money_facts(told)) == Money(4000)


def test_authorised_then_captured_is_one_payment():
    assert net(money_facts([evidence(K.AUTHORISED), evidence(K.CAPTURED)])) == Money(6000)


amounts = st.integers(1, 10_000).map(Money)
shares = st.lists(amounts, min_size=1, max_size=6).map(
    lambda sums: tuple(Share(f"2026-{number}", amount) for number, amount in enumerate(sums))
)


@given(amounts, shares, st.data())
def test_allocating_keeps_the_sum_and_overfills_no_invoice(amount, meant, data):
    room = {share.invoice: data.draw(st.integers(0, 10_000).map(Money)) for share in meant}

    result = allocate(amount, meant, room)

    assert total(share.amount for share in result.shares) + result.unclassified == amount
    limits = {share.invoice: min(share.amount, room[share.invoice]) for share in meant}
    assert all(ZERO < share.amount <= limits[share.invoice] for share in result.shares)


@given(amounts, shares, st.integers(0, 10_000).map(Money))
def test_taking_back_keeps_the_sum_and_no_invoice_gives_more_than_it_holds(amount, held, unclassified):
    result = take_back(amount, held, unclassified)

    assert total(share.amount for share in result.shares) + result.unclassified == amount
    holds = dict(held)
    assert all(ZERO < share.amount <= holds[share.invoice] for share in result.shares)
