"""The pages of one payment: the way to the bank, what became of it, its receipt.

None of them writes: the browser's return shows the state and polls it; only notifications and the asking worker change
it (payments.md §3).
"""

from datetime import datetime
from typing import Any, NamedTuple

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config, view_defaults

from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import PaymentState, entry_kind_of
from sevres_familles.identity.services import mail_address
from sevres_familles.payments.documents import receipt_pdf
from sevres_familles.payments.resources import Payment
from sevres_familles.payments.views.review import STEPS
from sevres_familles.web.security import Permission

_TITLES = {
    "waiting": "Nous attendons la réponse de la banque",
    "checking": "La banque vérifie votre paiement",
    "paid": "Merci, votre paiement est accepté",
    "short": "Votre paiement est accepté en partie",
    "reduced": "Une partie de ce paiement vous a été rendue",
    "returned": "Ce paiement vous a été remboursé",
    "voided": "Ce paiement a été annulé",
    "unpaid": "Votre banque a repris ce paiement",
    "refused": "Le paiement n’a pas été accepté",
    "cancelled": "Vous avez annulé le paiement",
    "expired": "Le paiement n’a pas abouti",
}
_KINDS = {
    PaymentState.PENDING: "checking",
    PaymentState.REFUSED: "refused",
    PaymentState.CANCELLED: "cancelled",
    PaymentState.EXPIRED: "expired",
}
#: The pages of a payment that has receipts, and the badge of its receipts there.
_MARKS = {
    "paid": ("paid", "payée"),
    "short": ("part", "payée en partie"),
    "reduced": ("part", "rendue en partie"),
    "returned": ("void", "remboursée"),
    "voided": ("void", "annulée"),
    "unpaid": ("late", "à payer de nouveau"),
}


def kind_of(payment: Payment) -> str:
    """Tell which of the pages shows a payment."""
    if not payment.is_paid:
        return _KINDS.get(payment.state, "waiting")
    given_back = {fact.kind for fact in payment.posted if not fact.takes}
    if sum(payment.held.values(), payment.unclassified) <= ZERO:
        if EntryKind.CHARGEBACK in given_back:
            return "unpaid"
        return "voided" if given_back == {EntryKind.VOID} else "returned"
    if given_back:
        return "reduced"
    return "paid" if sum((receipt.amount for receipt in payment.receipts), ZERO) >= payment.amount else "short"


class GivenBack(NamedTuple):
    """Money that went back: how, how much, and when we knew."""

    kind: EntryKind
    amount: Money
    at: datetime


def given_back_of(payment: Payment) -> list[GivenBack]:
    """List the money of a payment that went back, oldest first."""
    told: dict[tuple[EntryKind | None, str], datetime] = {}
    for each in payment.evidence:
        told.setdefault((entry_kind_of(each), each.transaction), each.at)
    facts = (fact for fact in payment.posted if not fact.takes)
    returned = (GivenBack(fact.kind, fact.amount, told[fact.kind, fact.transaction]) for fact in facts)
    return sorted(returned, key=lambda each: each.at)


@view_defaults(context=Payment, permission=Permission.PAYMENT_VIEW, request_method="GET")
class ShowPayment:
    """Show where a payment stands."""

    def __init__(self, context: Payment, request: Request) -> None:
        self.payment = context
        self.request = request

    @view_config(name="continuer", renderer="sevres_familles:templates/payments/leave_for_bank.pt")
    def leave(self) -> dict[str, Any] | Response:
        """Show the button that posts the signed form to the bank, as long as the bank would take it."""
        gateway = self.request.registry.gateways[self.payment.account.regie.description.gateway]
        young = self.request.now < self.payment.opened_at + gateway.page_life
        if self.payment.state is not PaymentState.REDIRECTED or not young:
            return HTTPSeeOther(self.request.resource_url(self.payment))
        return {"title": "Continuer vers la banque", "payment": self.payment, "steps": STEPS}

    @view_config(name="retour")
    def come_back(self) -> Response:
        """Take the browser back from the bank: what it carries proves nothing, and is dropped."""
        return HTTPSeeOther(self.request.resource_url(self.payment))

    @view_config(renderer="sevres_familles:templates/payments/payment.pt")
    def show(self) -> dict[str, Any]:
        """Show the payment; while the bank has not answered, the page asks `state` again and again."""
        return self._values()

    @view_config(name="etat", renderer="sevres_familles:templates/payments/payment_state.pt")
    def state(self) -> dict[str, Any]:
        """Give the part of the page that changes with the state."""
        return self._values()

    @view_config(name="recu.pdf", costly=True)
    def receipt(self) -> Response:
        """Give a receipt as PDF: the first, or that of the number at the end of the address."""
        numbers = [receipt.number for receipt in self.payment.receipts]
        wanted = self.request.subpath[0] if self.request.subpath else (numbers or [""])[0]
        if wanted not in numbers:
            raise HTTPNotFound
        response = Response(receipt_pdf(self.request, self.payment, wanted), content_type="application/pdf")
        response.content_disposition = f'inline; filename="recu-{wanted}.pdf"'
        return response

    def _values(self) -> dict[str, Any]:
        payment, portal = self.payment, self.request.portal
        kind = kind_of(payment)
        return {
            "title": _TITLES[kind],
            "crumb": payment.reference,
            "kind": kind,
            "payment": payment,
            "account": payment.account,
            "steps": STEPS,
            "step": 5 if kind in _MARKS else 3,
            "has_receipts": kind in _MARKS,
            "mark": _MARKS.get(kind),
            "received": sum((receipt.amount for receipt in payment.receipts), ZERO),
            "given_back": given_back_of(payment),
            "missing": self._missing(),
            "meant": [(payment.account.invoices[share.invoice], share.amount) for share in payment.shares],
            "receipts": [
                (receipt, [(payment.account.invoices[share.invoice], share.amount) for share in receipt.shares])
                for receipt in payment.receipts
            ],
            "email": payment.email or mail_address(portal, self.request.registry, payment.family_code),
            "url": self.request.resource_url(payment),
            "account_url": self.request.resource_url(payment.account),
            "retry": [("facture", share.invoice) for share in payment.shares],
            "others": self._others(),
        }

    def _missing(self) -> list[tuple[Any, Any]]:
        """Give what this payment was meant for and that is still, or again, to be paid."""
        invoices = (self.payment.account.invoices[share.invoice] for share in self.payment.shares)
        known = ((invoice, invoice.status(self.request.today)) for invoice in invoices)
        return [(invoice, status) for invoice, status in known if status.payable]

    def _others(self) -> list[tuple[Any, Any]]:
        """Give what else is due to the same régie."""
        meant = {share.invoice for share in self.payment.shares}
        others = (invoice for invoice in self.payment.account if invoice.__name__ not in meant)
        invoices = ((invoice, invoice.status(self.request.today)) for invoice in others)
        return [(invoice, status) for invoice, status in invoices if status.payable]
