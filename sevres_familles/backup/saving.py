"""Making a backup, while the portal serves."""

import shutil
from contextlib import closing
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import transaction

from sevres_familles.backup.archive import Manifest, measure, write_archive
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.disk import BACKUP, sync, workshop
from sevres_familles.backup.heads import Heads, write_heads
from sevres_familles.backup.keeping import name_of
from sevres_familles.backup.vault import Key
from sevres_familles.web.root import portal_in

#: What stands in an archive, besides the database.
HEADS = "tetes.txt"
CONFIGURATION = "configuration"
#: What a backup is called until it is whole: always the same, so that one that was killed is written over by the next.
_PARTIAL = ".espace-familles.part"


def save(registry: Any, ini: Path, destination: Path, key: Key, at: datetime, *, quick: bool) -> tuple[Path, Manifest]:
    """Write a backup to a folder, and give it with its manifest.

    Secrets are not in it.  The heads of the ledger are read before the database is copied, so that the copy has at
    least these; a quick backup leaves them out.

    One at a time in a folder.

    :raises BackupRefused: when the storage has no backup of ours.
    """
    settings = registry.settings_of_portal
    database = database_at(settings.storage)
    with workshop(settings.var, BACKUP, database.forget) as folder:
        heads = None if quick else _heads(registry, folder / HEADS)
        records = database.copy_to(folder / database.file)
        _copy_configuration(registry, ini, folder / CONFIGURATION)
        manifest = Manifest(
            made_at=at,
            version=version("sevres_familles"),
            environment=settings.environment,
            kind=database.kind,
            records=records,
            journals=heads and heads.journals,
            entries=heads and heads.entries,
            ledger=heads and heads.digest,
            files=measure(folder),
        )
        archive = destination / name_of(at)
        partial = destination / _PARTIAL
        partial.unlink(missing_ok=True)
        try:
            write_archive(partial, manifest, folder, key)
            sync(partial)
            partial.rename(archive)
        finally:
            partial.unlink(missing_ok=True)
    sync(destination)
    return archive, manifest


def _heads(registry: Any, file: Path) -> Heads:
    manager = transaction.TransactionManager(explicit=True)
    with closing(registry._zodb_databases[""].open(transaction_manager=manager)) as connection, manager:
        return write_heads(portal_in(connection.root(), registry), file)


def _copy_configuration(registry: Any, ini: Path, folder: Path) -> None:
    """Copy what a new machine needs besides the database and the secrets, and what is no secret.

    A theme's folder that is missing keeps nobody from a backup.
    """
    town_file, theme = registry.settings_of_portal.town_file, registry.town.theme
    folder.mkdir()
    for path in (ini, town_file):
        shutil.copyfile(path, folder / path.name)
    if theme.is_dir():
        shutil.copytree(theme, folder / theme.name)
