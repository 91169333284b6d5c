"""What the merchant sees and does: the operations, what the shop answered, the clock, the journals."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.sandbox.bank.backoffice import ActRefused, BackOffice
from sevres_familles.sandbox.bank.cards import grouped
from sevres_familles.sandbox.bank.forms import read_fields
from sevres_familles.sandbox.bank.journals import day_written, journal_files
from sevres_familles.sandbox.bank.records import (
    Chargeback,
    Notification,
    NotificationState,
    Operation,
    Payment,
    Source,
    Status,
)
from sevres_familles.sandbox.bank.store import Store
from sevres_familles.sandbox.french import cents, day_and_time, euros
from sevres_familles.sandbox.serving import comes_from_our_own_page

Values = dict[str, Any]

TEMPLATES = "sevres_familles.sandbox.bank:templates/"

_STATES = {
    Status.AUTHORISED: "Accepté",
    Status.CAPTURED: "Remis en banque",
    Status.UNDER_VERIFICATION: "En vérification",
    Status.CANCELLED: "Annulé par le commerçant",
    Status.REFUSED: "Refusé",
    Status.ABANDONED: "Abandonné",
}

_SOURCES = {
    Source.PAY: "Notification",
    Source.BO: "Notification demandée ici",
    Source.MERCH_BO: "Notification d’un acte du commerçant",
    Source.BATCH: "Notification d’un changement d’état",
}


@dataclass(frozen=True)
class Line:
    """An operation as the merchant reads it."""

    uuid: str
    reference: str
    at: str
    amount: str
    kind: str
    state: str
    status: str
    card: str
    #: What the merchant may do with it.
    acts: frozenset[str]
    #: What is left to give back, as it is typed: 60,00.
    left: str
    chargeback: Chargeback | None
    #: Each notification: its name, then what became of it, step by step.
    notifications: list[tuple[str, list[str]]]


@view_config(route_name="merchant", request_method="GET", renderer=TEMPLATES + "merchant.pt")
def show_payments(request: Request) -> Values:
    """List the latest operations, the newest first."""
    return _page(request, "")


@view_config(route_name="act", request_method="POST", renderer=TEMPLATES + "merchant.pt")
def act(request: Request) -> HTTPSeeOther | Values:
    """Do what the merchant asks with an operation."""
    _check_origin(request)
    office = _office(request)
    payment = office.counter.store.payment(request.matchdict["uuid"])
    do = _ACTS.get(request.matchdict["act"])
    if payment is None or do is None:
        raise HTTPNotFound
    try:
        do(office, payment, request)
    except ActRefused as refusal:
        request.response.status_int = 422
        return _page(request, f"{payment.order_id} : {refusal}")
    return HTTPSeeOther(request.route_url("merchant", _anchor=payment.order_id))


@view_config(route_name="next_day", request_method="POST")
def go_to_next_day(request: Request) -> HTTPSeeOther:
    """Put the bank's clock a day forward."""
    _check_origin(request)
    _office(request).next_day()
    return HTTPSeeOther(request.route_url("merchant"))


@view_config(route_name="journal", request_method="GET")
def give_journal(request: Request) -> Response:
    """Give a journal to download."""
    for file in journal_files(_office(request).folder):
        if file.name == request.matchdict["name"]:
            response = Response(file.read_bytes(), content_type="text/csv", charset="utf-8")
            response.content_disposition = f'attachment; filename="{file.name}"'
            return response
    raise HTTPNotFound


def _notify_again(office: BackOffice, payment: Payment, request: Request) -> None:
    if not office.counter.store.notifications(payment.uuid):
        raise HTTPNotFound
    office.counter.notify_again(payment)


def _refund(office: BackOffice, payment: Payment, request: Request) -> None:
    amount = cents(read_fields(request.body).get("montant", ""))
    if amount is None:
        raise ActRefused("Saisissez une somme en euros. Exemple : 12,50.")
    office.refund(payment, amount)


_ACTS: dict[str, Callable[[BackOffice, Payment, Request], object]] = {
    "notification": _notify_again,
    "remettre": lambda office, payment, request: office.capture(payment),
    "annuler": lambda office, payment, request: office.cancel(payment),
    "rembourser": _refund,
    "impaye": lambda office, payment, request: office.charge_back(payment),
}


def _office(request: Request) -> BackOffice:
    office: BackOffice = request.registry.back_office
    return office


def _check_origin(request: Request) -> None:
    if not comes_from_our_own_page(request):
        raise HTTPForbidden


def _page(request: Request, fault: str) -> Values:
    office = _office(request)
    store = office.counter.store
    chargebacks = {each.uuid: each for each in store.chargebacks()}
    return {
        "lines": [_line(store, payment, chargebacks.get(payment.uuid)) for payment in store.latest_payments()],
        "merchant": office.counter.shop.merchant,
        "fault": fault,
        "now": day_and_time(office.clock()),
        "days_ahead": office.clock.days_ahead,
        "journals": [(file.name, day_written(file)) for file in journal_files(office.folder)],
    }


def _line(store: Store, payment: Payment, chargeback: Chargeback | None) -> Line:
    left = payment.amount - store.given_back(payment.uuid)
    notifications = store.notifications(payment.uuid)
    return Line(
        uuid=payment.uuid,
        reference=payment.order_id,
        at=day_and_time(payment.created_at),
        amount=euros(payment.amount),
        kind="Remboursement" if payment.operation is Operation.CREDIT else "Paiement",
        state=_STATES[payment.status],
        status=payment.status,
        card=grouped(payment.card),
        acts=_acts(payment, left, bool(notifications)),
        left=f"{left // 100},{left % 100:02d}",
        chargeback=chargeback,
        notifications=[(_SOURCES[one.source], _steps(one)) for one in notifications],
    )


def _acts(payment: Payment, left: int, is_notified: bool) -> frozenset[str]:
    acts = {"notification"} if is_notified else set()
    if payment.operation is Operation.DEBIT:
        match payment.status:
            case Status.AUTHORISED:
                acts |= {"remettre", "annuler"}
            case Status.UNDER_VERIFICATION:
                acts.add("annuler")
            case Status.CAPTURED if left:
                acts |= {"rembourser", "impaye"}
    return frozenset(acts)


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
            steps.append(f"Envoi prévu le {day_and_time(notification.due_at)}")
        case NotificationState.DELIVERED:
            pass
    if notification.is_forged:
        steps.append("Mal signée, comme le veut cette carte d’essai")
    return steps
