"""Money: whole cents, said and read the French way."""

import pickle
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.domain.money import Money, NotAnAmount, total

sums = st.integers(-(10**14), 10**14).map(Money)


@pytest.mark.parametrize(
    ("text", "cents"),
    [("60", 6000), ("60,00", 6000), ("12,3", 1230), ("1 234,56", 123456), ("1\u00a0234,56 €", 123456), ("-0,05", -5)],
)
def test_reads_amounts_written_the_french_way(text, cents):
    assert Money.parse(text) == Money(cents)


@pytest.mark.parametrize(
    "text", ["", "12.30", "1,234", "12,345", "1 23,00", "douze", "1e3", "٣", "--5", "= 5", "5 € €"]
)
def test_refuses_what_has_no_one_meaning(text):
    with pytest.raises(NotAnAmount):
        Money.parse(text)


@pytest.mark.parametrize("wrong", [12.5, "12", Decimal(12), True, None])
def test_holds_whole_numbers_alone(wrong):
    with pytest.raises(TypeError):
        Money(wrong)


def test_is_written_with_no_break_spaces():
    assert str(Money(123456)) == "1\u00a0234,56\u00a0€"


@given(sums)
def test_what_is_written_reads_back(amount):
    assert Money.parse(str(amount)) == amount


@given(sums)
def test_pickles_to_itself(amount):
    assert pickle.loads(pickle.dumps(amount)) == amount


@given(st.lists(sums))
def test_adding_up_loses_nothing(amounts):
    assert total(amounts).cents == sum(amount.cents for amount in amounts)


def test_gives_libraries_two_decimals():
    assert str(Money(6000).decimal) == "60.00"
