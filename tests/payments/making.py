"""Makers for tests of payments: a real gateway, real notifications signed as the bank signs them, opened payments."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Channel, Evidence, EvidenceKind
from sevres_familles.payments.gateways.systempay import SystemPayGateway
from sevres_familles.payments.resources import Payment
from sevres_familles.payments.services import hand_over, open_payment

KEY = "0123456789abcdef" * 4
SITE = "12345678"
AT = datetime(2026, 11, 23, 14, 40, tzinfo=UTC)
HASH = "c0ffee" * 10 + "beef"


def gateway(**overrides: Any) -> SystemPayGateway:
    """Make the gateway of a shop in test mode."""
    options: dict[str, Any] = {
        "form_url": "http://127.0.0.1:6544/banque/vads-payment/",
        "rest_url": "http://127.0.0.1:6544/banque/api-payment/V4/",
        "site_id": SITE,
        "mode": "TEST",
        "keys": (KEY,),
        "rest_password": "secret",
        "sources": frozenset({"127.0.0.1"}),
        "page_life": timedelta(minutes=12),
        "timeout": timedelta(seconds=2),
    }
    return SystemPayGateway(**{**options, **overrides})


def sign(fields: dict[str, str], key: str = KEY) -> str:
    """Sign fields as Lyra's document says, without eopayment."""
    text = "+".join(fields[name] for name in sorted(fields) if name.startswith("vads_")) + "+" + key
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), hashlib.sha256)).decode()


def fields_of(payment: Payment | None = None, **overrides: str | None) -> dict[str, str]:
    """Write the fields of a notification of money; ``name=None`` leaves one out."""
    order = payment.order if payment else None
    fields = {
        "action_mode": "INTERACTIVE",
        "amount": str(payment.amount.cents) if payment else "6000",
        "auth_mode": "FULL",
        "auth_number": "3fe2a1",
        "auth_result": "00",
        "capture_delay": "0",
        "card_brand": "CB",
        "card_number": "497010XXXXXX0006",
        "ctx_mode": "TEST",
        "currency": "978",
        "effective_amount": str(payment.amount.cents) if payment else "6000",
        "effective_creation_date": "20261123144000",
        "extra_result": "",
        "hash": HASH,
        "language": "fr",
        "operation_type": "DEBIT",
        "order_id": order.reference if order else "P-7KQ4M2XDN",
        "page_action": "PAYMENT",
        "payment_config": "SINGLE",
        "presentation_date": "20261123144000",
        "result": "00",
        "sequence_number": "1",
        "site_id": SITE,
        "trans_date": order.transaction_date if order else "20261123143500",
        "trans_id": order.transaction_id if order else "abc123",
        "trans_status": "AUTHORISED",
        "trans_uuid": "u1",
        "url_check_src": "PAY",
        "validation_mode": "0",
        "version": "V2",
        "warranty_result": "YES",
    }
    for name, value in overrides.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return {f"vads_{name}": value for name, value in fields.items()}


def body_of(fields: dict[str, str], key: str = KEY) -> bytes:
    """Write the body of a notification, signed."""
    return urlencode({**fields, "signature": sign(fields, key)}).encode()


def refused(payment: Payment | None = None, **overrides: str | None) -> dict[str, str]:
    """Write the fields of a refusal."""
    words: dict[str, str | None] = {"result": "05", "auth_result": "51", "trans_status": "REFUSED", "auth_number": ""}
    return fields_of(payment, **{**words, **overrides})


def opened(
    portal: Any, registry: Any, *names: str, code: str = "26719", regie: str = "scolaire", at: datetime = AT
) -> Payment:
    """Open a payment of invoices, and let the browser leave for the bank."""
    account = portal["familles"][code]["comptes"][regie]
    payment = open_payment(
        portal,
        registry.gateways["systempay"],
        account,
        names or ("2026-9161",),
        email="dupond@free.fr",
        return_url="http://localhost/paiements/{reference}/retour",
        notify_url="http://localhost/paiements/notifications/systempay/",
        at=at,
    )
    hand_over(portal["paiements"], payment, first_ask=at + timedelta(seconds=30), at=at)
    return payment


_WORDS = {
    EvidenceKind.AUTHORISED: ("DEBIT", "AUTHORISED"),
    EvidenceKind.CAPTURED: ("DEBIT", "CAPTURED"),
    EvidenceKind.PENDING: ("DEBIT", "UNDER_VERIFICATION"),
    EvidenceKind.REFUSED: ("DEBIT", "REFUSED"),
    EvidenceKind.ABANDONED: ("DEBIT", "ABANDONED"),
    EvidenceKind.CREDIT: ("CREDIT", "AUTHORISED"),
    EvidenceKind.VOIDED: ("DEBIT", "CANCELLED"),
    EvidenceKind.CHARGEBACK: ("DEBIT", "CHARGEBACK"),
    # As the bank writes what we cannot read: in the words that its clear answer has too.
    EvidenceKind.UNCLEAR: ("DEBIT", "AUTHORISED"),
}


def evidence(
    kind: EvidenceKind, amount: int = 6000, *, transaction: str = "u1", sequence: int = 1, at: datetime = AT
) -> Evidence:
    """Make evidence; ``amount`` is in cents."""
    operation, status = _WORDS[kind]
    return Evidence(kind, transaction, operation, status, sequence, Money(amount), at, Channel.NOTIFICATION)
