"""« Vos comptes »: the accounts of a family with the régies, on a page of their own and on « Votre dossier »."""

from typing import Any, NamedTuple

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.renderers import render
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import total
from sevres_familles.families.resources import Family
from sevres_familles.regies.resources import FamilyAccounts, accounts_of
from sevres_familles.regies.services import AccountStanding, standings_of
from sevres_familles.regies.views.wording import BADGES, Balance, balance_words
from sevres_familles.web.markup import Markup, badge
from sevres_familles.web.paging import Paging, page_of
from sevres_familles.web.security import Permission

PAGE_SIZE = 12
PART = "sevres_familles:templates/regies/accounts_part.pt"


class AccountRow(NamedTuple):
    """An account in the table.  ``computed_on`` and ``imported`` tell the last balance of billing, or are empty.

    ``imported`` is empty too while the balance is still what billing said: it is told once.

    ``elsewhere`` is what of the balance the Treasury follows, which is not paid here, or empty.
    """

    name: str
    url: str
    title: str
    activities: str
    computed_on: str
    state: Markup
    balance: Balance
    elsewhere: str
    imported: str


def accounts_of_record(family: Family, request: Request) -> dict[str, Any]:
    """Give the values of the table on « Votre dossier », where its first page shows."""
    accounts = accounts_of(family)
    standings = standings_of(accounts, request.today)
    return _values(standings, Paging(1, len(standings), PAGE_SIZE), request.resource_path(family, "comptes") + "/")


@view_config(
    context=FamilyAccounts,
    permission=Permission.INVOICE_VIEW,
    request_method="GET",
    renderer="sevres_familles:templates/regies/accounts.pt",
)
def list_accounts(context: FamilyAccounts, request: Request) -> dict[str, Any]:
    """Show « Vos comptes » on their own page."""
    standings = standings_of(context, request.today)
    values = _values(standings, page_of(request, len(standings), PAGE_SIZE), request.resource_path(context))
    return {"title": "Vos comptes", "part": Markup(render(PART, {**values, "is_page": True}, request=request))}


@view_config(context=FamilyAccounts, name="factures", permission=Permission.INVOICE_VIEW, request_method="GET")
def open_account(context: FamilyAccounts, request: Request) -> Response:
    """Lead from the account that was chosen in the table to its invoices.

    :raises HTTPNotFound: when the family has no such account.
    """
    name = request.GET.get("compte")
    if name is None:
        return HTTPSeeOther(request.resource_url(context))
    try:
        return HTTPSeeOther(request.resource_url(context[name]))
    except KeyError:
        raise HTTPNotFound from None


def _values(standings: tuple[AccountStanding, ...], paging: Paging, url: str) -> dict[str, Any]:
    return {
        "rows": tuple(_row(standing, url) for standing in standings[paging.start : paging.end]),
        "paging": paging,
        "url": url,
        "is_page": False,
    }


def _row(standing: AccountStanding, accounts_url: str) -> AccountRow:
    account = standing.account
    imported = account.imported_balance
    balance = account.balance()
    elsewhere = total(
        each.status.due for each in standing.invoices if each.status.state is InvoiceState.SENT_TO_TREASURY
    )
    return AccountRow(
        name=account.__name__ or "",
        url=f"{accounts_url}{account.__name__}/",
        title=account.regie.title,
        activities=", ".join(account.regie.description.activities),
        computed_on=french.short_date(imported[1]) if imported else "",
        state=_state(standing),
        balance=balance_words(balance),
        elsewhere=str(elsewhere) if elsewhere else "",
        imported=str(balance_words(imported[0])) if imported and imported[0] != balance else "",
    )


def _state(standing: AccountStanding) -> Markup:
    """Say in a few words how an account stands: the most pressing thing first."""
    late = standing.count(InvoiceState.LATE)
    if late:
        return badge("late", f"{late} en retard")
    due = standing.count(InvoiceState.DUE, InvoiceState.PART_PAID)
    if due:
        return badge("due", f"{due} à payer")
    for state in (InvoiceState.PENDING, InvoiceState.SENT_TO_TREASURY):
        if standing.count(state):
            return BADGES[state]
    return badge("paid", "à jour")
