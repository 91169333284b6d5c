"""Dates and words as French readers expect them."""

from datetime import UTC, date, datetime

import pytest

from sevres_familles.domain import french

NOW = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)


def test_the_clock_reads_as_in_2009():
    assert french.clock_text(datetime(2009, 10, 7, 13, 35, tzinfo=UTC)) == "Mercredi 7 octobre 2009 - 15:35"


def test_the_first_of_the_month_is_said_so():
    assert french.long_date(date(2026, 5, 1)) == "vendredi 1er mai 2026"


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 14, 21, tzinfo=UTC), "aujourd’hui à 15:21"),
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), "aujourd’hui à 00:30"),
        (datetime(2026, 11, 22, 17, 2, tzinfo=UTC), "hier à 18:02"),
        (datetime(2026, 10, 12, 8, 0, tzinfo=UTC), "lundi 12 octobre 2026 à 10:00"),
    ],
)
def test_recent_moments_are_said_the_short_way(moment, text):
    assert french.recent_text(moment, NOW) == text


def test_letters_compare_without_accents_and_case():
    assert french.fold("SÈVRES, l’Œuvre") == french.fold("sevres, l’oeuvre")


def test_zero_and_one_are_singular():
    assert [french.plural(count, "facture") for count in (0, 1, 2)] == ["0 facture", "1 facture", "2 factures"]


def test_a_day_of_another_year_is_said_with_its_year():
    today = date(2026, 11, 23)

    assert french.day_text(date(2026, 5, 1), today) == "1er mai"
    assert french.day_text(date(2025, 12, 30), today) == "30 décembre 2025"


def test_a_time_of_day_stays_on_one_line():
    assert (
        french.spaced("De 8 h 30 à 12 h et de 13 h 30.") == "De 8\u00a0h\u00a030 à 12\u00a0h et de 13\u00a0h\u00a030."
    )
    assert french.spaced("8 heures, 3 enfants") == "8 heures, 3 enfants"
