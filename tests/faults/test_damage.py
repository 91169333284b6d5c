"""F4: bits that flip, sectors that are lost, pages that are torn, anywhere in the file of a database."""

from collections import Counter

import pytest

from tests.faults.effort import draws, seeds
from tests.faults.files import HARMLESS, MAIN, REFUSED, SILENT, TOLD, content_of, copy, database_in, judge

_SECTOR, _PAGE = 512, 4096
_LAST = 1024 * 1024


def flip(data, place, chance):
    data[place] ^= 1 << chance.randrange(8)


def zero_sector(data, place, chance):
    start = place - place % _SECTOR
    data[start : start + _SECTOR] = bytes(len(data[start : start + _SECTOR]))


def tear_page(data, place, chance):
    """Leave a page as a write that was cut: some of its sectors are those of another page."""
    start, other = place - place % _PAGE, chance.randrange(len(data) // _PAGE) * _PAGE
    cut = chance.randrange(1, _PAGE // _SECTOR) * _SECTOR
    data[start + cut : start + _PAGE] = data[other + cut : other + _PAGE]


def lose_page(data, place, chance):
    """Leave a page as it never was written: another one stands there."""
    start, other = place - place % _PAGE, chance.randrange(len(data) // _PAGE) * _PAGE
    data[start : start + _PAGE] = data[other : other + _PAGE]


KINDS = (flip, flip, flip, zero_sector, tear_page, lose_page)


@pytest.fixture(scope="session")
def content(town_files):
    with database_in(town_files) as database, database.transaction() as connection:
        return content_of(connection)


def test_a_database_that_is_not_damaged_is_found_whole(town_files, content, tmp_path):
    assert judge(copy(town_files, tmp_path / "whole"), {content}) == HARMLESS


@pytest.mark.parametrize("slice_", seeds(60, 10_000, at_once=1_000), ids=str)
def test_no_damage_is_accepted_in_silence(town_files, content, tmp_path, slice_):
    verdicts = Counter()
    whole = (town_files / MAIN).read_bytes()
    for seed, chance in draws(slice_):
        data = bytearray(whole)
        lowest = 0 if chance.random() < 0.5 else max(0, len(data) - _LAST)
        damage = chance.choice(KINDS)
        damage(data, chance.randrange(lowest, len(data)), chance)
        folder = copy(town_files, tmp_path / f"{seed}")
        (folder / MAIN).write_bytes(data)

        verdict = judge(folder, {content})

        assert verdict != SILENT, f"seed {seed}, {damage.__name__}"
        verdicts[verdict] += 1
        for each in folder.iterdir():
            each.unlink()
    print(f"{dict(verdicts)}")
    assert verdicts[REFUSED] + verdicts[TOLD] > 0
