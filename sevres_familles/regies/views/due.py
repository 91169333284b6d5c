"""The plate of the family's home: what is due now, and the way to pay it."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from pyramid.request import Request

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import ZERO, total
from sevres_familles.families.resources import Family
from sevres_familles.regies.resources import accounts_of
from sevres_familles.regies.services import AccountStanding, Standing, standings_of
from sevres_familles.regies.views.wording import BADGES, balance_words
from sevres_familles.web.markup import Markup, badge

#: Invoices that the plate names, a régie; the others are counted.
MOST_NAMED = 4


class Bill(NamedTuple):
    """What is due to one régie.  ``rows`` are (label, address, badge, amount); ``more`` counts the unnamed invoices."""

    title: str
    url: str
    total: str
    invoices: str
    rows: tuple[tuple[str, str, Markup, str], ...]
    more: str
    pay_url: str
    button: str


def what_is_due(family: Family, request: Request) -> dict[str, Any]:
    """Give the values of the plate."""
    standings = standings_of(accounts_of(family), request.today)
    url = request.resource_path(family, "comptes") + "/"
    due = [standing for standing in standings if standing.payable]
    return {
        "total": str(total(standing.due for standing in due)),
        "bills": tuple(_bill(standing, url, request, alone=len(due) == 1) for standing in due),
        "others": tuple(_others(standings, url)),
        "credits": tuple(_credits(standings)),
        "accounts_url": url if standings else "",
        "computed_on": _computed_on(standings, request),
        "pending": any(standing.count(InvoiceState.PENDING) for standing in standings),
    }


def _bill(standing: AccountStanding, accounts_url: str, request: Request, *, alone: bool) -> Bill:
    """Sum up what is due to one régie; ``alone`` when nothing is due to another."""
    payable = standing.payable
    url = f"{accounts_url}{standing.account.__name__}/"
    names = [("facture", each.invoice.__name__) for each in payable]
    mine = "Payer ma facture" if len(payable) == 1 else "Payer mes factures"
    return Bill(
        title=standing.account.regie.title,
        url=url,
        total=str(standing.due),
        invoices=french.plural(len(payable), "facture"),
        rows=tuple(_row(each, url, request) for each in payable[:MOST_NAMED]),
        more=french.plural(len(payable) - MOST_NAMED, "autre facture", "autres factures")
        if len(payable) > MOST_NAMED
        else "",
        pay_url=f"{url}?{urlencode(names)}",
        button=mine if alone else f"Payer {standing.due}",
    )


def _row(each: Standing, url: str, request: Request) -> tuple[str, str, Markup, str]:
    facts, status = each.invoice.facts, each.status
    until = f"avant le {french.day_text(facts.due_on, request.today)}"
    shown = badge("due", until) if status.state is InvoiceState.DUE else BADGES[status.state]
    return facts.label, f"{url}{each.invoice.__name__}/", shown, str(status.due)


def _others(standings: Sequence[AccountStanding], accounts_url: str) -> Any:
    """Say what else is unpaid, and cannot be paid here: (words, address of the account)."""
    for standing in standings:
        sent = standing.count(InvoiceState.SENT_TO_TREASURY)
        if sent:
            words = french.plural(sent, "facture transmise", "factures transmises")
            url = f"{accounts_url}{standing.account.__name__}/"
            yield f"{standing.account.regie.title}\xa0: {words} au Trésor public, à régler avec l’avis reçu", url


def _credits(standings: Sequence[AccountStanding]) -> Any:
    """Say what régies owe to the family: (balance in words, name of the régie)."""
    for standing in standings:
        balance = standing.account.balance()
        if balance < ZERO:
            yield str(balance_words(balance)), standing.account.regie.title


def _computed_on(standings: Sequence[AccountStanding], request: Request) -> str:
    """Say when billing last computed the accounts; nothing when it never did."""
    days = [standing.account.imported_balance[1] for standing in standings if standing.account.imported_balance]
    return french.day_text(max(days), request.today) if days else ""
