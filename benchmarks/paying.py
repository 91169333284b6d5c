"""Payments made one after the other in a portal's database: seconds of CPU and of the clock of each, for `million`.

``python -m benchmarks.paying INI COUNT``, its state in VAR: opens a payment, books it as the bank's message does.
"""

import statistics
import sys
import time
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import transaction

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply, hand_over, open_payment
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened
from tests.payments.making import evidence


def main() -> None:
    """Pay, and print the medians."""
    ini, count = sys.argv[1], int(sys.argv[2])
    with opened(ini) as request:
        registry = request.registry
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        with manager:
            chosen = list(islice(_payable(portal_in(connection.root(), registry), request.today), count))
        connection.cacheMinimize()
        cpu, clock = [], []
        for number, (code, regie, name) in enumerate(chosen):
            cpu_before, clock_before = time.process_time(), time.perf_counter()
            _pay(manager, connection, registry, code, regie, name, f"{time.time_ns()}-{number}")
            cpu.append(time.process_time() - cpu_before)
            clock.append(time.perf_counter() - clock_before)
        connection.close()
    print(statistics.median(cpu), statistics.median(clock))


def _payable(portal: Any, today: Any) -> Any:
    """Go through families that may pay, from anywhere in the town."""
    for code in portal["familles"]:
        for account in portal["familles"][code]["comptes"]:
            for invoice in account:
                if invoice.status(today).payable:
                    yield code, account.__name__, invoice.__name__
                    break


def _pay(manager: Any, connection: Any, registry: Any, code: str, regie: str, name: str, transaction_id: str) -> None:
    at = datetime.now(UTC)
    with manager:
        portal = portal_in(connection.root(), registry)
        payment = open_payment(
            portal,
            registry.gateways["systempay"],
            portal["familles"][code]["comptes"][regie],
            [name],
            email="essai@exemple.fr",
            return_url="http://localhost/paiements/{reference}/retour",
            notify_url="http://localhost/paiements/notifications/systempay",
            at=at,
        )
        hand_over(portal["paiements"], payment, first_ask=at, at=at)
        reference, cents = payment.reference, payment.amount.cents
    with manager:
        portal = portal_in(connection.root(), registry)
        told = evidence(EvidenceKind.AUTHORISED, cents, transaction=transaction_id)
        apply(portal, registry, portal["paiements"][reference], told)


if __name__ == "__main__":
    main()
