"""The command ``sevres-demo``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import transaction

from sevres_familles.demo.accounts import open_accounts
from sevres_familles.demo.town import write_town
from sevres_familles.demo.writing import write_demonstration
from sevres_familles.domain.french import local, plural
from sevres_familles.web.clock import SystemClock
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened


def main(arguments: Sequence[str] | None = None) -> None:
    """Write demonstration exchange files to a folder (``sevres-demo FOLDER``), or open the demonstration's accounts."""
    options = argparse.ArgumentParser(description=main.__doc__)
    options.add_argument("folder", nargs="?", type=Path, help="le dossier où écrire les fichiers d’échange")
    options.add_argument("--families", type=int, help="écrire une ville de tant de familles")
    options.add_argument("--seed", type=int, default=1, help="le tirage : le même donne la même ville (1)")
    options.add_argument("--accounts", metavar="INI", help="donner leurs mots de passe aux comptes de démonstration")
    chosen = options.parse_args(arguments)
    if chosen.accounts:
        _open_accounts(chosen.accounts)
    elif chosen.folder is None:
        options.error("donnez un dossier, ou --accounts INI")
    else:
        today = local(SystemClock().now()).date()
        if chosen.families is None:
            write_demonstration(chosen.folder, today)
        else:
            write_town(chosen.folder, families=chosen.families, seed=chosen.seed, today=today)
        print(f"Fichiers d’échange dans {chosen.folder}.")


def _open_accounts(ini: str) -> None:
    with opened(ini) as request:
        if not request.portal_settings.may_show_demonstration:
            sys.exit("Les comptes de démonstration sont refusés ici (sevres.demo_data, en recette seulement).")
        registry = request.registry
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        try:
            with manager:
                done = open_accounts(portal_in(connection.root(), registry), registry, request.now)
        finally:
            connection.close()
    for account in done:
        print(f"{account.code}  {account.password}  ({account.shows})")
    print(f"{plural(len(done), 'compte de démonstration ouvert', 'comptes de démonstration ouverts')}.")
