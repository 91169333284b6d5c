"""Commands: ``sevres-backup``, ``sevres-restore``, ``sevres-pack``."""

import argparse
import getpass
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import transaction
from pyramid.paster import setup_logging

from sevres_familles.backup.archive import Manifest
from sevres_familles.backup.databases import Database, database_at
from sevres_familles.backup.disk import alone_in
from sevres_familles.backup.keeping import Keeping, backups_in, forgotten
from sevres_familles.backup.packing import pack
from sevres_familles.backup.restoring import InPlace, Restored, put_in_place, restored
from sevres_familles.backup.saving import save
from sevres_familles.backup.vault import BackupRefused, new_key, read_keys
from sevres_familles.domain import french
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.scripts import report
from sevres_familles.web.clock import SystemClock
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser, settings_in, told_when_full
from sevres_familles.web.settings import Settings

#: The key's file, in the folder of secrets.
KEY_FILE = "backup.key"
#: How long a backup waits for another one of its folder, in seconds.
PATIENCE = 600


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
        if arguments.check:
            _check(arguments.ini, archive)
        # Once the new one is known to be good, and not before.
        if arguments.keep:
            _forget(arguments.folder, Keeping(*arguments.keep))
    return None


def restore() -> None:
    """Restore a backup, verified before it takes the place of the database (``sevres-restore INI FILE [--check]``)."""
    options = parser("Restaure une sauvegarde, vérifiée avant de prendre la place de la base.")
    options.add_argument(
        "archive", type=Path, metavar="SAUVEGARDE", help="la sauvegarde, ou un dossier dont la dernière est prise"
    )
    options.add_argument("--check", action="store_true", help="restaure à côté, vérifie, et ne touche à rien")
    options.add_argument("--replace", action="store_true", help="remplace la base, qui est gardée sous un autre nom")
    options.add_argument("--despite-faults", action="store_true", help="met en place même ce qui a des anomalies")
    options.add_argument(
        "--key", type=Path, metavar="FICHIER", help="le fichier de la clé, s’il n’est pas avec les autres secrets"
    )
    options.add_argument(
        "--configuration", type=Path, metavar="DOSSIER",
        help="écrit dans ce dossier, nouveau, l’ini, le fichier de la ville et son thème tels qu’ils étaient",
    )  # fmt: skip
    options.add_argument(
        "--last-receipt", action="append", default=[], type=_receipt_number, metavar="NUMÉRO",
        help="le dernier reçu donné par une régie, s’il est connu avec certitude : les numéros reprennent juste après "
        "(une fois par régie) ; sinon ils reprennent bien au-delà, et ce qui est sauté est écrit dans la base",
    )  # fmt: skip
    arguments = options.parse_args()
    with _refusals():
        if arguments.check:
            _check(arguments.ini, arguments.archive, arguments.key, arguments.configuration)
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
    """Run a command: what it writes is for the service alone, and a refusal or a full disk ends it with a sentence.

    SIGTERM ends it as an exception does, so that nothing of the database is left in clear.
    """
    os.umask(0o077)
    former = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        with told_when_full():
            yield
    except BackupRefused as refused:
        text = str(refused)
        sys.exit(f"{text[:1].upper()}{text[1:]}.")
    finally:
        signal.signal(signal.SIGTERM, former)


def _settings_of(ini: str) -> Settings:
    settings = settings_in(ini)
    setup_logging(ini)
    return settings


def _receipt_number(text: str) -> ReceiptNumber:
    try:
        return ReceiptNumber.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} n’est pas un numéro de reçu (2026-SCO-000123)") from error


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
    with _alone_in(folder), opened(ini) as request:
        settings = request.portal_settings
        key = read_keys(settings.secrets_folder / KEY_FILE)[0]
        return save(request.registry, Path(ini), folder, key, request.now, quick=quick)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Make one backup at a time in a folder: the next one waits.

    :raises BackupRefused: when the folder is not there, or another backup takes too long.
    """
    if not folder.is_dir():
        raise BackupRefused(f"le dossier {folder} n’existe pas : créez-le d’abord (mkdir -m 700 {folder})")
    try:
        with alone_in(folder, PATIENCE):
            yield
    except BlockingIOError as error:
        raise BackupRefused(f"une autre sauvegarde est en cours dans {folder}") from error


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


def _check(ini: str, archive: Path, key: Path | None = None, configuration: Path | None = None) -> None:
    """Restore beside, verify, and touch nothing; end with a status of 1 when there are faults."""
    with _restored(_settings_of(ini), archive, key) as found:
        _write_configuration(found, configuration)
        if found.findings.faults:
            sys.exit(1)


@contextmanager
def _restored(settings: Settings, archive: Path, key: Path | None = None) -> Iterator[Restored]:
    """Restore beside, verify, and say it, for a block."""
    keys = read_keys(key or settings.secrets_folder / KEY_FILE)
    with restored(settings, _newest(archive), keys) as found:
        print("\n".join(_verdict(found)))
        yield found


def _newest(archive: Path) -> Path:
    """Give a backup that was named, or the newest of a folder.

    :raises BackupRefused: when the folder has none.
    """
    if not archive.is_dir():
        return archive
    there = list(backups_in(archive).values())
    if not there:
        raise BackupRefused(f"aucune sauvegarde dans {archive}")
    return there[-1]


def _write_configuration(found: Restored, folder: Path | None) -> None:
    if folder is not None:
        if folder.exists():
            raise BackupRefused(f"{folder} existe : la configuration s’écrit dans un dossier nouveau")
        shutil.copytree(found.configuration, folder)
        print(f"Configuration sauvegardée, écrite dans {folder}.")


def _restore(arguments: argparse.Namespace) -> None:
    settings = _settings_of(arguments.ini)
    database = database_at(settings.storage)
    if database.holds_records() and not arguments.replace:
        raise BackupRefused(
            "il y a déjà une base : --replace la remplace (elle est gardée sous un autre nom), "
            "--check vérifie la sauvegarde sans toucher à rien"
        )
    _refuse_if_used(database)
    with _restored(settings, arguments.archive, arguments.key) as found:
        if found.findings.faults and not arguments.despite_faults:
            raise BackupRefused("rien n’a été remplacé ; --despite-faults passe outre")
        _write_configuration(found, arguments.configuration)
        _refuse_if_used(database)
        done = put_in_place(settings, found, arguments.last_receipt, at=SystemClock().now(), by=_operator())
        print("\n".join(_done_lines(done, arguments.ini)))


def _refuse_if_used(database: Database) -> None:
    if database.is_used():
        raise BackupRefused("la base est ouverte par un autre programme : arrêtez d’abord le portail et ses services")


def _operator() -> str:
    """Name who runs the command, by the account of the machine."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def _done_lines(done: InPlace, ini: str) -> Iterator[str]:
    if done.kept:
        yield f"La base d’avant est gardée : {done.kept}."
    for gap in done.gaps:
        yield (
            f"Numéros de reçu {gap.first} à {gap.last} laissés de côté : ils ont pu être donnés depuis. "
            "C’est écrit dans la base."
        )
    yield f"Restaurée. Lancez « sevres-init {ini} », puis reprenez les journaux de la banque (operations.md)."


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
