"""One invoice, on a page of its own that prints well."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO
from sevres_familles.regies.documents import invoice_pdf, invoice_picture
from sevres_familles.regies.resources import Invoice
from sevres_familles.regies.services import deducted, movements_of, multiplied, sums_of
from sevres_familles.regies.views.wording import BADGES, Wording
from sevres_familles.web.security import Permission

_MOVED = {
    EntryKind.PAYMENT: "Payée par carte bancaire",
    EntryKind.REFUND: "Remboursée",
    EntryKind.VOID: "Paiement annulé avant d’être débité",
    EntryKind.CHARGEBACK: "Paiement repris par la banque",
}
#: What stands in no file name: numbers are the billing software's.
_NOT_IN_FILES = re.compile(r"[^A-Za-z0-9-]")


class Step(NamedTuple):
    """A step of an invoice's story; ``to_come`` when it is not there yet, ``url`` when a payment shows it."""

    words: str
    on: date
    to_come: bool = False
    url: str = ""


class LineRow(NamedTuple):
    """A line of the invoice, as it is shown."""

    child: str
    activity: str
    price: str
    amount: str
    deductible: bool


@view_config(
    context=Invoice,
    permission=Permission.INVOICE_VIEW,
    request_method="GET",
    renderer="sevres_familles:templates/regies/invoice.pt",
)
def show_invoice(context: Invoice, request: Request) -> dict[str, Any]:
    """Show what is left to pay, the lines, and what happened."""
    facts, status = context.facts, context.status(request.today)
    wording = Wording(request)
    account = context.account
    sums = tuple(sums_of(facts.total, status))
    return {
        "title": facts.label,
        "invoice": context,
        "facts": facts,
        "family": account.family,
        "regie": account.regie,
        "state": BADGES[status.state],
        "is_credit_note": status.state is InvoiceState.CREDIT_NOTE,
        "late": status.state is InvoiceState.LATE,
        "payable": status.payable,
        "amount": str(status.due if status.due > ZERO else abs(facts.total)),
        "why": wording.why(context, status.state, status.due),
        "lines": tuple(
            LineRow(line.child, line.activity, multiplied(line), deducted(line.amount), line.deductible)
            for line in facts.lines
        ),
        "sums": [(words, amount, "total" if (words, amount) == sums[-1] else "") for words, amount in sums],
        "steps": sorted(_steps(context, status.state, wording), key=lambda step: step.on),
        "pay_url": request.resource_path(account, "payer", query={"facture": context.__name__}),
        "account_url": request.resource_path(account),
        "pdf_url": request.resource_path(context, "facture.pdf"),
    }


@view_config(context=Invoice, name="facture.pdf", permission=Permission.INVOICE_VIEW, request_method="GET", costly=True)
def give_pdf(context: Invoice, request: Request) -> Response:
    """Give the invoice as it is printed, without a password."""
    response = Response(invoice_pdf(request, context), content_type="application/pdf")
    response.content_disposition = f'inline; filename="facture-{_NOT_IN_FILES.sub("-", context.__name__ or "")}.pdf"'
    return response


@view_config(context=Invoice, name="facture.png", permission=Permission.INVOICE_VIEW, request_method="GET", costly=True)
def give_picture(context: Invoice, request: Request) -> Response:
    """Give a picture of its first sheet, for pages that show what an invoice looks like."""
    return Response(invoice_picture(request, context), content_type="image/png")


def _steps(invoice: Invoice, state: InvoiceState, wording: Wording) -> Iterator[Step]:
    """Tell the story of an invoice."""
    facts = invoice.facts
    yield Step("Avoir émis" if state is InvoiceState.CREDIT_NOTE else "Facture émise", facts.issued_on)
    for movement in movements_of(invoice):
        words = f"{_MOVED[movement.kind]}\xa0: {movement.amount}"
        yield Step(words, french.local(movement.at).date(), url=wording.payment_url(movement.reference))
    if state not in (InvoiceState.PAID, InvoiceState.CREDIT_NOTE, InvoiceState.CANCELLED):
        yield Step("À payer avant le", facts.due_on, to_come=state is not InvoiceState.LATE)
