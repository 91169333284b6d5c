"""Restoring a backup: into a place beside, verified there, and only then in place of what serves."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import transaction
from ZODB import DB
from zodburi import resolve_uri

from sevres_familles.backup.archive import Manifest, read_archive
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.disk import RESTORATION, workshop
from sevres_familles.backup.heads import lost_heads
from sevres_familles.backup.keeping import stamp
from sevres_familles.backup.numbering import leave_out_lost
from sevres_familles.backup.saving import CONFIGURATION, HEADS
from sevres_familles.backup.vault import BackupRefused, Key
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.payments.checking import Findings, verify_portal
from sevres_familles.regies.resources import ReceiptGap
from sevres_familles.web.root import Portal
from sevres_familles.web.sealing import DamagedRecord
from sevres_familles.web.settings import Settings


class Restored(NamedTuple):
    """A backup that was restored beside what serves: where, what it says, and what was found in it.

    ``configuration`` is the folder of the ini, the town file and the theme as they were.
    """

    address: str
    configuration: Path
    manifest: Manifest
    findings: Findings


class InPlace(NamedTuple):
    """What was done when a restored database was put in place: where the one before went, and what numbers are lost."""

    kept: str | None
    gaps: tuple[ReceiptGap, ...]


@contextmanager
def restored(settings: Settings, archive: Path, keys: Sequence[Key]) -> Iterator[Restored]:
    """Restore a backup beside what serves, for a block, and verify it: its bytes, its records, its books.

    :raises BackupRefused: when it is not whole, of another key, or of another kind of storage than the settings say.
    """
    database = database_at(settings.storage)
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workshop(settings.var, RESTORATION, database.forget) as folder:
        manifest = read_archive(archive, keys, folder)
        if manifest.kind != database.kind:
            raise BackupRefused(f"la sauvegarde est de {manifest.kind}, les réglages disent {database.kind}")
        with database.restored(folder / database.file) as address:
            findings = _verify(address, settings.root_name, folder / HEADS)
            records = database_at(address).records()
            if records != manifest.records:
                fault = f"{records} enregistrements, {manifest.records} au manifeste"
                findings = findings._replace(faults=(fault, *findings.faults))
            yield Restored(address, folder / CONFIGURATION, manifest, findings)


def put_in_place(
    settings: Settings, found: Restored, last_given: Sequence[ReceiptNumber], *, at: datetime, by: str
) -> InPlace:
    """Put what was restored in the place of what serves, the numbers of receipts going on past those that are lost.

    :param last_given: the last number of a régie and year, where that is known.
    :raises BackupRefused: when one of them cannot be; nothing is replaced then.
    """
    with _portal_at(found.address, settings.root_name) as portal:
        gaps = leave_out_lost(portal, found.manifest.made_at, last_given, at=at, by=by)
    return InPlace(database_at(settings.storage).replace_by(found.address, stamp(at)), gaps)


def _verify(address: str, root_name: str, heads: Path) -> Findings:
    """Verify what is stored, the books, and that the ledger goes through the heads it had."""
    with _portal_at(address, root_name) as portal:
        findings = verify_portal(portal)
        lost = tuple(lost_heads(portal, heads)) if heads.exists() else ()
        return findings._replace(faults=(*lost, *findings.faults))


@contextmanager
def _portal_at(address: str, root_name: str) -> Iterator[Portal]:
    """Open the portal of a database of our own for a transaction, which ends with the block.

    :raises BackupRefused: when it cannot be read so far.
    """
    factory, keywords = resolve_uri(address)
    with closing(DB(factory(), **keywords)) as database:
        manager = transaction.TransactionManager(explicit=True)
        with closing(database.open(transaction_manager=manager)) as connection, manager:
            try:
                yield connection.root()[root_name]
            except DamagedRecord as damage:
                raise BackupRefused(f"ce qui est sauvegardé ne se lit pas ({damage})") from damage
