"""What staff must look at: alerts, and money that no invoice could take (*recettes à classer*).

Both only grow, under keys of time and chance, so that parallel writers do not meet.  Nothing personal is in an alert.
"""

import secrets
from datetime import datetime
from typing import NamedTuple

from sevres_familles.domain.money import Money
from sevres_familles.payments.resources import Payment
from sevres_familles.web.root import Portal


class Alert(NamedTuple):
    """Something odd about a payment, for a human to look at; ``reference`` is empty when no payment is known."""

    at: datetime
    reference: str
    text: str


class Unclassified(NamedTuple):
    """Money of the bank that no invoice could take (requirements D5).

    ``regie`` and ``family`` are empty when the payment itself is not known (`suspense`).
    """

    at: datetime
    reference: str
    regie: str
    family: str
    amount: Money
    transaction: str


def raise_alert(portal: Portal, payment: Payment | None, text: str, at: datetime, *, reference: str = "") -> None:
    """Write an alert; ``reference`` is that of an order whose payment is not known."""
    portal.stores["alerts"][_key(at)] = Alert(at, payment.reference if payment is not None else reference, text)


def set_aside(portal: Portal, payment: Payment, amount: Money, transaction: str, at: datetime) -> None:
    """Write money to *recettes à classer*, and an alert."""
    regie = payment.account.regie.__name__ or ""
    record = Unclassified(at, payment.reference, regie, payment.family_code, amount, transaction)
    portal.stores["unclassified"][_key(at)] = record
    raise_alert(portal, payment, f"{amount} en recettes à classer", at)


def set_aside_unknown(portal: Portal, reference: str, amount: Money, transaction: str, at: datetime) -> None:
    """Write money of an order whose payment is not known to *recettes à classer*, and an alert."""
    portal.stores["unclassified"][_key(at)] = Unclassified(at, reference, "", "", amount, transaction)
    raise_alert(portal, None, f"{amount} d’un paiement inconnu en recettes à classer", at, reference=reference)


def _key(at: datetime) -> tuple[str, str]:
    return at.isoformat(), secrets.token_hex(8)
