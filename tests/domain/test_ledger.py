"""The ledger: a chain that tells any change."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.domain.ledger import (
    BrokenChain,
    Draft,
    EntryKind,
    LedgerAccount,
    append,
    balance,
    check_chain,
    unpack_entry,
)
from sevres_familles.domain.money import ZERO, Money

AT = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)


def draft(cents=6000, debit=LedgerAccount.FAMILY, credit=LedgerAccount.BILLING, invoice="2026-9161"):
    return Draft(AT, EntryKind.INVOICED, debit, credit, Money(cents), invoice, "lot 1")


def journal(*cents):
    lines = ()
    for each in cents:
        lines = append(lines, draft(each))
    return tuple(map(unpack_entry, lines))


def test_entries_are_numbered_without_a_gap():
    assert [entry.sequence for entry in journal(1, 2, 3)] == [1, 2, 3]


def test_a_whole_chain_is_accepted():
    check_chain(journal(1, 2, 3))


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "change",
    [
        {"amount": Money(9)},
        {"invoice": "2026-1"},
        {"document": "x"},
        {"debit": LedgerAccount.BANK},
        {"kind": EntryKind.VOID},
    ],
)
def test_any_change_of_an_entry_is_told(place, change):
    entries = list(journal(1, 2, 3))
    entries[place] = entries[place]._replace(draft=entries[place].draft._replace(**change))

    with pytest.raises(BrokenChain):
        check_chain(entries)


@pytest.mark.parametrize("place", [0, 1])
def test_a_missing_entry_is_told(place):
    entries = list(journal(1, 2, 3))
    del entries[place]

    with pytest.raises(BrokenChain):
        check_chain(entries)


def test_two_entries_that_changed_places_are_told():
    first, second = journal(1, 2)

    with pytest.raises(BrokenChain):
        check_chain((second, first))


@pytest.mark.parametrize("cents", [0, -1])
def test_an_entry_moves_a_positive_sum(cents):
    with pytest.raises(ValueError, match="not an entry"):
        append((), draft(cents))


def test_an_entry_moves_between_two_accounts():
    with pytest.raises(ValueError, match="not an entry"):
        append((), draft(credit=LedgerAccount.FAMILY))


moves = st.tuples(st.integers(1, 10_000), st.permutations(list(LedgerAccount)).map(lambda each: each[:2]))


@given(st.lists(moves, max_size=20))
def test_the_accounts_together_always_balance(moved):
    lines = append((), *(draft(cents, debit, credit) for cents, (debit, credit) in moved))
    entries = tuple(map(unpack_entry, lines))

    assert sum((balance(entries, account) for account in LedgerAccount), ZERO) == ZERO
