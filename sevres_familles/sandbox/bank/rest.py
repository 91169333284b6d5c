"""Answer the shop's own questions: the bank's REST interface, V4.

As at the real one, every answer is HTTP 200, errors included: what was wrong is in the
body. An abandoned page leaves no transaction, so it is not found, like one that was never
opened or is still open.
"""

import hmac
import json
from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

from sevres_familles.sandbox.bank.messages import bank_moment
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import Page, Payment, Status, Store

Json = dict[str, Any]

ORDER_GET = "Order/Get"


class RestError(Exception):
    """The question cannot be answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


def get_order(store: Store, shop: Shop, authorization: str, body: bytes) -> Json:
    """Answer ``Order/Get``: what came of a reference of the shop.

    :param authorization: the request's header, basic, site id and REST password.
    :param body: JSON, ``{"orderId": "…"}``.
    """
    try:
        _authenticate(shop, authorization)
        order_id = _order_id(body)
        payments = store.payments_of_order(order_id)
        transactions = [one for one in payments if one.status is not Status.ABANDONED]
        if not transactions:
            raise RestError("PSP_010", "Transaction not found")
    except RestError as error:
        return _envelope(shop, "ERROR", _error(error))
    return _envelope(shop, "SUCCESS", _order(store, shop, order_id, transactions))


def _authenticate(shop: Shop, authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    expected = f"{shop.site_id}:{shop.rest_password}".encode()
    try:
        credentials = b64decode(given, validate=True)
    except ValueError:
        credentials = b""
    right = hmac.compare_digest(credentials, expected)
    if scheme.lower() != "basic" or not right:
        raise RestError("INT_905", "Invalid login or private key")


def _order_id(body: bytes) -> str:
    try:
        question = json.loads(body)
    except ValueError:
        question = None
    order_id = question.get("orderId") if isinstance(question, dict) else None
    if not isinstance(order_id, str) or not order_id:
        raise RestError("INT_902", "Invalid request: orderId is expected")
    return order_id


def _envelope(shop: Shop, status: str, answer: Json) -> Json:
    return {
        "webService": ORDER_GET,
        "version": "V4",
        "status": status,
        "mode": shop.mode,
        "serverDate": datetime.now(UTC).isoformat(timespec="seconds"),
        "answer": answer,
        "_type": "V4/WebService/Response",
    }


def _error(error: RestError) -> Json:
    return {
        "errorCode": error.code,
        "errorMessage": error.message,
        "detailedErrorCode": None,
        "detailedErrorMessage": None,
        "_type": "V4/WebService/WebServiceError",
    }


def _order(store: Store, shop: Shop, order_id: str, payments: list[Payment]) -> Json:
    paid = any(one.status is Status.AUTHORISED for one in payments)
    return {
        "shopId": shop.site_id,
        "orderId": order_id,
        "orderCycle": "CLOSED",
        "orderStatus": "PAID" if paid else "UNPAID",
        "orderDetails": {
            "orderTotalAmount": payments[-1].amount,
            "orderEffectiveAmount": payments[-1].amount if paid else 0,
            "orderCurrency": "EUR",
            "mode": shop.mode,
            "orderId": order_id,
            "_type": "V4/OrderDetails",
        },
        "transactions": [_transaction(store, shop, one) for one in payments],
        "_type": "V4/Order",
    }


def _transaction(store: Store, shop: Shop, payment: Payment) -> Json:
    page = store.page(payment.token)
    if page is None:  # the store's foreign keys forbid it
        raise LookupError(payment.token)
    accepted = payment.status is Status.AUTHORISED
    return {
        "shopId": shop.site_id,
        "uuid": payment.uuid,
        "amount": payment.amount,
        "currency": "EUR",
        "paymentMethodType": "CARD",
        "status": "PAID" if accepted else "UNPAID",
        "detailedStatus": payment.status,
        "operationType": "DEBIT",
        "creationDate": _iso(bank_moment(payment.created_at)),
        "errorCode": None if accepted else "ACQ_001",
        "errorMessage": None if accepted else "payment refused",
        "detailedErrorCode": None if accepted else payment.auth_result,
        "detailedErrorMessage": None,
        "orderDetails": {"orderId": payment.order_id, "_type": "V4/OrderDetails"},
        "transactionDetails": {
            "liabilityShift": "YES" if accepted else "NO",
            "effectiveAmount": payment.amount,
            "effectiveCurrency": "EUR",
            "creationContext": "CHARGE",
            "cardDetails": _card(page, payment),
            "parentTransactionUuid": None,
            "sequenceNumber": payment.sequence,
            "_type": "V4/TransactionDetails",
        },
        "_type": "V4/PaymentTransaction",
    }


def _card(page: Page, payment: Payment) -> Json:
    return {
        "paymentSource": "EC",
        "effectiveBrand": "VISA",
        "pan": payment.card,
        "expiryMonth": payment.expiry_month,
        "expiryYear": payment.expiry_year,
        "country": "FR",
        "legacyTransId": page.fields["vads_trans_id"],
        "legacyTransDate": _iso(page.fields["vads_trans_date"]),
        "authorizationResponse": {
            "amount": payment.amount,
            "currency": "EUR",
            "authorizationDate": _iso(bank_moment(payment.created_at)),
            "authorizationNumber": payment.auth_number or None,
            # Unlike the notification's « 00 », the interface writes no leading zero.
            "authorizationResult": str(int(payment.auth_result or 0)),
            "authorizationMode": "FULL",
            "_type": "V4/PaymentMethod/Details/Cards/CardAuthorizationResponse",
        },
        "_type": "V4/PaymentMethod/Details/CardDetails",
    }


def _iso(digits: str) -> str:
    """Write the bank's fourteen digits as its interface does: 2018-12-11T19:03:38+00:00."""
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC).isoformat()
