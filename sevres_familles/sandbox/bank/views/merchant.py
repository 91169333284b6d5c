"""What the merchant sees: the payments, and what the shop answered to the bank."""

from dataclasses import dataclass
from typing import Any

from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.view import view_config

from sevres_familles.sandbox.bank.cards import grouped
from sevres_familles.sandbox.bank.store import (
    Notification,
    NotificationState,
    Payment,
    Status,
    Store,
)
from sevres_familles.sandbox.french import day_and_time, euros
from sevres_familles.sandbox.serving import comes_from_our_own_page

_STATES = {
    Status.AUTHORISED: "Accepté",
    Status.REFUSED: "Refusé",
    Status.ABANDONED: "Abandonné",
}

_SOURCES = {"PAY": "Notification", "BO": "Notification demandée ici"}


@dataclass(frozen=True)
class Line:
    """A payment as the merchant reads it."""

    uuid: str
    reference: str
    at: str
    amount: str
    state: str
    status: str
    card: str
    #: Each notification: its name, then what became of it, step by step.
    notifications: list[tuple[str, list[str]]]


@view_config(
    route_name="merchant",
    request_method="GET",
    renderer="sevres_familles.sandbox.bank:templates/merchant.pt",
)
def show_payments(request: Request) -> dict[str, Any]:
    """List the latest payments, the newest first."""
    store: Store = request.registry.counter.store
    lines = [_line(store, payment) for payment in store.latest_payments()]
    return {"lines": lines, "merchant": request.registry.counter.shop.merchant}


@view_config(route_name="notify_again", request_method="POST")
def notify_again(request: Request) -> HTTPSeeOther:
    """Send the notification of a payment once more."""
    if not comes_from_our_own_page(request):
        raise HTTPForbidden
    uuid = request.matchdict["uuid"]
    payment = request.registry.counter.store.payment(uuid)
    if payment is None or not request.registry.counter.store.notifications(uuid):
        raise HTTPNotFound
    request.registry.counter.notify_again(payment)
    return HTTPSeeOther(request.route_url("merchant", _anchor=payment.order_id))


def _line(store: Store, payment: Payment) -> Line:
    return Line(
        uuid=payment.uuid,
        reference=payment.order_id,
        at=day_and_time(payment.created_at),
        amount=euros(payment.amount),
        state=_STATES[payment.status],
        status=payment.status,
        card=grouped(payment.card),
        notifications=[(_SOURCES[one.source], _steps(one)) for one in store.notifications(payment.uuid)],
    )


def _steps(notification: Notification) -> list[str]:
    steps = [f"{day_and_time(one.at)} : {one.answer}" for one in notification.attempts]
    match notification.state:
        case NotificationState.LOST:
            steps.append("Perdue, comme le veut cette carte d’essai")
        case NotificationState.GIVEN_UP:
            steps.append("Abandonnée")
        case NotificationState.SENDING:
            steps.append("En cours d’envoi")
        case NotificationState.WAITING if notification.attempts:
            steps.append(f"Prochain essai le {day_and_time(notification.due_at)}")
        case NotificationState.WAITING:
            steps.append("En attente d’envoi")
        case NotificationState.DELIVERED:
            pass
    return steps
