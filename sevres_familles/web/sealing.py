"""Sealed records: what the database gives back is what was written there, or it is refused aloud (requirements F4).

Neither RelStorage nor SQLite notices a bit that flipped in a record: it loads, or breaks something later.  So each
record carries its own oid and a hash of itself, checked at every load, before anything is unpickled.  The seal stands
*after* the pickle, where whatever reads pickles stops before it: conflict resolution, packing, zodbconvert and every
tool of the ZODB go on working on sealed records.
"""

import hashlib
import logging
import struct
from collections.abc import Callable, Iterator
from typing import Any

from ZODB.interfaces import IStorageWrapper
from ZODB.POSException import POSError, POSKeyError
from ZODB.utils import u64, z64
from zope.interface import directlyProvides, implementer, providedBy

_OID = 8
_HASH = 16
_PURPOSE = b"sevres record"
#: What RelStorage raises when a number in a row is none.
_NO_NUMBER = (TypeError, ValueError, OverflowError, struct.error)

log = logging.getLogger(__name__)


class DamagedRecord(POSError):
    """A record of the database is not what was written, or is gone.

    It is no `KeyError`, unlike ZODB's own: traversal would answer that the page does not exist.
    """


def seal(oid: bytes, pickle: bytes) -> bytes:
    """Give a record as it is stored: the pickle, its oid, and a hash of both."""
    content = pickle + oid
    return content + _hash(content)


def unseal(record: object) -> tuple[bytes, bytes]:
    """Give the oid and the pickle of a stored record.

    :raises DamagedRecord: when it is not what was written; a damaged row may even give no bytes: nothing, or a number.
    """
    # psycopg2 gives a memoryview, which equals no bytes.
    record = bytes(record) if isinstance(record, (bytes, memoryview)) else b""
    content = record[:-_HASH]
    if len(record) < _OID + _HASH or _hash(content) != record[-_HASH:]:
        raise DamagedRecord("a stored record is damaged, or was never sealed")
    return content[-_OID:], content[:-_OID]


def unseal_of(oid: bytes, record: bytes) -> bytes:
    """Give the pickle of the record that is stored under an oid.

    :raises DamagedRecord: when it is not what was written there.
    """
    try:
        own, pickle = unseal(record)
    except DamagedRecord as damage:
        raise DamagedRecord(f"{damage}: 0x{u64(oid):x}") from None
    if own != oid:
        raise DamagedRecord(f"record 0x{u64(own):x} is stored where 0x{u64(oid):x} should be")
    return pickle


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_HASH, person=_PURPOSE).digest()


@implementer(IStorageWrapper)
class SealedStorage:
    """A storage around another, which seals what it stores and checks what it loads."""

    def __init__(self, base: Any) -> None:
        self.base = base
        directlyProvides(self, providedBy(base))
        self._resolving: bytes | None = None
        base.registerDB(self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    def __len__(self) -> int:
        return len(self.base)

    def registerDB(self, _wrapper: Any) -> None:  # noqa: N802 - the interface's name
        """Do nothing: the storage below calls us, whoever is above."""

    def new_instance(self) -> "SealedStorage":
        """Make the storage of one more connection."""
        return type(self)(self.base.new_instance())

    def load(self, oid: bytes, version: str = "") -> tuple[bytes, bytes]:
        """Load a pickle, and its transaction.

        :raises DamagedRecord: when it is not what was written, or is gone.
        """
        try:
            record, tid = self.base.load(oid, version)
        except POSKeyError:
            if oid == z64 and self.base.lastTransaction() == z64:
                raise  # ZODB makes the root of an empty database itself
            raise _alarm(DamagedRecord(f"record 0x{u64(oid):x} is gone")) from None
        except _NO_NUMBER as error:
            raise _alarm(DamagedRecord(f"record 0x{u64(oid):x} cannot be read")) from error
        return self._checked(oid, record), tid

    def loadBefore(self, oid: bytes, tid: bytes) -> tuple[bytes, bytes, bytes | None] | None:  # noqa: N802
        """Load the pickle that a transaction was about to replace."""
        found = self.base.loadBefore(oid, tid)
        return found and (self._checked(oid, found[0]), *found[1:])

    def loadSerial(self, oid: bytes, serial: bytes) -> bytes:  # noqa: N802
        """Load the pickle of one transaction."""
        return self._checked(oid, self.base.loadSerial(oid, serial))

    def store(self, oid: bytes, serial: bytes, data: bytes, version: str, transaction: Any) -> Any:
        """Store a pickle, sealed."""
        return self.base.store(oid, serial, seal(oid, data), version, transaction)

    def pack(self, pack_time: float, referencesf: Callable[..., Any], *others: Any, **options: Any) -> Any:
        """Pack: what nothing refers to goes, so nothing is read from a record that is damaged."""

        def references(record: bytes, oids: Any = None) -> Any:
            return referencesf(unseal(record)[1], oids)

        return self.base.pack(pack_time, references, *others, **options)

    def records(self) -> Iterator[tuple[bytes, bytes, bytes]]:
        """Go through what is stored, as it is: (oid, transaction, record), for a verification.

        :raises DamagedRecord: when it cannot go on.
        """
        position = None
        while True:
            try:
                oid, tid, record, position = self.base.record_iternext(position)
            except _NO_NUMBER as error:
                raise DamagedRecord("a row of the database cannot be read") from error
            yield oid, tid, record
            if position is None:
                break

    def untransform_record_data(self, record: bytes) -> bytes:
        """Give conflict resolution a pickle: it reads three versions of one object, then writes a fourth."""
        self._resolving, pickle = unseal(record)
        return pickle

    def transform_record_data(self, data: bytes) -> bytes:
        """Seal what conflict resolution made of the object it just read.

        :raises DamagedRecord: when it read none: a copy must be made from and to storages that are not sealed.
        """
        oid, self._resolving = self._resolving, None
        if oid is None:
            raise DamagedRecord("nobody says whose record this is")
        return seal(oid, data)

    def _checked(self, oid: bytes, record: bytes) -> bytes:
        try:
            return unseal_of(oid, record)
        except DamagedRecord as damage:
            raise _alarm(damage) from None


def _alarm(damage: DamagedRecord) -> DamagedRecord:
    """Write to the log that the database is damaged, wherever the exception ends."""
    log.critical("The database is damaged: %s. Run sevres-verify.", damage)
    return damage
