"""Commands: ``sevres-backup``, ``sevres-restore``, ``sevres-pack``."""

import argparse
import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import transaction
from pyramid.paster import get_appsettings, setup_logging

from sevres_familles.backup.archive import Manifest
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.keeping import Keeping, backups_in, forgotten
from sevres_familles.backup.packing import pack
from sevres_familles.backup.restoring import Restored, restored
from sevres_familles.backup.saving import save
from sevres_familles.backup.vault import BackupRefused, Key, new_key, read_keys
from sevres_familles.domain import french
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.scripts import report
from sevres_familles.web.clock import SystemClock
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser
from sevres_familles.web.settings import Settings, read_settings

#: The key's file, in the folder of secrets.
KEY_FILE = "backup.key"


def backup() -> None:
    """Back the portal up, encrypted and signed, while it serves (``sevres-backup INI FOLDER``)."""
    options = parser("Sauvegarde le portail, chiffré et signé, pendant qu’il sert.")
    options.add_argument("folder", nargs="?", type=Path, metavar="DOSSIER", help="le dossier des sauvegardes")
    options.add_argument("--quick", action="store_true", help="sans relever les têtes du grand livre")
    options.add_argument(
        "--check", action="store_true", help="restaure à côté ce qui vient d’être écrit, et le vérifie"
    )
    options.add_argument(
        "--keep", nargs=3, type=int, metavar=("HEURES", "JOURS", "MOIS"),
        help="efface les anciennes : toutes sont gardées tant d’heures, puis une par jour, puis une par mois",
    )  # fmt: skip
    options.add_argument("--new-key", action="store_true", help="tire la clé des sauvegardes, une fois, et s’arrête")
    arguments = options.parse_args()
    with _refusals():
        if arguments.new_key:
            return _make_key(_settings_of(arguments.ini).secrets_folder / KEY_FILE)
        if arguments.folder is None:
            options.error("donnez le dossier des sauvegardes, ou --new-key")
        archive, manifest = _back_up(arguments.ini, arguments.folder, quick=arguments.quick)
        print(_told(archive, manifest))
        if arguments.keep:
            _forget(arguments.folder, Keeping(*arguments.keep))
        if arguments.check:
            _check(arguments.ini, archive)
    return None


def restore() -> None:
    """Restore a backup, verified before it takes the place of the database (``sevres-restore INI FILE [--check]``)."""
    options = parser("Restaure une sauvegarde, vérifiée avant de prendre la place de la base.")
    options.add_argument("archive", type=Path, metavar="SAUVEGARDE", help="la sauvegarde")
    options.add_argument("--check", action="store_true", help="restaure à côté, vérifie, et ne touche à rien")
    options.add_argument("--replace", action="store_true", help="remplace la base, qui est gardée sous un autre nom")
    options.add_argument("--despite-faults", action="store_true", help="met en place même ce qui a des anomalies")
    options.add_argument(
        "--key", type=Path, metavar="FICHIER", help="le fichier de la clé, s’il n’est pas avec les autres secrets"
    )
    arguments = options.parse_args()
    with _refusals():
        if arguments.check:
            _check(arguments.ini, arguments.archive, arguments.key)
        else:
            _restore(arguments)


def pack_database() -> None:
    """Back up, then drop what nothing refers to, then verify (``sevres-pack INI FOLDER``)."""
    options = parser("Sauvegarde, retire de la base ce que plus rien ne cite, puis la vérifie.")
    options.add_argument("folder", type=Path, metavar="DOSSIER", help="le dossier des sauvegardes")
    arguments = options.parse_args()
    with _refusals():
        archive, manifest = _back_up(arguments.ini, arguments.folder, quick=False)
        print(_told(archive, manifest))
        with opened(arguments.ini) as request:
            before, after = pack(request.registry)
            manager = transaction.TransactionManager(explicit=True)
            with closing(request.registry._zodb_databases[""].open(transaction_manager=manager)) as connection, manager:
                findings = verify_portal(portal_in(connection.root(), request.registry))
        print(f"{french.plural(before - after, 'enregistrement')} de moins, {after} restent.")
        print("\n".join(report(findings)))
        if findings.faults:
            raise BackupRefused(f"la base a des anomalies ; celle d’avant est dans {archive}")


@contextmanager
def _refusals() -> Iterator[None]:
    """End with the words of a refusal, and a status of 1."""
    try:
        yield
    except BackupRefused as refused:
        text = str(refused)
        sys.exit(f"{text[:1].upper()}{text[1:]}.")


def _settings_of(ini: str) -> Settings:
    setup_logging(ini)
    return read_settings(get_appsettings(ini))


def _make_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise BackupRefused(f"{path} existe : sans cette clé, les sauvegardes déjà faites sont illisibles") from error
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{new_key()}\n")
    print(f"Clé écrite dans {path}. Gardez-en une copie hors de cette machine : sans elle, rien ne se restaure.")


def _back_up(ini: str, folder: Path, *, quick: bool) -> tuple[Path, Manifest]:
    with opened(ini) as request, _alone_in(folder):
        settings = request.portal_settings
        key = read_keys(settings.secrets_folder / KEY_FILE)[0]
        return save(request.registry, Path(ini), folder, key, request.now, quick=quick)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make one backup at a time in a folder.

    :raises BackupRefused: when it is not there, or another is under way.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise BackupRefused(f"le dossier {folder} n’est pas là") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise BackupRefused(f"une autre sauvegarde est en cours dans {folder}") from error
    finally:
        os.close(descriptor)


def _told(archive: Path, manifest: Manifest) -> str:
    counted = [french.plural(manifest.records, "enregistrement")]
    if manifest.journals is not None and manifest.entries is not None:
        counted += [
            french.plural(manifest.journals, "journal", "journaux"),
            french.plural(manifest.entries, "écriture"),
        ]
    megabytes = f"{archive.stat().st_size / 1e6:.1f}".replace(".", ",")
    return f"Sauvegarde écrite : {archive} ({megabytes} Mo ; {', '.join(counted)})."


def _forget(folder: Path, keeping: Keeping) -> None:
    there = backups_in(folder)
    gone = forgotten(there, keeping, SystemClock().now())
    for moment in gone:
        there[moment].unlink()
    print(f"{french.plural(len(gone), 'ancienne sauvegarde effacée', 'anciennes sauvegardes effacées')}.")


def _check(ini: str, archive: Path, key: Path | None = None) -> None:
    """Restore beside, verify, and say it; end with a status of 1 when there are faults."""
    settings = _settings_of(ini)
    with restored(settings, archive, _keys(settings, key)) as found:
        print("\n".join(_verdict(found)))
        if found.findings.faults:
            sys.exit(1)


def _restore(arguments: argparse.Namespace) -> None:
    settings = _settings_of(arguments.ini)
    database = database_at(settings.storage)
    if database.holds_records() and not arguments.replace:
        raise BackupRefused(
            "il y a déjà une base : --replace la remplace (elle est gardée sous un autre nom), "
            "--check vérifie la sauvegarde sans toucher à rien"
        )
    _refuse_if_used(database)
    with restored(settings, arguments.archive, _keys(settings, arguments.key)) as found:
        print("\n".join(_verdict(found)))
        if found.findings.faults and not arguments.despite_faults:
            raise BackupRefused("rien n’a été remplacé ; --despite-faults passe outre")
        _refuse_if_used(database)
        kept = found.put_in_place(SystemClock().now())
    if kept:
        print(f"La base d’avant est gardée : {kept}.")
    print(
        f"Restaurée. Lancez « sevres-init {arguments.ini} », puis reprenez les journaux de la banque (operations.md)."
    )


def _refuse_if_used(database: Any) -> None:
    if database.is_used():
        raise BackupRefused("la base est ouverte par un autre programme : arrêtez d’abord le portail et ses services")


def _keys(settings: Settings, named: Path | None) -> Sequence[Key]:
    return read_keys(named or settings.secrets_folder / KEY_FILE)


def _verdict(found: Restored) -> list[str]:
    """Write what a restoration found, its last line being the verdict."""
    manifest, findings = found.manifest, found.findings
    lines = [f"ANOMALIE : {fault}" for fault in findings.faults]
    verdict = french.plural(len(findings.faults), "anomalie") if findings.faults else "aucune anomalie"
    lines.append(
        f"{'Restauration en défaut' if findings.faults else 'Restauration vérifiée'} : "
        f"sauvegarde du {french.moment_text(manifest.made_at)}, {french.plural(manifest.records, 'enregistrement')}, "
        f"{french.plural(findings.accounts, 'compte')}, {french.plural(findings.entries, 'écriture')}, "
        f"{french.plural(findings.payments, 'paiement')} ; {verdict}."
    )
    return lines
