"""What payments announce; `sevres_familles.notifications` tells people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ReceiptIssued:
    """Money came in, and a receipt was numbered for it, in this very transaction.

    ``payment`` is the `resources.Payment` (``__name__`` is its reference ``P-…``, ``family_code``, ``receipts``);
    ``number`` is the receipt's (``2026-SCO-000001``).
    """

    portal: Any
    payment: Any
    number: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class MoneyReturned:
    """Money of a payment went back (a refund, a cancellation, an impayé), booked in this very transaction.

    ``payment`` is the `resources.Payment`; ``fact`` is the `domain.payment.MoneyFact`, one of its ``posted``.
    """

    portal: Any
    payment: Any
    fact: Any
    at: datetime
