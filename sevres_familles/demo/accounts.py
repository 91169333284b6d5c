"""The demonstration's accounts, and their passwords.  The README names them; they exist on no portal of a town."""

from datetime import datetime
from typing import Any, NamedTuple

from sevres_familles.identity.services import credentials_of, issue_printed_password, set_password


class DemoAccount(NamedTuple):
    """An account: its code d’accès, what it shows, and its password, printed on the invoice or its own."""

    code: str
    shows: str
    password: str
    is_printed: bool = False


ACCOUNTS = (
    DemoAccount(
        "26719", "première connexion, avec le mot de passe de la facture", "K7MP-Q3XA-TRWD-9HF4", is_printed=True
    ),
    DemoAccount("26842", "un mot de passe personnel, deux factures à payer", "lanterne moulin girafe 58"),
    DemoAccount("25310", "trois régies, plus de trente factures, tous les états", "pommier fusée violon 31"),
    DemoAccount("27105", "un avoir", "cascade tambour noisette 74"),
    DemoAccount("24988", "une facture en retard", "bruyère parasol cerise 92"),
)


def open_accounts(portal: Any, registry: Any, at: datetime) -> tuple[DemoAccount, ...]:
    """Give the accounts that have none yet their passwords, and say which; the others stay as they are."""
    opened = []
    for account in ACCOUNTS:
        credentials = credentials_of(portal, account.code)
        if credentials.password is not None or credentials.printed is not None:
            continue
        if account.is_printed:
            issue_printed_password(portal, registry, account.code, at, account.password)
        else:
            set_password(portal, registry, account.code, account.password, at)
        opened.append(account)
    return tuple(opened)
