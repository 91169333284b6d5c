"""A database of the embedded storage as a folder of files: made once, damaged in copies, and judged.

    verdict = judge(folder, {content of each state that may come back})

A database that opens must be whole, in one of the states that were committed.  What damage may do is: nothing
(`HARMLESS`, by proof: all that is read is what was written), be refused when it is opened or read (`REFUSED`), or be
told by ``sevres-verify`` (`TOLD`).  Never `SILENT`.
"""

import shutil
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import ZODB
from ZODB.POSException import POSError

from sevres_familles.payments.checking import verify_portal
from sevres_familles.web.sealing import unseal_of
from sevres_familles.web.storage import resolve_embedded

HARMLESS, REFUSED, TOLD, SILENT = "harmless", "refused", "told", "SILENT"
MAIN, WAL, NUMBERS = "main.sqlite3", "main.sqlite3-wal", "oids.sqlite3"

#: All that a database holds: its pickles, in the order of their oids.
Content = tuple[tuple[bytes, bytes], ...]


@contextmanager
def database_in(folder: Path) -> Iterator[Any]:
    """Open a database as a process of the portal does."""
    with closing(ZODB.DB(resolve_embedded(f"embedded://{folder}")[0]())) as database:
        yield database


def content_of(connection: Any) -> Content:
    """Read all that a connection can see."""
    return tuple((oid, unseal_of(oid, record)) for oid, _, record in connection._storage.records())


def copy(folder: Path, to: Path) -> Path:
    """Copy the files of a database, but what SQLite makes anew."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns("*-shm", "import"))
    return to


def judge(folder: Path, states: Collection[Content]) -> str:
    """Open a database that may be damaged, verify it, and read it whole."""
    try:
        with database_in(folder) as database, database.transaction() as connection:
            portal = connection.root().get("sevres_familles")
            if portal is None:
                return REFUSED  # the portal answers that it is not ready
            if verify_portal(portal).faults:
                return TOLD
            return HARMLESS if content_of(connection) in states else SILENT
    except (POSError, sqlite3.DatabaseError):
        return REFUSED
