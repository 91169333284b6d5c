"""The mention of the law: one of three phrases, from the last audit."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from sevres_familles.content.accessibility import conformity, results
from sevres_familles.web.settings import WrongSettings, read_settings

TODAY = date(2026, 11, 23)


@pytest.fixture
def settings(ini):
    return read_settings(ini)


@pytest.mark.parametrize(
    ("rate", "phrase"),
    [
        ("0", "non conforme"),
        ("49.9", "non conforme"),
        ("50", "partiellement conforme"),
        ("99.9", "partiellement conforme"),
        ("100", "totalement conforme"),
    ],
)
def test_the_phrase_follows_the_rate_of_a_recent_audit(settings, rate, phrase):
    audited = replace(settings, accessibility_audited_on=date(2026, 5, 4), accessibility_rate=Decimal(rate))

    assert conformity(audited, TODAY) == phrase


@pytest.mark.parametrize(("day", "rate"), [(None, None), (date(2026, 5, 4), None), (None, Decimal(100))])
def test_without_a_whole_audit_it_is_not_conforming(settings, day, rate):
    audited = replace(settings, accessibility_audited_on=day, accessibility_rate=rate)

    assert conformity(audited, TODAY) == "non conforme"
    assert results(audited, TODAY).startswith("Aucun audit")


@pytest.mark.parametrize(
    ("day", "phrase"),
    [
        (date(2023, 11, 23), "totalement conforme"),
        (date(2023, 11, 22), "non conforme"),
        (date(2024, 2, 29), "totalement conforme"),
    ],
)
def test_an_audit_counts_for_three_years(settings, day, phrase):
    audited = replace(settings, accessibility_audited_on=day, accessibility_rate=Decimal(100))

    assert conformity(audited, TODAY) == phrase


def test_the_results_are_told_in_words(settings):
    audited = replace(settings, accessibility_audited_on=date(2026, 5, 4), accessibility_rate=Decimal("82.50"))

    assert results(audited, TODAY) == (
        "L’audit du lundi 4 mai 2026 a relevé que 82,5\u00a0% des critères du RGAA sont respectés."
    )
    assert "plus de trois ans" in results(replace(audited, accessibility_audited_on=date(2020, 1, 1)), TODAY)


def test_the_settings_read_a_french_percentage(ini):
    read = read_settings(ini | {"sevres.accessibility_audited_on": "2026-05-04", "sevres.accessibility_rate": "82,5"})

    assert (read.accessibility_audited_on, read.accessibility_rate) == (date(2026, 5, 4), Decimal("82.5"))


@pytest.mark.parametrize("rate", ["101", "-1", "beaucoup", "NaN"])
def test_a_rate_that_is_none_is_refused_by_name(ini, rate):
    with pytest.raises(WrongSettings, match="accessibility_rate"):
        read_settings(ini | {"sevres.accessibility_rate": rate})
