"""SystemPay's words for operations and their statuses, and what each shows (payments.md §2)."""

from collections.abc import Mapping

from sevres_familles.domain.payment import EvidenceKind

EURO = "978"
DEBIT, CREDIT = "DEBIT", "CREDIT"

#: The statuses of a debit.  ACCEPTED is a verification, never money: it is not here.
DEBIT_STATUSES: Mapping[str, EvidenceKind] = {
    "AUTHORISED": EvidenceKind.AUTHORISED,
    "CAPTURED": EvidenceKind.CAPTURED,
    "AUTHORISED_TO_VALIDATE": EvidenceKind.PENDING,
    "WAITING_AUTHORISATION": EvidenceKind.PENDING,
    "WAITING_AUTHORISATION_TO_VALIDATE": EvidenceKind.PENDING,
    "UNDER_VERIFICATION": EvidenceKind.PENDING,
    "INITIAL": EvidenceKind.PENDING,
    "SUSPENDED": EvidenceKind.PENDING,
    "REFUSED": EvidenceKind.REFUSED,
    "CAPTURE_FAILED": EvidenceKind.REFUSED,
    "NOT_CREATED": EvidenceKind.REFUSED,
    "EXPIRED": EvidenceKind.REFUSED,
    "ABANDONED": EvidenceKind.ABANDONED,
    "CANCELLED": EvidenceKind.VOIDED,
}

_CREDIT_STATUSES = frozenset({"AUTHORISED", "CAPTURED"})


def shown_by(operation: str, status: str) -> EvidenceKind:
    """Tell what an operation in a status shows; unclear when we do not know the words."""
    if operation == DEBIT:
        return DEBIT_STATUSES.get(status, EvidenceKind.UNCLEAR)
    if operation == CREDIT and status in _CREDIT_STATUSES:
        return EvidenceKind.CREDIT
    return EvidenceKind.UNCLEAR
