"""« Vérifiez avant de payer »: what, how much, to whom, and a way back (requirements A6, RGAA 11.12)."""

import hashlib
from collections.abc import Sequence
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config, view_defaults

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import ZERO
from sevres_familles.domain.payment import Share
from sevres_familles.identity.services import mail_address
from sevres_familles.payments.asking import next_ask
from sevres_familles.payments.resources import NotificationDoors
from sevres_familles.payments.services import NotPayable, chosen_shares, hand_over, open_payment
from sevres_familles.regies.resources import FamilyAccount
from sevres_familles.web.security import Permission

STEPS = ("Choisir", "Vérifier", "Payer à la banque", "Reçu")
#: More invoices than this at once is no family's doing.
MAX_INVOICES = 100
_FIELDS = frozenset({"csrf_token", "facture", "vu"})


@view_defaults(
    context=FamilyAccount,
    name="payer",
    permission=Permission.INVOICE_PAY,
    renderer="sevres_familles:templates/payments/review.pt",
)
class ReviewPayment:
    """Show what is about to be paid, then open the payment."""

    def __init__(self, context: FamilyAccount, request: Request) -> None:
        self.account = context
        self.request = request

    @view_config(request_method="GET")
    def review(self) -> Response | dict[str, Any]:
        """Show the choice with the amounts of this moment; without one, the list tells what is missing."""
        names = self.request.GET.getall("facture")
        return self._page(names) if names else self._back_to_choice()

    @view_config(request_method="POST")
    def confirm(self) -> Response | dict[str, Any]:
        """Open the payment, and lead to the page that goes to the bank.

        Amounts are those of the invoices; the form only tells which, and what was seen, so that a file published
        meanwhile shows its new amounts instead of charging them unseen.
        """
        sent = [name for name in self.request.POST if name != "facture"]
        if set(sent) - _FIELDS or len(sent) != len(set(sent)):
            raise HTTPBadRequest("Le formulaire reçu n’est pas celui de cette page.")
        names = self.request.POST.getall("facture")
        if not names:
            return self._back_to_choice()
        page = self._page(names)
        if not page["shares"]:
            return page
        if self.request.POST.get("vu") != page["seen"]:
            self.request.response.status = 409
            return {**page, "changed": True}
        return self._open(names)

    def _back_to_choice(self) -> Response:
        return HTTPSeeOther(self.request.resource_url(self.account, query={"choix": "aucun"}))

    def _open(self, names: Sequence[str]) -> Response | dict[str, Any]:
        request, portal = self.request, self.request.portal
        payments = portal["paiements"]
        gateway_name = self.account.regie.description.gateway
        payment = open_payment(
            portal,
            request.registry.gateways[gateway_name],
            self.account,
            names,
            email=mail_address(portal, request.registry, self.account.family.code) or "",
            return_url=request.resource_url(payments) + "{reference}/retour",
            notify_url=request.resource_url(payments[NotificationDoors.address], gateway_name),
            at=request.now,
        )
        first_ask = next_ask(request.portal_settings, request.now, request.now) or request.now
        hand_over(payments, payment, first_ask=first_ask, at=request.now)
        return HTTPSeeOther(request.resource_url(payment, "continuer"))

    def _page(self, names: Sequence[str]) -> dict[str, Any]:
        """Give what the page shows: the choice, or why it cannot be paid.

        :raises HTTPNotFound: for an invoice that the account does not have.
        """
        if len(names) > MAX_INVOICES:
            raise HTTPBadRequest("Vous avez choisi trop de factures à la fois.")
        common: dict[str, Any] = {
            "title": "Vérifiez avant de payer",
            "crumb": "Vérification",
            "steps": STEPS,
            "account": self.account,
        }
        common |= {"shares": (), "changed": False, "blocked": None}
        try:
            shares = chosen_shares(self.account, names, self.request.today)
        except KeyError:
            raise HTTPNotFound from None
        except NotPayable as refusal:
            self.request.response.status = 409
            is_paid = refusal.status.state is InvoiceState.PAID
            title = f"Cette facture {'est déjà payée' if is_paid else 'ne peut pas être payée maintenant'}"
            return {**common, "title": title, "blocked": self._why(refusal)}
        email = mail_address(self.request.portal, self.request.registry, self.account.family.code)
        return {
            **common,
            "shares": [(self.account[share.invoice], share.amount) for share in shares],
            "total": sum((share.amount for share in shares), ZERO),
            "seen": seen(shares),
            "email": email,
        }

    def _why(self, refusal: NotPayable) -> dict[str, Any]:
        invoice = refusal.invoice
        payment = self.request.portal["paiements"][invoice.open_payment] if invoice.open_payment else None
        return {"invoice": invoice, "state": refusal.status.state, "payment": payment}


def seen(shares: Sequence[Share]) -> str:
    """Sum up what a review shows, to tell whether it still holds when it is confirmed."""
    text = " ".join(f"{share.invoice}={share.amount.cents}" for share in shares)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
