"""The cards of payments on a family's home: what is under way, and the last receipt."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from pyramid.request import Request

from sevres_familles.families.resources import Family
from sevres_familles.payments.resources import Payment
from sevres_familles.payments.views.payment import kind_of

#: How far back the home looks: a family's payments are few, and its page is to be quick.
_LATEST = 12
#: The pages of payments of which money stays.
_KEPT = ("paid", "short", "kept", "reduced")
#: More invoices than this are counted, not named.
_NAMED = 3


def _latest(family: Family, request: Request) -> list[Payment]:
    return list(islice(request.portal["paiements"].of(family.code), _LATEST))


def under_way(family: Family, request: Request) -> dict[str, Any] | None:
    """Give the payments whose end is not known yet, or nothing."""
    payments = [payment for payment in _latest(family, request) if payment.is_open]
    rows = [(labels_of(payment), payment, request.resource_url(payment)) for payment in payments]
    return {"payments": rows} if rows else None


def last_paid(family: Family, request: Request) -> dict[str, Any] | None:
    """Give the last payment that was accepted, or nothing."""
    payment = next((payment for payment in _latest(family, request) if kind_of(payment) in _KEPT), None)
    if payment is None:
        return None
    took = [share.invoice for share in payment.shares if payment.held.get(share.invoice)]
    return {
        "labels": labels_of(payment, took) if took else "Somme gardée par la régie",
        "payment": payment,
        "took": took,
        "at": payment.receipts[-1].at,
        "url": request.resource_url(payment),
    }


def labels_of(payment: Payment, names: Sequence[str] = ()) -> str:
    """Name invoices of a payment in a few words: all that it was meant for, or those of the names."""
    wanted = names or [share.invoice for share in payment.shares]
    labels = [payment.account.invoices[name].facts.label for name in wanted]
    more = f" et {len(labels) - 2} autres" if len(labels) > _NAMED else ""
    return ", ".join(labels[:2] if more else labels) + more
