"""Sealed records: damage is refused aloud, and everything that works on records goes on working."""

import sqlite3
from contextlib import closing

import pytest
import transaction
import ZODB
from BTrees.OOBTree import OOBTree
from persistent.mapping import PersistentMapping
from ZODB.serialize import referencesf
from ZODB.utils import p64, u64, z64

from sevres_familles.web.sealing import DamagedRecord, seal, unseal, unseal_of
from sevres_familles.web.storage import resolve_embedded


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "database"


@pytest.fixture
def opening(folder):
    """Open the database: each time as another process would."""
    return lambda: closing(ZODB.DB(resolve_embedded(f"embedded://{folder}")[0]()))


def keep(database, **values):
    with database.transaction() as connection:
        connection.root().update(values)


def change(folder, sql, *parameters):
    """Change the file beneath the storage, as a fault of the disk would."""
    with closing(sqlite3.connect(folder / "main.sqlite3")) as connection, connection:
        assert connection.execute(sql, parameters).rowcount == 1


def test_a_sealed_record_gives_its_pickle_back():
    assert unseal_of(p64(7), seal(p64(7), b"pickle")) == b"pickle"
    assert unseal(seal(p64(7), b"pickle")) == (p64(7), b"pickle")


def test_a_record_may_come_as_the_driver_of_postgresql_gives_it():
    assert unseal(memoryview(seal(p64(7), b"pickle")).cast("c")) == (p64(7), b"pickle")


def test_every_flipped_bit_of_a_record_is_refused():
    record = seal(p64(7), b"pickle")
    for bit in range(len(record) * 8):
        damaged = bytearray(record)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedRecord):
            unseal(bytes(damaged))


@pytest.mark.parametrize("record", [b"", b"short", b"a pickle that nobody sealed, of some length", None, 7, "text"])
def test_a_record_without_a_seal_is_refused(record):
    with pytest.raises(DamagedRecord, match="never sealed"):
        unseal(record)


def test_the_record_of_another_object_is_refused():
    with pytest.raises(DamagedRecord, match="record 0x7 is stored where 0x8 should be"):
        unseal_of(p64(8), seal(p64(7), b"pickle"))


def test_a_flipped_bit_in_the_file_is_refused_at_load_and_told_in_the_log(opening, folder, caplog):
    with opening() as database:
        keep(database, family=PersistentMapping(name="DUPOND"))
    change(folder, "UPDATE object_state SET state = CAST(replace(state, 'DUPOND', 'DUPONT') AS BLOB) WHERE zoid = 1")

    with opening() as database, database.transaction() as connection, pytest.raises(DamagedRecord):
        connection.root()["family"]["name"]

    assert "The database is damaged: a stored record is damaged, or was never sealed: 0x1" in caplog.text


def test_a_record_that_is_gone_is_no_key_error(opening, folder):
    with opening() as database:
        keep(database, family=PersistentMapping(name="DUPOND"))
    change(folder, "DELETE FROM object_state WHERE zoid = 1")

    with (
        opening() as database,
        database.transaction() as connection,
        pytest.raises(DamagedRecord, match="record 0x1 is gone") as damage,
    ):
        connection.root()["family"]["name"]
    assert not isinstance(damage.value, KeyError)


def test_a_database_whose_root_is_gone_is_not_taken_for_an_empty_one(opening, folder):
    with opening() as database:
        keep(database, family=PersistentMapping())
    change(folder, "DELETE FROM object_state WHERE zoid = 0")

    with pytest.raises(DamagedRecord, match="record 0x0 is gone"), opening():
        pass


def test_two_writers_of_one_tree_are_merged_and_the_result_is_sealed(opening):
    with opening() as database:
        keep(database, tree=OOBTree({"a": 1}))
        managers = [transaction.TransactionManager(), transaction.TransactionManager()]
        connections = [database.open(manager) for manager in managers]
        for number, connection in enumerate(connections):
            connection.root()["tree"][f"new-{number}"] = number

        for manager in managers:
            manager.commit()
        for connection in connections:
            connection.close()

    with opening() as database:
        with database.transaction() as connection:
            assert dict(connection.root()["tree"]) == {"a": 1, "new-0": 0, "new-1": 1}
        assert [unseal(record)[0] for _, _, record in database.storage.records()] == [p64(0), p64(1)]


def test_packing_takes_what_nothing_refers_to_and_leaves_the_rest(opening):
    with opening() as database:
        keep(database, kept=PersistentMapping(deep=PersistentMapping()), lost=PersistentMapping())
        keep(database, lost=None)

        database.pack()

        assert [u64(oid) for oid, _, _ in database.storage.records()] == [0, 1, 3]
        with database.transaction() as connection:
            assert connection.root()["kept"]["deep"] == {}


def test_a_damaged_database_is_not_packed(opening, folder):
    with opening() as database:
        keep(database, kept=PersistentMapping(deep=PersistentMapping()))
    change(folder, "UPDATE object_state SET state = CAST(zeroblob(state_size) AS BLOB) WHERE zoid = 1")

    with opening() as database, pytest.raises(DamagedRecord):
        database.pack()

    with opening() as database:
        assert len(list(database.storage.records())) == 3


def test_tools_that_read_pickles_do_not_see_the_seal(opening):
    with opening() as database:
        keep(database, family=PersistentMapping())
        (record,) = (record for oid, _, record in database.storage.records() if oid == z64)

        assert referencesf(record) == referencesf(unseal(record)[1]) == [p64(1)]


def test_a_copy_through_the_seal_is_refused_rather_than_sealed_wrongly(opening, tmp_path):
    with opening() as database:
        keep(database, family=PersistentMapping())
        with closing(resolve_embedded(f"embedded://{tmp_path}/other")[0]()) as other, pytest.raises(DamagedRecord):
            other.copyTransactionsFrom(database.storage)
