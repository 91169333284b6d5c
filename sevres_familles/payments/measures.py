"""What machines that watch the portal are told of payments."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import waiting
from sevres_familles.payments.resources import Payment, Payments
from sevres_familles.web.root import Portal
from sevres_familles.web.watching import Measure, silence_of

_DAY = timedelta(days=1)
#: For how long the bank may be asked in vain.
LONGEST_UNANSWERED = timedelta(hours=1)
_TAKEN = frozenset({PaymentState.ACCEPTED, PaymentState.CAPTURED, PaymentState.RECONCILED})


def measures_of_payments(portal: Portal, registry: Any, now: datetime) -> Iterator[Measure]:
    """Measure what waits for the bank, what it refused of late, what staff must look at, and the worker that asks."""
    payments: Payments = portal["paiements"]
    opened = [each.payment.opened_at for each in waiting(payments) if each.payment.is_open]
    yield Measure("payments_waiting", "Payments that have no end yet.", len(opened))
    yield Measure("payments_oldest_seconds", "For how long the oldest of them waits, in seconds.", _age(opened, now))
    left = len(payments.left_to_staff)
    yield Measure("payments_left_to_staff", "Those that the bank is asked about no more: staff must look.", left)
    yield Measure(
        "payments_unanswered_seconds",
        "For how long the bank is asked about a payment in vain, in seconds.",
        _age(payments.unanswered.values(), now),
        LONGEST_UNANSWERED.total_seconds(),
    )
    states = [payment.state for payment in _of_late(payments, now)]
    refused = states.count(PaymentState.REFUSED)
    ended = refused + sum(state in _TAKEN for state in states)
    share = refused / ended if ended else 0.0
    yield Measure("payments_refused_share", "Of the payments of the last day that the bank judged: refused.", share)
    yield Measure("alerts", "Alerts that were ever raised.", len(portal.stores["alerts"]))
    yield Measure("unclassified", "Receipts that no invoice could take.", len(portal.stores["unclassified"]))
    yield silence_of(portal, "ask", now)


def _age(moments: Iterable[datetime], now: datetime) -> float:
    return (now - min(moments, default=now)).total_seconds()


def _of_late(payments: Payments, now: datetime) -> Iterator[Payment]:
    """Go through the payments of the last day, by the bank's numbers, which begin with the day (in UTC)."""
    since = now - _DAY
    for reference in payments.bank_orders.values(min=since.astimezone(UTC).strftime("%Y%m%d")):
        payment = payments[reference]
        if payment.opened_at >= since:
            yield payment
