"""``sevres-journal``: take the bank's journals in."""

import sys
from pathlib import Path
from typing import Any

import transaction

from sevres_familles.payments.gateways.port import UnreadableJournal
from sevres_familles.payments.journals.report import fault_lines, report_lines, summary
from sevres_familles.payments.journals.resources import kept_reports
from sevres_familles.payments.journals.taking import take_journal
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser

#: The statuses of the command: nothing to look at, something, a file that cannot be read.
FINE, TROUBLED, UNREADABLE = 0, 1, 2


def main() -> None:
    """Reprend les journaux de la banque, JT et JRI, et les compare au grand livre."""
    options = parser(main.__doc__)
    options.add_argument("files", nargs="*", type=Path, metavar="FICHIER", help="un journal de la banque")
    options.add_argument("--gateway", default="systempay", help="la banque dont il vient (par défaut : %(default)s)")
    options.add_argument("--list", action="store_true", help="liste les journaux déjà repris")
    arguments = options.parse_args()
    with opened(arguments.ini) as request:
        if arguments.gateway not in request.registry.gateways:
            sys.exit(f"Banque inconnue : {arguments.gateway}.")
        if arguments.list:
            _list(request.registry)
        statuses = [_take(request.registry, arguments.gateway, file) for file in arguments.files]
    sys.exit(max(statuses, default=FINE))


def _take(registry: Any, gateway: str, file: Path) -> int:
    try:
        report = take_journal(registry, gateway, file.read_bytes(), name=file.name)
    except OSError as error:
        print(f"{file.name} : illisible ({error.strerror}).")
        return UNREADABLE
    except UnreadableJournal as error:
        print("\n".join(fault_lines(file.name, error.faults)))
        return UNREADABLE
    print("\n".join(report_lines(report)))
    return TROUBLED if report.has_troubles else FINE


def _list(registry: Any) -> None:
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    try:
        with manager:
            for report in kept_reports(portal_in(connection.root(), registry)):
                print(summary(report))
    finally:
        connection.close()
