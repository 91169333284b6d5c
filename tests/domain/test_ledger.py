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
    pack_opening,
    seal,
    unpack_entry,
    unpack_opening,
)
from sevres_familles.domain.money import ZERO, Money

AT = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)
NOT_AT = datetime(2026, 11, 23, 14, 36, tzinfo=UTC)


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


class TestSealing:
    @given(st.lists(moves, min_size=1, max_size=12), st.data())
    def test_sums_and_chain_go_on_however_often_a_journal_is_sealed(self, moved, data):
        lines = append((), *(draft(cents, debit, credit) for cents, (debit, credit) in moved))
        whole = tuple(map(unpack_entry, lines))
        first = data.draw(st.integers(1, len(whole)))
        second = data.draw(st.integers(first, len(whole)))
        opening = seal(whole[:first])
        if second > first:
            opening = seal(whole[first:second], opening)

        read = unpack_opening(pack_opening(opening))

        assert read == opening
        check_chain(whole[second:], read)
        for account in LedgerAccount:
            assert read.balance(account) + balance(whole[second:], account) == balance(whole, account)

    def test_an_entry_after_the_opening_goes_on_from_the_last_that_was_sealed(self):
        opening = seal(journal(1, 2))

        lines = append((), draft(3), opening=opening)

        check_chain(map(unpack_entry, lines), opening)
        assert unpack_entry(lines[0]).sequence == 3

    @pytest.mark.parametrize("change", [{"sequence": 1}, {"sums": ()}, {"sealed": bytes(32)}, {"until": NOT_AT}])
    def test_any_change_of_an_opening_is_told(self, change):
        with pytest.raises(BrokenChain):
            check_chain((), seal(journal(1, 2))._replace(**change))

    def test_an_entry_that_is_missing_after_the_opening_is_told(self):
        whole = journal(1, 2, 3)

        with pytest.raises(BrokenChain):
            check_chain(whole[2:], seal(whole[:1]))

    def test_nothing_cannot_be_sealed(self):
        with pytest.raises(ValueError, match="nothing"):
            seal(())
