"""Commands of the identity area."""

import sys

import transaction

from sevres_familles.identity.services import UnknownFamily, issue_printed_password
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser


def issue_password() -> None:
    """Issue the printed password of a family, and show it this once (``sevres-password INI CODE``).

    The one issued before is dead.  ``--password`` fixes it, for the demonstration alone.
    """
    options = parser(issue_password.__doc__)
    options.add_argument("code", help="le code d’accès de la famille, par exemple 26719")
    options.add_argument("--password", help="le mot de passe à donner (démonstration seulement)")
    arguments = options.parse_args()
    with opened(arguments.ini) as request:
        registry = request.registry
        if arguments.password and not request.portal_settings.may_show_demonstration:
            sys.exit("--password est refusé ici : un mot de passe se tire au sort.")
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        try:
            with manager:
                portal = portal_in(connection.root(), registry)
                password = issue_printed_password(portal, registry, arguments.code, request.now, arguments.password)
        except UnknownFamily:
            sys.exit(f"Aucune famille n’a le code {arguments.code}.")
        except ValueError:
            sys.exit("Ce mot de passe n’a pas la forme de ceux des factures, ou son caractère de contrôle est faux.")
        finally:
            connection.close()
    print(f"Code d’accès : {arguments.code}\nMot de passe : {password}")
