"""Asking the bank about payments that have no end yet (payments.md §3).

A closed tab, a lost or badly signed notification never blocks a family: the bank is asked, and what it does not know
once its page has died expires.  The bank is called between transactions; killed anywhere, the next round goes on.
"""

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import transaction

from sevres_familles.domain.payment import Evidence, PaymentState
from sevres_familles.payments.gateways.port import BankUnreachable, PaymentGateway
from sevres_familles.payments.records import raise_alert
from sevres_familles.payments.resources import Payment, Payments
from sevres_familles.payments.services import apply, expire
from sevres_familles.payments.turns import booking_turn
from sevres_familles.web.root import portal_in
from sevres_familles.web.settings import Settings
from sevres_familles.web.storage import end_on_failed_sync
from sevres_familles.web.watching import beat

log = logging.getLogger(__name__)

_DAY = timedelta(days=1)
#: How long to wait before asking again in vain.
_AFTER_SILENCE = timedelta(minutes=1)
_ATTEMPTS = 10
#: How many seconds at least from one question to the next: ten a second, whatever came in (fault F10).
_PACE = 0.1


def next_ask(settings: Settings, left_at: datetime, now: datetime) -> datetime | None:
    """Tell when to ask next about a payment that left for the bank; none when it was asked about long enough."""
    for delay in settings.ask_delays:
        if left_at + delay > now:
            return left_at + delay
    days = (now - left_at) // _DAY + 1
    return left_at + days * _DAY if days * _DAY <= settings.ask_daily_for else None


def ask_all(registry: Any) -> int:
    """Ask about every payment that is due, and tell how many were."""
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    try:
        with manager:
            payments = portal_in(connection.root(), registry)["paiements"]
            now = registry.clock.now()
            due = [reference for reference, at in payments.to_ask.items() if at <= now]
        beat(registry, "ask")
        for number, reference in enumerate(due):
            if number:
                time.sleep(_PACE)
            try:
                _ask_about(registry, manager, connection, reference)
            except Exception as error:
                end_on_failed_sync(error)
                # Whatever one payment meets, the others are asked about.
                log.exception("Asking about %s failed", reference)
                _put_off(registry, manager, connection, reference)
            beat(registry, "ask")
        return len(due)
    finally:
        connection.close()


def _ask_about(registry: Any, manager: Any, connection: Any, reference: str) -> None:
    with manager:
        payment = portal_in(connection.root(), registry)["paiements"][reference]
        order, gateway = payment.order, registry.gateways[payment.account.regie.description.gateway]
    now = registry.clock.now()
    try:
        evidence = gateway.ask(order, at=now)
    except BankUnreachable as error:
        log.warning("The bank did not answer about %s: %s", reference, error)
        evidence = None
    with booking_turn(registry.settings_of_portal):
        for attempt in manager.attempts(_ATTEMPTS):
            with attempt:
                _take_answer(registry, connection, reference, gateway, evidence, now)


def _put_off(registry: Any, manager: Any, connection: Any, reference: str) -> None:
    """Ask again later about a payment that cannot be asked about, or whose answer cannot be taken."""
    now = registry.clock.now()
    for attempt in manager.attempts(_ATTEMPTS):
        with attempt:
            _ask_in_vain(portal_in(connection.root(), registry)["paiements"], reference, now)


def _ask_in_vain(payments: Payments, reference: str, now: datetime) -> None:
    payments.ask_at(reference, now + _AFTER_SILENCE)
    payments.unanswered.setdefault(reference, now)


def _take_answer(
    registry: Any,
    connection: Any,
    reference: str,
    gateway: PaymentGateway,
    answer: Sequence[Evidence] | None,
    now: datetime,
) -> None:
    """Apply an answer (none when the bank was silent), and note when to ask next, in one transaction."""
    portal = portal_in(connection.root(), registry)
    payments: Payments = portal["paiements"]
    payment: Payment = payments[reference]
    settings = registry.settings_of_portal
    if answer is None:
        _ask_in_vain(payments, reference, now)
        _alert_when_long(portal, payment, settings, now, is_silent=True)
        return
    payments.unanswered.pop(reference, None)
    for evidence in answer:
        apply(portal, registry, payment, evidence)
    if not answer and now >= payment.opened_at + gateway.page_life:
        expire(portal, payment, now)
    _alert_when_long(portal, payment, settings, now, is_silent=False)
    later = next_ask(settings, payment.opened_at, now) if _may_change(payment, gateway, now) else None
    if later is not None:
        payments.ask_at(reference, later)
        return
    payments.ask_no_more(payment, now)
    if payment.is_open:
        raise_alert(portal, payment, "sans réponse claire de la banque, qui n’est plus interrogée : à vérifier", now)


def _may_change(payment: Payment, gateway: PaymentGateway, now: datetime) -> bool:
    """Tell whether to ask again: after a refusal too, as long as another card may be tried on the bank's page."""
    page_is_alive = now < payment.opened_at + gateway.page_life
    return payment.is_open or (payment.state is PaymentState.REFUSED and page_is_alive)


def _alert_when_long(portal: Any, payment: Payment, settings: Settings, now: datetime, *, is_silent: bool) -> None:
    """Tell staff, once, of a payment that the bank keeps pending, or is silent about."""
    waits = payment.state is PaymentState.PENDING or (is_silent and payment.is_open)
    if waits and not payment.long_pending and now >= payment.settled_at + settings.pending_alert_after:
        payment.long_pending = True
        why = "la banque ne répond pas à son sujet" if is_silent else "en attente à la banque"
        raise_alert(portal, payment, f"{why} depuis plus de deux heures", now)


class Waiting(NamedTuple):
    """A payment without a final answer: when the bank is asked next or, left to staff, since when it is not."""

    payment: Payment
    at: datetime
    is_left: bool


def waiting(payments: Payments) -> list[Waiting]:
    """List the payments that have no final answer, the oldest first (requirements R5)."""
    known = [
        *(Waiting(payments[reference], at, False) for reference, at in payments.to_ask.items()),
        *(Waiting(payments[reference], at, True) for reference, at in payments.left_to_staff.items()),
    ]
    return sorted(known, key=lambda each: each.payment.opened_at)
