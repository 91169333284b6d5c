"""« Vos factures »: the invoices of an account, to read and to choose for payment."""

from collections.abc import Sequence
from typing import Any

from pyramid.request import Request
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.domain.money import total
from sevres_familles.families.cards import guardian_cards
from sevres_familles.regies.resources import FamilyAccount
from sevres_familles.regies.services import Standing, standing_of
from sevres_familles.regies.views.rows import invoice_row
from sevres_familles.regies.views.wording import Wording
from sevres_familles.web.markup import Markup
from sevres_familles.web.paging import page_of
from sevres_familles.web.security import Permission

PAGE_SIZE = 24
#: What the address says when the review was asked for and nothing was ticked.
_NOTHING_CHOSEN = "choix"


@view_config(
    context=FamilyAccount,
    permission=Permission.INVOICE_VIEW,
    request_method="GET",
    renderer="sevres_familles:templates/regies/invoices.pt",
)
def list_invoices(context: FamilyAccount, request: Request) -> dict[str, Any]:
    """Show the invoices of an account, what can be paid first.

    ``?facture=2026-9161``, repeated, ticks invoices: the way from « Accueil », back from the review, and from one page
    of the list to another.  On arriving without a choice one invoice to pay is ticked, for there is nothing to choose;
    of several none is, so that nobody pays what they have not picked (decided for families who pay some invoices by
    cheque).
    """
    standing = standing_of(context, request.today)
    paging = page_of(request, len(standing.invoices), PAGE_SIZE)
    shown = standing.invoices[paging.start : paging.end]
    payable = standing.payable
    chosen = _chosen(request, payable)
    code, url, wording = context.family.code, request.resource_path(context), Wording(request)
    rows = (
        invoice_row(invoice, status, code, url, wording, ticked=invoice.__name__ in chosen) for invoice, status in shown
    )
    on_page = {each.invoice.__name__ for each in shown}
    elsewhere = [(name, cents) for name, cents in chosen.items() if name not in on_page]
    record = context.family.record
    return {
        "title": "Vos factures",
        "regie": context.regie.title,
        "guardians": guardian_cards(record.guardians) if record else "",
        "rows": Markup("".join(rows)),
        "elsewhere": elsewhere,
        "payable": bool(elsewhere) or any(each.status.payable for each in shown),
        "count": _count_words(len(chosen)),
        "sum": str(total(each.status.due for each in payable if each.invoice.__name__ in chosen)),
        "paging": paging,
        "url": url,
        "errors": bool(payable) and _NOTHING_CHOSEN in request.GET,
    }


def _chosen(request: Request, payable: Sequence[Standing]) -> dict[str, int]:
    """Read which invoices are ticked, with what each adds to the sum, in cents.

    What the account does not have, or cannot be paid any more, is left out.
    """
    asked = request.GET.getall("facture")
    if not asked and len(payable) == 1 and not {"page", _NOTHING_CHOSEN} & set(request.GET):
        asked = [payable[0].invoice.__name__]
    return {name: each.status.due.cents for each in payable if (name := each.invoice.__name__ or "") in asked}


def _count_words(count: int) -> str:
    """Say how many invoices are ticked, as portal.js does."""
    return french.plural(count, "facture choisie", "factures choisies") if count else "Aucune facture choisie"
