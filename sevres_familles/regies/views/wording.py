"""How invoices and balances are told to a family: in words, never by colour or by a sign alone (A7, A8)."""

from typing import NamedTuple

from pyramid.request import Request
from pyramid.traversal import quote_path_segment

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.regies.resources import Invoice
from sevres_familles.web.markup import Markup, badge, escape

KINDS = {
    InvoiceState.DUE: "due",
    InvoiceState.LATE: "late",
    InvoiceState.PENDING: "wait",
    InvoiceState.PART_PAID: "part",
    InvoiceState.PAID: "paid",
    InvoiceState.CREDIT_NOTE: "paid",
    InvoiceState.SENT_TO_TREASURY: "gone",
    InvoiceState.CANCELLED: "void",
}
BADGES = {state: badge(kind, state) for state, kind in KINDS.items()}


class Balance(NamedTuple):
    """A balance in words: the sum, and what it means."""

    amount: str
    words: str

    def __str__(self) -> str:
        return f"{self.amount} {self.words}" if self.amount else self.words


def balance_words(owed: Money) -> Balance:
    """Say a balance, positive when the family owes it, without a sign."""
    if owed == ZERO:
        return Balance("", "à jour")
    return Balance(str(abs(owed)), "à payer" if owed > ZERO else "d’avoir en votre faveur")


class Why(NamedTuple):
    """Why an invoice cannot be paid here, what to do, and where: ``url`` may be empty."""

    fact: str
    advice: str
    url: str = ""
    link: str = ""

    def __html__(self) -> str:
        link = f' <a href="{escape(self.url)}">{self.link}</a>' if self.url else ""
        return f"<strong>{self.fact}</strong> {self.advice}{link}"


class Wording:
    """What is said of the invoices of a page."""

    def __init__(self, request: Request) -> None:
        self._request = request

    def payment_url(self, reference: str) -> str:
        """Tell where a payment of the family shows, with its receipt."""
        return f"{self._request.portal_path}paiements/{quote_path_segment(reference)}"

    def why(self, invoice: Invoice, state: InvoiceState, due: Money) -> Markup | None:
        """Say why an invoice cannot be paid here and what to do; nothing when it can, or when it is paid."""
        why = self._why(invoice, state, due)
        return Markup(why.__html__()) if why is not None else None

    def _why(self, invoice: Invoice, state: InvoiceState, due: Money) -> Why | None:
        if state is InvoiceState.PENDING:
            return Why(
                "Un paiement est déjà en cours.",
                f"{self._since(invoice)}Ne payez pas une seconde fois.",
                self.payment_url(invoice.open_payment or ""),
                "Suivre ce paiement",
            )
        if state is InvoiceState.SENT_TO_TREASURY:
            return Why(
                "Cette facture ne se paie plus ici.",
                "Elle est suivie par le Trésor public. Réglez-la avec l’avis reçu par courrier\xa0: "
                "il dit à qui payer et qui appeler.",
                f"{self._request.portal_path}aide/payer-autrement",
                "Que faire\xa0?",
            )
        if state is InvoiceState.CANCELLED:
            return Why("Vous n’avez rien à payer.", "La régie a annulé cette facture.")
        if due < ZERO:
            overpaid = "" if state is InvoiceState.CREDIT_NOTE else "Vous avez payé plus que le montant dû. "
            return Why(f"{balance_words(due)}.", f"{overpaid}Demandez à la régie comment l’utiliser.")
        if state is InvoiceState.CREDIT_NOTE:
            return Why("Il ne reste rien de cet avoir.", "Vous n’avez rien à payer.")
        return None

    def _since(self, invoice: Invoice) -> str:
        if invoice.open_since is None:
            return ""
        return f"Il a commencé {french.recent_text(invoice.open_since, self._request.now)}. "
