"""Which backups may go."""

from datetime import UTC, datetime, timedelta

from sevres_familles.backup.keeping import Keeping, backups_in, forgotten, name_of

NOW = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)
KEEPING = Keeping(hours=48, days=35, months=12)
#: Two years, one every quarter of an hour at first, then one every six hours.
MADE = {NOW - timedelta(minutes=15 * number) for number in range(400)} | {
    NOW - timedelta(hours=6 * number) for number in range(2 * 365 * 4)
}


def kept():
    return MADE - forgotten(MADE, KEEPING, NOW)


def test_all_of_the_last_hours_are_kept():
    recent = {moment for moment in MADE if moment > NOW - timedelta(hours=48)}

    assert recent <= kept()
    assert len(recent) == 192


def test_then_the_last_of_each_day_then_of_each_month():
    older = sorted(moment for moment in kept() if moment < NOW - timedelta(hours=48))
    days = [moment for moment in older if moment > NOW - timedelta(days=35)]
    months = [moment for moment in older if moment <= NOW - timedelta(days=35)]

    assert len(days) == len({moment.date() for moment in days}) == 33
    assert all(moment == max(each for each in MADE if each.date() == moment.date()) for moment in days[:-1])
    assert len(months) == len({(moment.year, moment.month) for moment in months})
    assert 10 <= len(months) <= 12


def test_the_newest_is_kept_whatever_the_clock_says():
    assert forgotten({NOW}, Keeping(0, 0, 0), NOW + timedelta(days=4000)) == set()
    assert forgotten(set(), KEEPING, NOW) == set()


def test_names_say_the_moment_and_nothing_else_is_a_backup(tmp_path):
    for name in (name_of(NOW), "autre.age", f"{name_of(NOW)}.part", "espace-familles-hier.age"):
        (tmp_path / name).touch()

    assert backups_in(tmp_path) == {NOW: tmp_path / "espace-familles-20261123T143500Z.age"}
