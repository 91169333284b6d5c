"""The banks' doors: where a bank tells us what became of a payment, signed.

Answers (payments.md §3): 200 for done, told before, or understood and set aside; 400 or 403 for not authentic; 500 or
503 only when the fault is ours, so that the bank tells again.
"""

import logging
import re

from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.payments.gateways.port import NotAuthentic, Notice
from sevres_familles.payments.records import raise_alert
from sevres_familles.payments.resources import NotificationDoor, Payment
from sevres_familles.payments.services import Outcome, apply
from sevres_familles.payments.turns import take_turn
from sevres_familles.web.security import Permission

log = logging.getLogger(__name__)


@view_config(
    context=NotificationDoor,
    permission=Permission.NOTIFICATION_RECEIVE,
    request_method="POST",
    require_csrf=False,
)
def take_notification(context: NotificationDoor, request: Request) -> Response:
    """Check a notification and apply it."""
    gateway = request.registry.gateways[context.__name__]
    try:
        notice = gateway.read_notification(request.body, source=request.remote_addr or "", at=request.now)
    except NotAuthentic as refusal:
        log.warning("Refused a notification: %s", refusal)
        return _answer(f"refused: {refusal}", refusal.status)
    take_turn(request)
    payment = _payment_of(request, notice)
    if payment is None:
        return _set_aside(request, notice)
    outcome = apply(request.portal, request.registry, payment, notice.evidence)
    if outcome is Outcome.QUARANTINED:
        request.portal["paiements"].ask_at(payment.reference, request.now)
    log.info("Notification for %s: %s, now %s", payment.reference, outcome, payment.state)
    return _answer(outcome)


def _set_aside(request: Request, notice: Notice) -> Response:
    """Tell staff of an authentic notification that names none of our orders as we sent it; the bank is asked of one.

    When it is ours but for its number or date, the bank's own answer will tell; when it is of no payment that we know,
    the bank's journal will (`payments.journals`).
    """
    reference = notice.order.reference
    log.error("A notification names an order that we did not send so")
    text = f"notification d’une commande inconnue ({notice.evidence.status})"
    known_shape = re.fullmatch(r"P-[2-9A-Z]{9}", reference) is not None
    raise_alert(request.portal, None, text, request.now, reference=reference if known_shape else "")
    if request.portal["paiements"].find(reference) is not None:
        request.portal["paiements"].ask_at(reference, request.now)
    return _answer("set aside")


def _payment_of(request: Request, notice: Notice) -> Payment | None:
    """Find the payment of a notification: its order, transaction number and date must be those that we sent."""
    payment = request.portal["paiements"].find(notice.order.reference)
    if payment is None or payment.order != notice.order:
        return None
    return payment  # type: ignore[no-any-return]


def _answer(text: str, status: int = 200) -> Response:
    return Response(text, status=status, content_type="text/plain", charset="utf-8")
