"""Soundness of the database beneath the tree: every record, what records refer to, and SQLite's own files.

What a family can come across is refused at load (`sealing`); this looks at what nobody came across yet.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from BTrees.LLBTree import LLTreeSet
from ZODB.serialize import referencesf
from ZODB.utils import u64

from sevres_familles.web.sealing import DamagedRecord, SealedStorage, unseal_of

#: How many complaints of SQLite are told: one damaged page makes thousands.
_TOLD = 10


def storage_faults(connection: Any) -> Iterator[str]:
    """Verify all that is stored, as a connection sees it: seals, references, files.  Memory: some bytes a record.

    A storage that is not sealed is that of a test, in memory.
    """
    storage = connection._storage
    if not isinstance(storage, SealedStorage):
        return
    yield from _file_faults(storage)
    try:
        yield from _record_faults(storage)
    except (DamagedRecord, sqlite3.DatabaseError) as error:
        yield f"la base est illisible ({error})"


def _record_faults(storage: SealedStorage) -> Iterator[str]:
    stored, wanted = LLTreeSet(), LLTreeSet()
    for oid, _, record in storage.records():
        stored.add(u64(oid))
        try:
            wanted.update(map(u64, referencesf(unseal_of(oid, record))))
        except DamagedRecord as damage:
            yield f"enregistrement abîmé ({damage})"
    yield from (f"enregistrement perdu (0x{oid:x})" for oid in wanted if oid not in stored)


def _file_faults(storage: SealedStorage) -> Iterator[str]:
    """Let SQLite check its files: its pages, and its indexes against its tables."""
    folder: str = getattr(storage._adapter, "data_dir", "")  # PostgreSQL has none, and checksums of its own
    for name in ("main.sqlite3", "oids.sqlite3") if folder else ():
        try:
            with closing(sqlite3.connect(f"file:{Path(folder, name)}?mode=ro", uri=True)) as file:
                complaints = [row[0] for row in file.execute(f"PRAGMA integrity_check({_TOLD})")]
        except sqlite3.DatabaseError as error:
            complaints = [str(error)]
        yield from (f"fichier {name} abîmé ({complaint})" for complaint in complaints if complaint != "ok")
