"""The command of the families area: what a family said of its invoices otherwise than on its page."""

import sys
from contextlib import closing

import transaction

from sevres_familles.families.delivery import BY_SERVICE, choose_delivery
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser

_ATTEMPTS = 10


def give_paper_back() -> None:
    """Note that a family has its invoices on paper again (``sevres-delivery INI CODE --paper``).

    For a family that says so by telephone or by letter, and for one whose mails come back to the service.  There is no
    command for the other way: to do without paper is a consent, which the family gives on its own page.
    """
    options = parser(give_paper_back.__doc__)
    options.add_argument("code", help="le code d’accès de la famille, par exemple 26719")
    options.add_argument(
        "--paper", action="store_true", required=True, help="ses prochaines factures sont imprimées (obligatoire)"
    )
    arguments = options.parse_args()
    with opened(arguments.ini) as request:
        manager = transaction.TransactionManager(explicit=True)
        database = request.registry._zodb_databases[""]
        with closing(database.open(transaction_manager=manager)) as connection:
            for attempt in manager.attempts(_ATTEMPTS):
                with attempt:
                    portal = portal_in(connection.root(), request.registry)
                    if arguments.code not in portal["familles"]:
                        sys.exit(f"Aucune famille n’a le code {arguments.code}.")
                    family = portal["familles"][arguments.code]
                    before = len(family.delivery_choices)
                    choose_delivery(portal, request.registry, family, electronic=False, at=request.now, by=BY_SERVICE)
                    is_noted = len(family.delivery_choices) > before
    if is_noted:
        print(f"C’est noté : les prochaines factures de la famille {arguments.code} seront imprimées.")
    else:
        print(f"Rien à changer : la famille {arguments.code} reçoit déjà ses factures sur papier.")
