"""Commands: how each opens the portal, while the portal serves or not."""

import argparse
import errno
import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transaction
from pyramid.paster import get_app, get_appsettings, setup_logging
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import RequestContext

from sevres_familles.web.evolution import evolve
from sevres_familles.web.root import DatabaseNotReady, Portal
from sevres_familles.web.sealing import DamagedRecord
from sevres_familles.web.settings import OWN_SECRETS, Settings, WrongSettings, make_secrets, read_settings
from sevres_familles.web.theme import faults_of, measure, sheets_of
from sevres_familles.web.town import read_town

log = logging.getLogger(__name__)

_ATTEMPTS = 10


def parser(description: str | None) -> argparse.ArgumentParser:
    """Make the parser of a command: every one takes the ini first."""
    made = argparse.ArgumentParser(description=(description or "").split("\n\n")[0])
    made.add_argument("ini", help="le fichier de configuration, par exemple development.ini")
    return made


_FULL = "rien n’a été fait à moitié. Libérez de la place, puis recommencez."


@contextmanager
def told_when_full(then: str = _FULL) -> Iterator[None]:
    """End with a sentence when the disk is full.

    :param then: what came of the act, and what to do.
    :raises SystemExit: then.
    """
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        code = getattr(error, "sqlite_errorcode", None)
        if getattr(error, "errno", None) != errno.ENOSPC and code != sqlite3.SQLITE_FULL:
            raise
        sys.exit(f"Le disque est plein : {then}")


@contextmanager
def _told_when_damaged() -> Iterator[None]:
    """End with a sentence when the database does not read as this version wrote it.

    :raises SystemExit: then.
    """
    try:
        yield
    except DamagedRecord as damage:
        sys.exit(
            f"La base est abîmée, ou d’une autre version ({damage}) : restaurez une sauvegarde (sevres-restore) ; "
            "si rien n’y est à garder, recommencez dans un dossier vide, par la variable VAR."
        )


def settings_in(ini: str) -> Settings:
    """Read the settings of an ini.

    :raises SystemExit: naming what is wrong or unsafe in them, or the file that is not there.
    """
    try:
        return read_settings(get_appsettings(ini))
    except FileNotFoundError:
        sys.exit(f"{ini} n’existe pas : donnez le chemin du fichier de configuration.")
    except WrongSettings as error:
        sys.exit(f"Réglages refusés, dans {ini} :\n{error}")


@contextmanager
def opened(ini: str) -> Iterator[Request]:
    """Open the portal for a command: a request whose links are those that families see.

    It opens no connection: a command opens its own, for as long as a transaction.  The databases are closed at the end.
    A command that finds no database says where it looked, and makes none.

    :raises SystemExit: when ``sevres-init`` was never run there, settings are wrong or unsafe, or the database is
        damaged.
    """
    os.umask(0o077)
    settings = settings_in(ini)
    setup_logging(ini)
    if not all((settings.secrets_folder / name).exists() for name in OWN_SECRETS):
        sys.exit(
            f"Aucun portail dans {settings.var} : lancez d’abord « sevres-init {ini} », "
            "ou donnez le bon dossier par la variable VAR."
        )
    with _told_when_damaged():
        registry = get_app(ini).registry
    request = Request.blank("/", base_url=registry.settings_of_portal.public_url)
    request.registry, request.context = registry, None
    apply_request_extensions(request)
    try:
        with _told_when_damaged(), told_when_full(), RequestContext(request):
            yield request
    except DatabaseNotReady:
        sys.exit(f"La base n’est pas prête : lancez « sevres-init {ini} ».")
    finally:
        for database in registry._zodb_databases.values():
            database.close()


def prepare_database(registry: Any) -> tuple[str, ...]:
    """Make the portal in a database, or run its missing evolution steps, and give their names."""
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    name = registry.settings_of_portal.root_name
    done: tuple[str, ...] = ()
    try:
        # Another process that makes it at the same moment conflicts with this one.
        for attempt in manager.attempts(_ATTEMPTS):
            with attempt:
                root = connection.root()
                if name not in root:
                    root[name] = portal = Portal()
                    # A step that seats the portal in an application's own tree finds that tree by the connection.
                    connection.add(portal)
                done = evolve(root[name], registry)
    finally:
        connection.close()
    return done


def init() -> None:
    """Make secrets and database, or bring the database up to date (``sevres-init INI``).

    Run it once before several workers start together on an empty database.
    """
    arguments = parser(init.__doc__).parse_args()
    make_secrets(settings_in(arguments.ini))
    with opened(arguments.ini) as request:
        done = prepare_database(request.registry)
    print(f"Base prête ({len(done)} étape(s) exécutée(s)).")


def theme() -> None:
    """Check the town's pictures and the contrast of its colours (``sevres-theme INI``)."""
    arguments = parser(theme.__doc__).parse_args()
    town = read_town(settings_in(arguments.ini).town_file)
    measures = measure(sheets_of(town))
    faults = faults_of(town)
    least = min(measures, key=lambda each: each.ratio / each.pair.needed)
    print(f"{town.title} : {len(measures)} contrastes mesurés, le plus faible étant {least}.")
    print("\n".join(f"À CORRIGER : {fault}" for fault in faults) or "Tout se lit.")
    sys.exit(1 if faults else 0)
