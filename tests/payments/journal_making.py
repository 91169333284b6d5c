"""Makers of the bank's journals, as the bank writes them.

journal(row(payment))                                    # JT of 2026-11-23 with one row of money
journal(row(order="P-7KQ4M2XDN", uuid="u9", amount=500))  # one about an order that we do not know
unpaid(chargeback(payment))                              # JRI
"""

from collections.abc import Sequence

from sevres_familles.payments.resources import Payment
from tests.payments.making import SITE

COLUMNS = (
    *("TRANSACTION_ID", "MERCHANT_ID", "PAYMENT_MEANS", "CONTRACT", "TRANSACTION_TYPE", "ORIGIN_AMOUNT", "AMOUNT"),
    *("ORDER_ID", "TRANSACTION_UUID", "SEQUENCE_NUMBER", "TRANSACTION_STATUS", "AUTHORISATION_ID"),
)
UNPAID_COLUMNS = ("CHARGEBACK_REFERENCE", "TRANSACTION_UUID", "ORDER_ID", "CHARGEBACK_AMOUNT")


def row(
    payment: Payment | None = None,
    *,
    order: str = "",
    uuid: str = "u1",
    amount: int | None = None,
    status: str = "AUTHORISED",
    operation: str = "DEBIT",
    sequence: int = 1,
) -> dict[str, str]:
    """Write a row of JT about a payment, or an order; ``amount`` is in cents, that of the payment if none is given."""
    cents = amount if amount is not None else (payment.amount.cents if payment else 6000)
    return {
        "TRANSACTION_ID": payment.order.transaction_id if payment else "abc123",
        "MERCHANT_ID": SITE,
        "PAYMENT_MEANS": "VISA",
        "CONTRACT": "5201306",
        "TRANSACTION_TYPE": operation,
        "ORIGIN_AMOUNT": str(cents),
        "AMOUNT": str(cents),
        "ORDER_ID": order or (payment.reference if payment else "P-7KQ4M2XDN"),
        "TRANSACTION_UUID": uuid,
        "SEQUENCE_NUMBER": str(sequence),
        "TRANSACTION_STATUS": status,
        "AUTHORISATION_ID": "3fe2a1",
    }


def chargeback(payment: Payment, *, uuid: str = "u1", amount: int | None = None) -> dict[str, str]:
    """Write a row of JRI."""
    return {
        "CHARGEBACK_REFERENCE": "IMP1",
        "TRANSACTION_UUID": uuid,
        "ORDER_ID": payment.reference,
        "CHARGEBACK_AMOUNT": str(amount if amount is not None else payment.amount.cents),
    }


def journal(*rows: dict[str, str], day: str = "20261123", columns: Sequence[str] = COLUMNS) -> bytes:
    """Write a journal JT of a day, its columns in any order."""
    return _written(["TITRE", "JOURNAL DES TRANSACTIONS", "JT", SITE, day], "TRANSACTION", columns, rows)


def unpaid(*rows: dict[str, str], day: str = "20261123") -> bytes:
    """Write a journal JRI of a day."""
    return _written(["TITRE", "JOURNAL DES IMPAYES", "JRI", SITE, day], "CHARGEBACK", UNPAID_COLUMNS, rows)


def _written(title: list[str], kind: str, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> bytes:
    details = [[kind, *(each[name] for name in columns)] for each in rows]
    records = [title, ["ENTETE", *columns], *details, ["FIN", str(len(details))]]
    return "".join(f"{';'.join(cells)}\r\n" for cells in records).encode()
