"""The pages of one payment: the way to the bank, what became of it, its receipt.

None of them writes: the browser's return shows the state and polls it; only notifications and the asking worker change
it (payments.md §3).
"""

from datetime import datetime
from typing import Any

from pyramid.httpexceptions import HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config, view_defaults

from sevres_familles.domain import french
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import ZERO
from sevres_familles.domain.payment import EvidenceKind, PaymentState, entry_kind_of
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
    "kept": "Votre paiement est accepté, la régie le garde",
    "reduced": "Une partie de ce paiement vous a été rendue",
    "returned": "Ce paiement vous a été remboursé",
    "voided": "Ce paiement a été annulé",
    "unpaid": "Votre banque a repris ce paiement",
    "refused": "Le paiement n’a pas été accepté",
    "cancelled": "Vous avez annulé le paiement",
    "called off": "Ce paiement a été annulé",
    "expired": "Le paiement n’a pas abouti",
}
_KINDS = {
    PaymentState.PENDING: "checking",
    PaymentState.REFUSED: "refused",
    PaymentState.CANCELLED: "cancelled",
    PaymentState.EXPIRED: "expired",
}
#: The pages of a payment whose money is all gone again.
_GONE = ("returned", "voided", "unpaid")
#: How a payment stands, in a word beside it: on its page and in the list.
BADGES = {
    "waiting": ("wait", "réponse attendue"),
    "checking": ("wait", "vérification en cours"),
    "paid": ("paid", "accepté"),
    "short": ("part", "accepté en partie"),
    "kept": ("part", "gardé par la régie"),
    "reduced": ("part", "rendu en partie"),
    "returned": ("void", "remboursé"),
    "voided": ("void", "annulé avant d’être débité"),
    "unpaid": ("late", "repris par votre banque"),
    "refused": ("late", "refusé"),
    "cancelled": ("void", "annulé"),
    "called off": ("void", "annulé par la régie ou la banque"),
    "expired": ("void", "non abouti"),
}


def kind_of(payment: Payment) -> str:
    """Tell which of the pages shows a payment."""
    if payment.is_paid:
        return _kind_of_paid(payment)
    is_called_off = any(each.kind is EvidenceKind.VOIDED for each in payment.evidence)
    if payment.state is PaymentState.CANCELLED and is_called_off:
        return "called off"
    return _KINDS.get(payment.state, "waiting")


def _kind_of_paid(payment: Payment) -> str:
    given_back = {fact.kind for fact in payment.posted if not fact.takes}
    if sum(payment.held.values(), payment.unclassified) <= ZERO:
        if EntryKind.CHARGEBACK in given_back:
            return "unpaid"
        return "voided" if given_back == {EntryKind.VOID} else "returned"
    if given_back:
        return "reduced"
    if not any(payment.held.values()):
        return "kept"
    return "paid" if payment.received >= payment.amount else "short"


#: What the family reads of money that went back: how much, and when we knew.
_WENT_BACK = {
    EntryKind.REFUND: "La régie vous a remboursé {amount} le {day}. "
    "La somme revient sur la carte qui a payé, en quelques jours.",
    EntryKind.VOID: "Le paiement de {amount} a été annulé le {day}, avant d’être débité. "
    "Votre carte n’est pas débitée.",
    EntryKind.CHARGEBACK: "Votre banque a repris {amount}. Nous l’avons su le {day}. "
    "Elle le fait quand un paiement est contesté.",
}


def went_back(payment: Payment) -> list[str]:
    """Tell, in sentences, what money of a payment went back, oldest first."""
    told: dict[tuple[EntryKind | None, str], datetime] = {}
    for each in payment.evidence:
        told.setdefault((entry_kind_of(each), each.transaction), each.at)
    moments = ((told[fact.kind, fact.transaction], fact) for fact in payment.posted if not fact.takes)
    return [
        _WENT_BACK[fact.kind].format(amount=fact.amount, day=french.short_date(french.local(at).date()))
        for at, fact in sorted(moments, key=lambda each: (each[0], each[1].transaction))
    ]


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
        return {
            "title": "Continuer vers la banque",
            "payment": self.payment,
            "steps": STEPS,
            "is_single": len(self.payment.shares) == 1,
        }

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
            "step": 5 if payment.is_paid else 3,
            "mark": BADGES[kind],
            "received": payment.received,
            "went_back": went_back(payment),
            "is_gone": kind in _GONE,
            "missing": self._missing(),
            "is_single": len(payment.shares) == 1,
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
