"""Answer the shop's own questions: the bank's REST interface, V4.

As at the real one, every answer is HTTP 200, errors included: what was wrong is in the
body. An abandoned page leaves no transaction, so it is not found, like one that was never
opened or is still open.
"""

import hmac
import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sevres_familles.sandbox.bank.backoffice import ActRefused, BackOffice
from sevres_familles.sandbox.bank.messages import bank_moment
from sevres_familles.sandbox.bank.records import Operation, Page, Payment, Status
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import Store

Json = dict[str, Any]


class RestError(Exception):
    """The question cannot be answered."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Desk:
    """Whoever answers the shop's programs."""

    back_office: BackOffice

    @property
    def _store(self) -> Store:
        return self.back_office.counter.store

    @property
    def _shop(self) -> Shop:
        return self.back_office.counter.shop

    def answer(self, service: str, authorization: str, body: bytes) -> Json:
        """Answer a question.

        :param service: ``Order/Get``, ``Transaction/Get`` or ``Transaction/CancelOrRefund``.
        :param authorization: the request's header, basic, site id and REST password.
        :param body: JSON: ``orderId``, or ``uuid``; with ``amount`` and ``currency`` to cancel or refund.
        """
        answers: dict[str, Callable[[Json], Json]] = {
            "Order/Get": self._order,
            "Transaction/Get": lambda question: _transaction(self._store, self._shop, self._payment(question)),
            "Transaction/CancelOrRefund": self._cancel_or_refund,
        }
        try:
            _authenticate(self._shop, authorization)
            if service not in answers:
                raise RestError("INT_901", "Unknown web service")
            return _envelope(self._shop, service, "SUCCESS", answers[service](_question(body)))
        except RestError as error:
            return _envelope(self._shop, service, "ERROR", _error(error))

    def _order(self, question: Json) -> Json:
        order_id = _text(question, "orderId")
        payments = self._store.payments_of_order(order_id)
        transactions = [one for one in payments if one.status is not Status.ABANDONED]
        if not transactions:
            raise _NOT_FOUND
        return _order(self._store, self._shop, order_id, transactions)

    def _payment(self, question: Json) -> Payment:
        payment = self._store.payment(_text(question, "uuid"))
        if payment is None or payment.status is Status.ABANDONED:
            raise _NOT_FOUND
        return payment

    def _cancel_or_refund(self, question: Json) -> Json:
        """Cancel what was not remitted yet, else give back the amount that is asked for."""
        payment, amount = self._payment(question), question.get("amount")
        if not isinstance(amount, int) or question.get("currency") != "EUR":
            raise RestError("INT_902", "Invalid request: amount and currency are expected")
        try:
            if payment.status is Status.CAPTURED:
                payment = self.back_office.refund(payment, amount)
            elif amount == payment.amount:
                self.back_office.cancel(payment)
            else:
                raise RestError("PSP_082", "A part of what was not captured cannot be given back")
        except ActRefused as error:
            raise RestError("PSP_100", "Not possible in this state") from error
        return _transaction(self._store, self._shop, self._store.payment(payment.uuid) or payment)


_NOT_FOUND = RestError("PSP_010", "Transaction not found")


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


def _question(body: bytes) -> Json:
    try:
        question = json.loads(body)
    except ValueError:
        question = None
    if not isinstance(question, dict):
        raise RestError("INT_902", "Invalid request: an object is expected")
    return question


def _text(question: Json, name: str) -> str:
    value = question.get(name)
    if not isinstance(value, str) or not value:
        raise RestError("INT_902", f"Invalid request: {name} is expected")
    return value


def _envelope(shop: Shop, service: str, status: str, answer: Json) -> Json:
    return {
        "webService": service,
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
    debits = [one for one in payments if one.operation is Operation.DEBIT]
    paid = sum(one.amount for one in debits if one.takes)
    if paid:
        status = "PAID"
    else:
        status = "RUNNING" if any(one.status is Status.UNDER_VERIFICATION for one in debits) else "UNPAID"
    return {
        "shopId": shop.site_id,
        "orderId": order_id,
        "orderCycle": "OPEN" if status == "RUNNING" else "CLOSED",
        "orderStatus": status,
        "orderDetails": {
            "orderTotalAmount": debits[-1].amount,
            "orderEffectiveAmount": paid,
            "orderCurrency": "EUR",
            "mode": shop.mode,
            "orderId": order_id,
            "_type": "V4/OrderDetails",
        },
        "transactions": [_transaction(store, shop, one) for one in payments],
        "_type": "V4/Order",
    }


#: The bank's word for each status in its interface, where it says less than the detailed one.
_STATUSES = {Status.AUTHORISED: "PAID", Status.CAPTURED: "PAID", Status.UNDER_VERIFICATION: "RUNNING"}


def _transaction(store: Store, shop: Shop, payment: Payment) -> Json:
    page = store.page(payment.token)
    if page is None:  # the store's foreign keys forbid it
        raise LookupError(payment.token)
    status = _STATUSES.get(payment.status, "UNPAID")
    refused = payment.status is Status.REFUSED
    return {
        "shopId": shop.site_id,
        "uuid": payment.uuid,
        "amount": payment.amount,
        "currency": "EUR",
        "paymentMethodType": "CARD",
        "status": status,
        "detailedStatus": payment.status,
        "operationType": payment.operation,
        "creationDate": _iso(bank_moment(payment.created_at)),
        "errorCode": "ACQ_001" if refused else None,
        "errorMessage": "payment refused" if refused else None,
        "detailedErrorCode": payment.auth_result if refused else None,
        "detailedErrorMessage": None,
        "orderDetails": {"orderId": payment.order_id, "_type": "V4/OrderDetails"},
        "transactionDetails": {
            "liabilityShift": "YES" if payment.takes else "NO",
            "effectiveAmount": payment.amount,
            "effectiveCurrency": "EUR",
            "creationContext": "CHARGE" if payment.operation is Operation.DEBIT else "REFUND",
            "cardDetails": _card(page, payment),
            "parentTransactionUuid": payment.parent or None,
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
