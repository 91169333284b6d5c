"""Commands of the identity area."""

import sys
from datetime import timedelta
from math import ceil

import transaction

from sevres_familles.domain.french import plural
from sevres_familles.identity.rotation import forget_former, note_addresses, renew
from sevres_familles.identity.services import UnknownFamily, issue_printed_password
from sevres_familles.web.logs import tell_now
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


def rotate() -> None:
    """Change one of the portal's own secrets while it serves (``sevres-rotate INI session|tokens``).

    The former stays honoured until ``--end``.
    """
    options = parser(rotate.__doc__)
    options.add_argument("name", choices=("session", "tokens"), help="session : les cookies ; tokens : les liens")
    options.add_argument("--end", action="store_true", help="ne plus honorer les anciens")
    arguments = options.parse_args()
    with opened(arguments.ini) as request:
        settings = request.portal_settings
        path = settings.secrets_folder / f"{arguments.name}.key"
        if arguments.end:
            print(f"{plural(forget_former(path), 'ancien secret oublié', 'anciens secrets oubliés')} dans {path}.")
            return
        renew(path)
        tell_now("secret changed", secret=arguments.name)
        if arguments.name == "tokens":
            print(f"Adresses de {plural(note_addresses(request.registry), 'famille')} notées sous le nouveau secret.")
        lives = {"session": settings.session_absolute, "tokens": settings.confirmation_life}
        hours = ceil(lives[arguments.name] / timedelta(hours=1))
        print(
            f"Nouveau secret en service dans {path}, sans redémarrage. L’ancien reste honoré : dans {hours} heures, "
            f"lancez « sevres-rotate {arguments.ini} {arguments.name} --end »."
        )
