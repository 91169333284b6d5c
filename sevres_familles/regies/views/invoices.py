"""« Vos factures »: the invoices of an account, to read and to choose for payment."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceFacts, InvoiceState, InvoiceStatus
from sevres_familles.domain.money import total
from sevres_familles.families.services import guardian_fields
from sevres_familles.regies.resources import FamilyAccount, Invoice
from sevres_familles.regies.services import Standing, standing_of
from sevres_familles.regies.views.wording import BADGES, Wording, deducted
from sevres_familles.web.markup import Markup
from sevres_familles.web.paging import page_of
from sevres_familles.web.security import Permission

PAGE_SIZE = 24
#: States after which the deadline means nothing any more.
_OVER = frozenset({InvoiceState.PAID, InvoiceState.CANCELLED})


class InvoiceRow(NamedTuple):
    """An invoice in the table, as it is shown: the template, around every row, computes nothing.

    ``payable`` has a tick box, and ``cents`` is what it adds to the sum.  ``out_of`` is the total when it is not the
    amount; ``why`` says why one cannot pay, or is none; ``receipt`` is the address of the last payment of ours.
    """

    name: str
    payable: bool
    ticked: bool
    cents: int
    label: str
    reference: str
    issued: str
    deadline: str
    state: Markup
    amount: str
    out_of: str
    lines: tuple[str, ...]
    why: Markup | None
    receipt: str


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
    code, wording = context.family.code, Wording(request)
    on_page = {each.invoice.__name__ for each in shown}
    elsewhere = [(name, cents) for name, cents in chosen.items() if name not in on_page]
    record = context.family.record
    return {
        "title": "Vos factures",
        "regie": context.regie.title,
        "guardians": tuple(map(guardian_fields, record.guardians)) if record else (),
        "rows": [_row(each, code, chosen, wording) for each in shown],
        "elsewhere": elsewhere,
        "payable": bool(elsewhere) or any(each.status.payable for each in shown),
        "count": _count_words(len(chosen)),
        "sum": str(total(each.status.due for each in payable if each.invoice.__name__ in chosen)),
        "paging": paging,
        "url": request.resource_path(context),
    }


def _chosen(request: Request, payable: Sequence[Standing]) -> dict[str, int]:
    """Read which invoices are ticked, with what each adds to the sum, in cents.

    What the account does not have, or cannot be paid any more, is left out.
    """
    asked = request.GET.getall("facture")
    if not asked and "page" not in request.GET and len(payable) == 1:
        asked = [payable[0].invoice.__name__]
    return {name: each.status.due.cents for each in payable if (name := each.invoice.__name__ or "") in asked}


def _count_words(count: int) -> str:
    """Say how many invoices are ticked, as portal.js does."""
    return french.plural(count, "facture choisie", "factures choisies") if count else "Aucune facture choisie"


def _row(each: Standing, code: str, chosen: dict[str, int], wording: Wording) -> InvoiceRow:
    invoice, status = each
    facts = invoice.facts
    name = invoice.__name__ or ""
    amount, out_of = _amounts(facts, status)
    over = status.state in _OVER
    return InvoiceRow(
        name=name,
        payable=status.payable,
        ticked=name in chosen,
        cents=status.due.cents,
        label=facts.label,
        reference=f"{facts.lot}-{facts.key.number}-{code}",
        issued=french.short_date(facts.issued_on),
        deadline="" if over else french.short_date(facts.due_on),
        state=BADGES[status.state],
        amount=amount,
        out_of=out_of,
        lines=tuple(map(line_words, facts.lines)),
        why=wording.why(invoice, status.state, status.due),
        receipt=_receipt(invoice, wording) if over else "",
    )


def _amounts(facts: InvoiceFacts, status: InvoiceStatus) -> tuple[str, str]:
    """Give the amount that a row shows, what is left to pay while something is; and the total when it is another."""
    if status.state in _OVER:
        return str(facts.total), ""
    return str(status.due), str(facts.total) if status.due != facts.total else ""


def line_words(line: Any) -> str:
    """Say a line of an invoice: ``Léa, cantine : 10 × 3,60 € = 36,00 €``."""
    child = f"{line.child}, " if line.child else ""
    marked = " (déductible)" if line.deductible else ""
    return f"{child}{line.activity}\xa0: {line.quantity} × {line.unit_price} = {deducted(line.amount)}{marked}"


def _receipt(invoice: Invoice, wording: Wording) -> str:
    """Give the address of the last payment of ours on an invoice; nothing when none kept its money on it."""
    references = [reference for reference, amount in invoice.payments.items() if amount]
    return wording.payment_url(references[-1]) if references else ""
