"""Restoring a backup: into a place beside, verified there, and only then in place of what serves."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import transaction
from ZODB import DB
from zodburi import resolve_uri

from sevres_familles.backup.archive import Manifest, read_archive
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.disk import workshop
from sevres_familles.backup.heads import lost_heads
from sevres_familles.backup.keeping import stamp
from sevres_familles.backup.saving import HEADS
from sevres_familles.backup.vault import BackupRefused, Key
from sevres_familles.payments.checking import Findings, verify_portal
from sevres_familles.web.settings import Settings


class Restored(NamedTuple):
    """A backup that was restored beside what serves: what it says, what was found in it, how to put it in place."""

    manifest: Manifest
    findings: Findings
    put_in_place: Callable[[datetime], str | None]


@contextmanager
def restored(settings: Settings, archive: Path, keys: Sequence[Key]) -> Iterator[Restored]:
    """Restore a backup beside what serves, for a block, and verify it: its bytes, its records, its books.

    :raises BackupRefused: when it is not whole, of another key, or of another kind of storage than the settings say.
    """
    database = database_at(settings.storage)
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    with workshop(settings.var, "restauration") as folder:
        manifest = read_archive(archive, keys, folder)
        if manifest.kind != database.kind:
            raise BackupRefused(f"la sauvegarde est de {manifest.kind}, les réglages disent {database.kind}")
        with database.restored(folder / database.file) as address:
            findings = _verify(address, settings.root_name, folder / HEADS)
            records = database_at(address).records()
            if records != manifest.records:
                fault = f"{records} enregistrements, {manifest.records} au manifeste"
                findings = findings._replace(faults=(fault, *findings.faults))
            yield Restored(manifest, findings, lambda at: database.replace_by(address, stamp(at)))


def _verify(address: str, root_name: str, heads: Path) -> Findings:
    """Verify what is stored, the books, and that the ledger goes through the heads it had."""
    factory, keywords = resolve_uri(address)
    with closing(DB(factory(), **keywords)) as database:
        manager = transaction.TransactionManager(explicit=True)
        with closing(database.open(transaction_manager=manager)) as connection, manager:
            portal = connection.root()[root_name]
            findings = verify_portal(portal)
            lost = tuple(lost_heads(portal, heads)) if heads.exists() else ()
            return findings._replace(faults=(*lost, *findings.faults))
