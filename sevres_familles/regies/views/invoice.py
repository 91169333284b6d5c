"""One invoice, on a page of its own that prints well."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from pyramid.request import Request
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.regies.resources import Invoice
from sevres_familles.regies.services import movements_of
from sevres_familles.regies.views.wording import BADGES, Wording, deducted
from sevres_familles.web.security import Permission

_MOVED = {
    EntryKind.PAYMENT: "Payée par carte bancaire",
    EntryKind.REFUND: "Remboursée",
    EntryKind.VOID: "Paiement annulé par la banque",
    EntryKind.CHARGEBACK: "Paiement repris par la banque",
}


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
    quantity: str
    unit_price: str
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
    return {
        "title": facts.label,
        "invoice": context,
        "facts": facts,
        "family": account.family,
        "regie": account.regie,
        "state": BADGES[status.state],
        "late": status.state is InvoiceState.LATE,
        "payable": status.payable,
        "amount": str(status.due if status.due > ZERO else facts.total),
        "why": wording.why(context, status.state, status.due),
        "lines": tuple(
            LineRow(
                line.child, line.activity, line.quantity, str(line.unit_price), deducted(line.amount), line.deductible
            )
            for line in facts.lines
        ),
        "sums": tuple(_sums(facts.total, status.due, status.state)),
        "steps": sorted(_steps(context, status.state, wording), key=lambda step: step.on),
        "pay_url": request.resource_path(account, "payer", query={"facture": context.__name__}),
        "account_url": request.resource_path(account),
    }


def _sums(invoiced: Money, due: Money, state: InvoiceState) -> Iterator[tuple[str, str, str]]:
    """Give the sums under the lines: total, already paid, left to pay; each with its look."""
    if state is InvoiceState.CANCELLED:
        yield "Total", deducted(invoiced), "total"
        return
    yield "Total", deducted(invoiced), ""
    if due < invoiced and invoiced > ZERO:
        yield "Déjà réglé", str(invoiced - due), ""
    elif due > invoiced:
        yield "Ajouté depuis", str(due - invoiced), ""
    left = ("Avoir en votre faveur", str(-due)) if due < ZERO else ("Reste à payer", str(due))
    yield *left, "total"


def _steps(invoice: Invoice, state: InvoiceState, wording: Wording) -> Iterator[Step]:
    """Tell the story of an invoice."""
    facts = invoice.facts
    yield Step("Facture émise", facts.issued_on)
    for movement in movements_of(invoice):
        words = f"{_MOVED[movement.kind]}\xa0: {movement.amount}"
        yield Step(words, french.local(movement.at).date(), url=wording.payment_url(movement.reference))
    if state not in (InvoiceState.PAID, InvoiceState.CANCELLED):
        yield Step("À payer avant le", facts.due_on, to_come=state is not InvoiceState.LATE)
