"""The storages: ZODB through RelStorage, on SQLite in a folder of this machine, or on PostgreSQL.

RelStorage's own ``sqlite://`` address cannot ask for ``synchronous=FULL``; ours, ``embedded://FOLDER``, does, and makes
the folder.  Its ``postgres://`` wants the password in the address, and keeps history unless told otherwise; ours,
``postgresql://``, is libpq's own (``passfile``, ``host``, ``sslmode``…), so that pg_dump is given the same.  Both make
the tables of an empty database once, however many processes start on it together.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
from relstorage.adapters.postgresql import PostgreSQLAdapter
from relstorage.adapters.sqlite.adapter import Sqlite3Adapter
from relstorage.adapters.sqlite.drivers import Sqlite3Driver
from relstorage.options import Options
from relstorage.storage import RelStorage
from ZODB import DB
from ZODB.POSException import POSKeyError

from sevres_familles.web.sealing import SealedStorage

_PRAGMAS = {"synchronous": "FULL"}
_ROOT = bytes(8)
#: The number of PostgreSQL's advisory lock under which tables are made.
_MAKING = 0x736576726573

#: What is raised when the database cannot be reached, or cannot write.
UNAVAILABLE = (psycopg2.OperationalError, psycopg2.InterfaceError, sqlite3.OperationalError)

#: How long, in seconds, another process may hold the file of numbers.
_PATIENCE = 30
#: What SQLite says of a file that is none of its own, is broken, or has other tables than ours.
_DAMAGE = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_ERROR)

#: What SQLite says when a file could not be synced.
_FAILED_SYNC = (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)

log = logging.getLogger(__name__)

#: What zodburi wants: a factory of the storage, and what is left for `ZODB.DB`.
Resolved = tuple[Callable[[], SealedStorage], dict[str, str]]


def end_on_failed_sync(error: BaseException) -> None:
    """End this process at once, as by a kill, when its database could not be synced (requirements F6, decision 17)."""
    if getattr(error, "sqlite_errorcode", None) in _FAILED_SYNC:
        log.critical("The disk failed to sync the database: this process ends. Check the disk, then sevres-verify.")
        os._exit(os.EX_IOERR)


def embedded_folder(uri: str) -> Path:
    """Give the folder of an ``embedded://FOLDER?…`` address."""
    parts = urlsplit(uri)
    return Path(parts.netloc + parts.path)


def libpq_address(uri: str) -> str:
    """Give what libpq takes of a ``postgresql://…`` address, as words: RelStorage adds its own to them."""
    # Not `geturl`, which loses two slashes where no host stands between them and the name.
    place, _, query = uri.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if not _is_ours(name)]
    words = parse_dsn(f"{place}?{urlencode(kept, quote_via=quote)}")
    address: str = make_dsn(**{"connect_timeout": "10"} | words)
    return address


def _is_ours(name: str) -> bool:
    """Tell whether a word of an address is for RelStorage or for `ZODB.DB`, and not for libpq."""
    return name == "cache_local_mb" or name.startswith(("connection_", "database_name"))


def resolve_embedded(uri: str) -> Resolved:
    """Resolve ``embedded://FOLDER?…`` for zodburi.

    ``cache_local_mb`` is RelStorage's; the rest (``connection_cache_size``…) is the database's.
    """
    keywords = dict(parse_qsl(urlsplit(uri).query))
    options = _options(keywords)

    def factory() -> SealedStorage:
        folder = embedded_folder(uri)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(folder):
            return _opened(lambda: _relstorage_in(folder, options))

    return factory, keywords


def resolve_postgresql(uri: str) -> Resolved:
    """Resolve ``postgresql://USER@HOST/DATABASE?passfile=FILE&…`` for zodburi."""
    keywords = {name: value for name, value in parse_qsl(urlsplit(uri).query) if _is_ours(name)}
    options = _options(keywords)
    address = libpq_address(uri)

    def factory() -> SealedStorage:
        with _alone_at(address):
            return _opened(lambda: RelStorage(adapter=_Adapter(dsn=address, options=options), options=options))

    return factory, keywords


class _Adapter(PostgreSQLAdapter):
    """PostgreSQL for RelStorage, which reconnects whenever the server has gone.

    « server closed the connection unexpectedly » comes as a bare `DatabaseError` from psycopg2, which RelStorage does
    not take for a disconnection: each connection of a worker failed once more after a restart (measured).
    """

    def _select_driver(self, options: Options | None = None) -> Any:
        driver = super()._select_driver(options)
        driver.disconnected_exceptions += (driver.driver_module.DatabaseError,)
        driver.close_exceptions += (driver.driver_module.DatabaseError,)
        return driver


class _EmbeddedAdapter(Sqlite3Adapter):
    """SQLite for RelStorage, which forgets what a transaction that failed was about to write."""

    def _select_driver(self, options: Options | None = None) -> Any:
        return _EmbeddedDriver()


class _EmbeddedDriver(Sqlite3Driver):
    """Clean a connection after whatever transaction failed.

    RelStorage 4.3 puts what is to be written into a temporary table, outside of any transaction, before it takes the
    lock.  When it then gives up, for a conflict or a lock that does not come, there is nothing to roll back, so it does
    not clean that table: what it holds would be written by the next transaction on that connection (decision 18).
    """

    def connection_may_need_rollback(self, conn: Any) -> bool:
        """Tell whether a connection must be cleaned: always, if it is one that writes."""
        return bool(conn.before_commit_functions) or super().connection_may_need_rollback(conn)


def _options(keywords: dict[str, str]) -> Options:
    return Options(keep_history=False, cache_local_mb=int(keywords.pop("cache_local_mb", "20")))


def _relstorage_in(folder: Path, options: Options) -> RelStorage:
    """Open the SQLite files of a folder, and see that a new object gets a number that no other has.

    RelStorage keeps the last number given in a file of its own, which it never syncs: a power cut can leave it behind
    the database, or torn.  It says nothing that the database does not say.
    """
    numbers = folder / "oids.sqlite3"
    if not _is_whole(numbers):
        numbers.rename(numbers.with_suffix(".damaged"))
    adapter = _EmbeddedAdapter(data_dir=str(folder), pragmas=dict(_PRAGMAS), options=options)
    storage = RelStorage(adapter=adapter, options=options)
    with closing(sqlite3.connect(folder / "main.sqlite3")) as connection:
        ((greatest,),) = connection.execute("SELECT COALESCE(MAX(zoid), 0) FROM object_state")
    adapter.oidallocator.set_min_oid(None, greatest)
    return storage


def _is_whole(numbers: Path) -> bool:
    """Tell whether the file of numbers is what SQLite and RelStorage expect, or not there yet.

    :raises sqlite3.DatabaseError: when it cannot be read now, held or on a disk that fails.  That is no damage: workers
        may be taking numbers from it, and would go on with another file than ours, and the same numbers.
    """
    try:
        with closing(sqlite3.connect(numbers, timeout=_PATIENCE)) as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'new_oid'").fetchone():
                return numbers.stat().st_size == 0
            return connection.execute("SELECT count(*) FROM new_oid").fetchone() == (1,) and (
                connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            )
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF not in _DAMAGE:
            raise
        return False


def _opened(make: Callable[[], RelStorage]) -> SealedStorage:
    """Open a storage, sealed, with the root that several processes cannot make at once."""
    storage = SealedStorage(make())
    try:
        storage.load(_ROOT)
    except POSKeyError:
        DB(storage).close()
        storage = SealedStorage(make())
    return storage


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let one process at a time make the tables of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _alone_at(address: str) -> Iterator[None]:
    """Let one process at a time make the tables of a PostgreSQL database."""
    with closing(psycopg2.connect(address)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (_MAKING,))
        yield
