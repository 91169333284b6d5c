"""F3: the power goes while SQLite writes.  What opens afterwards is the state before a transaction or after it, whole.

The files are those of a database that is open: the last transactions stand in its write-ahead log alone.  A power cut
leaves any part of what was not synced: the log ends anywhere, or its end is zeros; a checkpoint got half its pages
into the database; the index of the log (``-shm``) is gone; the file of object numbers, never synced, is anything.
"""

import shutil
import sqlite3
from contextlib import closing

import pytest
from persistent.mapping import PersistentMapping

from tests.faults.conftest import CODES, close, make_town, pay
from tests.faults.effort import draws, seeds
from tests.faults.files import HARMLESS, MAIN, NUMBERS, WAL, content_of, copy, database_in, judge

_PAGE = 4096
_WAL_HEADER, _FRAME_HEADER = 32, 24
_FRAME = _FRAME_HEADER + _PAGE


def content_beside(app):
    with app.registry._zodb_databases[""].transaction() as connection:
        return content_of(connection)


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The files at the moment of the cut, the contents after each of the last transactions, and the log's lengths."""
    folder = tmp_path_factory.mktemp("cut")
    app = make_town(folder)
    database = folder / "var" / "database"
    with closing(sqlite3.connect(database / MAIN)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    states, lengths = [content_beside(app)], [0]
    for code in CODES[:4]:
        pay(app, code, f"2026-{code}", f"u{code}")
        states.append(content_beside(app))
        lengths.append((database / WAL).stat().st_size)
    files = copy(database, folder / "at-the-cut")
    close(app)
    return files, states, lengths


@pytest.fixture
def files(cut, tmp_path):
    """A copy of the files at the moment of the cut."""
    return copy(cut[0], tmp_path / "files")


def rest(folder):
    """Bring a log into the database, and leave no log."""
    with closing(sqlite3.connect(folder / MAIN)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def test_commits_are_synced(town_files, tmp_path):
    with (
        database_in(copy(town_files, tmp_path / "files")) as database,
        database.storage._store_connection_pool.borrowing() as store,
    ):
        assert store.connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_what_was_committed_is_there_after_the_cut_when_the_log_is_whole(cut, files):
    assert judge(files, {cut[1][-1]}) == HARMLESS


def test_cut_at_every_page_of_the_log_it_opens_before_or_after_a_transaction(cut, tmp_path):
    source, states, lengths = cut
    log = (source / WAL).read_bytes()
    found = []
    ends = range(_WAL_HEADER, len(log) + 1, _FRAME)
    for end in ends:
        files = copy(source, tmp_path / f"{end}")
        (files / WAL).write_bytes(log[:end])
        committed = states[sum(length <= end for length in lengths[1:])]

        assert judge(files, {committed}) == HARMLESS, f"cut at {end}"
        found.append(committed)
    assert len(set(found)) >= 4


@pytest.mark.parametrize("slice_", seeds(25, 1_500, at_once=500), ids=str)
def test_cut_anywhere_or_ending_in_zeros_or_noise_it_opens_before_or_after(cut, tmp_path, slice_):
    source, states, lengths = cut
    log = (source / WAL).read_bytes()
    for seed, chance in draws(slice_):
        end = chance.randrange(len(log))
        lost = len(log) - end
        tail = chance.choice([b"", bytes(lost), chance.randbytes(lost), bytes(chance.randrange(lost + 1))])
        files = copy(source, tmp_path / f"{seed}")
        (files / WAL).write_bytes(log[:end] + tail)
        committed = states[sum(length <= end for length in lengths[1:])]

        assert judge(files, {committed}) == HARMLESS, f"seed {seed}"
        shutil.rmtree(files)


@pytest.mark.parametrize("slice_", seeds(15, 500, at_once=500), ids=str)
def test_a_checkpoint_that_was_cut_is_done_again(cut, tmp_path, slice_):
    source, states, _ = cut
    log = (source / WAL).read_bytes()
    frames = range(_WAL_HEADER, len(log), _FRAME)
    for seed, chance in draws(slice_):
        files = copy(source, tmp_path / f"{seed}")
        with (files / MAIN).open("r+b") as main:
            for frame in frames:
                number = int.from_bytes(log[frame : frame + 4], "big")
                begun = chance.choice([0, 512, 2048, _PAGE])
                main.seek((number - 1) * _PAGE)
                main.write(chance.choice([log[frame + _FRAME_HEADER :][:begun], bytes(begun), chance.randbytes(begun)]))

        assert judge(files, {states[-1]}) == HARMLESS, f"seed {seed}"
        shutil.rmtree(files)


@pytest.mark.parametrize("slice_", seeds(15, 500, at_once=500), ids=str)
def test_a_database_that_was_cut_short_is_refused(cut, tmp_path, slice_):
    source, states, _ = cut
    rest(source_at_rest := copy(source, tmp_path / "rest"))
    length = (source_at_rest / MAIN).stat().st_size
    for seed, chance in draws(slice_):
        files = copy(source_at_rest, tmp_path / f"{seed}")
        with (files / MAIN).open("r+b") as main:
            end = chance.randrange(1, length // _PAGE) * _PAGE if chance.random() < 0.5 else chance.randrange(length)
            main.truncate(end)

        verdict = judge(files, {states[-1]})

        assert verdict != "SILENT", f"seed {seed}, cut at {end}"
        assert verdict != HARMLESS or end > length - _PAGE, f"seed {seed}, cut at {end}"
        shutil.rmtree(files)


class TestNumbersOfObjects:
    """The file from which new objects get their numbers is never synced."""

    STATES = ("missing", "empty", "older", "noise", "cut", "zeros", "without a row")

    def damage(self, numbers, how):
        whole = numbers.read_bytes()
        if how == "missing":
            numbers.unlink()
        elif how in ("older", "without a row"):
            with closing(sqlite3.connect(numbers, isolation_level=None)) as connection:
                connection.execute("UPDATE new_oid SET zoid = 1" if how == "older" else "DELETE FROM new_oid")
        else:
            content = {"empty": b"", "noise": b"\xa5" * len(whole), "cut": whole[:_PAGE], "zeros": bytes(len(whole))}
            numbers.write_bytes(content[how])

    @pytest.mark.parametrize("how", STATES)
    def test_a_new_object_never_gets_the_number_of_another(self, cut, files, how):
        rest(files)
        self.damage(files / NUMBERS, how)

        with database_in(files) as database, database.transaction() as connection:
            connection.root()["new"] = PersistentMapping({number: PersistentMapping() for number in range(40)})

        with database_in(files) as database, database.transaction() as connection:
            content = dict(content_of(connection))
            before = dict(cut[1][-1])
            root = bytes(8)
            assert {oid: content[oid] for oid in before if oid != root} == {
                oid: pickle for oid, pickle in before.items() if oid != root
            }
            assert len(content) == len(before) + 41
            assert min(content.keys() - before.keys()) > max(before)

    @pytest.mark.parametrize("how", STATES)
    def test_two_processes_that_open_it_at_once_share_the_numbers(self, files, how):
        rest(files)
        self.damage(files / NUMBERS, how)

        with database_in(files) as one, database_in(files) as other:
            given = [database.storage.new_instance().new_oid() for database in (one, other) for _ in range(2)]

        assert len(set(given)) == 4
