"""SystemPay (PayZen, Lyra): the card pages of the Caisse d'Épargne, successor of the SP PLUS of 2009.

eopayment 3.15 makes the form and the signature; every judgment is ours, because eopayment's own is too trusting (the
ten traps of docs/payments.md; each has a test).  Names and values: Lyra, « API Formulaire V2 », data dictionary.
"""

import hmac
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import parse_qsl

import requests

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Channel, Evidence, EvidenceKind
from sevres_familles.payments.gateways.port import (
    BankForm,
    BankJournal,
    BankOrder,
    BankUnreachable,
    Departure,
    NotAuthentic,
    Notice,
)
from sevres_familles.payments.gateways.systempay_journals import read_journal
from sevres_familles.payments.gateways.systempay_words import DEBIT_STATUSES, EURO, shown_by
from sevres_familles.web.settings import Settings

MAX_BODY = 32 * 1024
MAX_FIELDS = 200

#: The names that a notification may carry.  Values are signed, names are not: a message whose names were changed has
#: one that is not here, or disagrees with itself (payments.md §1, trap 5).
_KNOWN_NAMES = """
    acquirer_network action_mode amount auth_mode auth_number auth_result bank_code bank_label bank_product
    brand_management capture_delay card_brand card_country card_number contract_used contrib ctx_mode currency
    cust_address cust_cell_phone cust_city cust_country cust_email cust_first_name cust_id cust_last_name cust_name
    cust_phone cust_state cust_status cust_title cust_zip effective_amount effective_creation_date effective_currency
    expiry_month expiry_year extra_result hash initial_issuer_transaction_identifier language occurrence_type
    operation_type order_id order_info order_info2 order_info3 page_action payment_cards payment_certificate
    payment_config payment_option_code payment_seq payment_src pays_ip presentation_date product_label proof_of_payment
    requestor result return_mode risk_control sequence_number shop_name shop_url site_id threeds_auth_type threeds_cavv
    threeds_cavvAlgorithm threeds_eci threeds_enrolled threeds_error_code threeds_exit_status threeds_sign_valid
    threeds_status threeds_xid tid token_id trans_date trans_id trans_status trans_uuid url_check url_check_src
    url_return user_info validation_mode version wallet warranty_result
"""
_KNOWN_FIELDS = frozenset(f"vads_{name}" for name in _KNOWN_NAMES.split()) | {"signature"}
_REQUIRED = tuple(
    f"vads_{name}"
    for name in (
        *("site_id", "ctx_mode", "currency", "amount", "order_id", "trans_id", "trans_date"),
        *("trans_status", "result", "url_check_src", "hash", "operation_type"),
    )
)


class SystemPayGateway:
    """One shop at SystemPay."""

    def __init__(
        self,
        *,
        form_url: str,
        rest_url: str,
        site_id: str,
        mode: str,
        keys: Sequence[str],
        rest_password: str,
        sources: Iterable[str],
        page_life: timedelta,
        timeout: timedelta,
    ) -> None:
        if mode not in ("TEST", "PRODUCTION"):
            raise ValueError(f"bank mode: {mode}")
        self._form_url = form_url
        self._rest_url = rest_url
        self._site_id = site_id
        self._mode = mode
        #: The key in use, then those that the bank may still sign with while it changes.
        self._keys = tuple(keys)
        self._rest_password = rest_password
        self._sources = tuple(ip_network(each) for each in sources)
        self._timeout = timeout.total_seconds()
        self.page_life = page_life

    @classmethod
    def from_settings(cls, settings: Settings) -> "SystemPayGateway":
        """Make the gateway that the settings describe; keys come from their files."""
        return cls(
            form_url=settings.bank_form_url,
            rest_url=settings.bank_rest_url,
            site_id=settings.bank_site_id,
            mode=settings.bank_mode,
            keys=[key.decode() for key in settings.read_secrets(settings.bank_key_file)],
            rest_password=settings.read_secret(settings.bank_rest_password_file).decode(),
            sources=settings.bank_sources,
            page_life=settings.bank_page_life + settings.bank_margin,
            timeout=settings.bank_timeout,
        )

    def __repr__(self) -> str:
        return f"<SystemPayGateway {self._site_id} {self._mode}>"

    def _speaker(self, key: str = "", **more: str) -> Any:
        """Make eopayment's SystemPay, with the key in use unless told.

        It knows a key of our mode alone (traps 2 and 6).

        Imported when first used.  At DEBUG it writes the key to the log (trap 7), so its logger is kept above.
        """
        from eopayment.systempayv2 import Payment

        logger = logging.getLogger("eopayment")
        logger.setLevel(max(logger.level, logging.INFO))
        options = {
            "service_url": self._form_url,
            "vads_site_id": self._site_id,
            "vads_ctx_mode": self._mode,
            f"secret_{self._mode.lower()}": key or self._keys[0],
            "signature_algo": "hmac_sha256",
            **more,
        }
        return Payment(options, logger=logger)

    def depart(
        self, reference: str, amount: Money, *, email: str, return_url: str, notify_url: str, at: datetime
    ) -> Departure:
        """Make the signed form of a payment.

        No name, address or phone is sent: the bank does not need them, and some raise (trap 8).
        """
        speaker = self._speaker(normal_return_url=return_url, automatic_return_url=notify_url)
        _, _, form = speaker.request(
            amount.decimal,
            orderid=reference,
            email=email or None,
            vads_trans_date=at.astimezone(UTC).strftime("%Y%m%d%H%M%S"),
        )
        fields = tuple((field["name"], field["value"]) for field in form.fields)
        sent = dict(fields)
        order = BankOrder(reference, sent["vads_trans_id"], sent["vads_trans_date"])
        return Departure(order, BankForm(form.url, fields))

    def read_notification(self, body: bytes, *, source: str, at: datetime) -> Notice:
        """Check a notification in the order of payments.md §3, and read it.

        :raises NotAuthentic: when it does not come from the bank, or not for this shop.
        """
        if not self._is_known(source):
            raise NotAuthentic("source address")
        fields = _parse(body)
        if fields.get("vads_ctx_mode") != self._mode:
            raise NotAuthentic("mode")
        if not any(self._has_signed(key, fields) for key in self._keys):
            raise NotAuthentic("signature")
        if fields.get("vads_site_id") != self._site_id:
            raise NotAuthentic("site")
        if not re.fullmatch(r"[0-9a-fA-F]{64}", fields.get("vads_hash", "")):
            raise NotAuthentic("not a notification: no vads_hash", 400)
        order = BankOrder(*(fields.get(f"vads_{name}", "") for name in ("order_id", "trans_id", "trans_date")))
        return Notice(order, _evidence(fields, at))

    def _has_signed(self, key: str, fields: Mapping[str, str]) -> bool:
        expected = self._speaker(key).signature(fields)
        return hmac.compare_digest(expected.encode(), fields.get("signature", "").encode())

    def _is_known(self, source: str) -> bool:
        """Tell whether an address is one that the bank notifies from."""
        try:
            address = ip_address(source)
        except ValueError:
            return False
        return any(address in network for network in self._sources)

    def ask(self, order: BankOrder, *, at: datetime) -> tuple[Evidence, ...]:
        """Ask ``Order/Get`` (REST V4) about a payment.

        :raises BankUnreachable: when the bank does not answer, or not about this order of this shop.
        """
        answer = self._post("Order/Get", {"orderId": order.reference})
        if answer is None:
            return ()
        match answer:
            # The bank's documents give the reference in orderDetails; older answers in orderId.
            case {"orderDetails": {"orderId": reference, **details}, "transactions": list(transactions)}:
                mode = details.get("mode", self._mode)
            case {"orderId": reference, "transactions": list(transactions)}:
                mode = self._mode
            case _:
                raise BankUnreachable("the answer is not in the bank's terms")
        if (str(answer.get("shopId")), reference, mode) != (self._site_id, order.reference, self._mode):
            raise BankUnreachable("the answer is about something else")
        return tuple(_answered(each, at) for each in transactions)

    def read_journal(self, content: bytes, *, at: datetime) -> BankJournal:
        """Read a journal of the bank, by the names of its ENTETE.

        :raises UnreadableJournal: naming every fault, with its line.
        """
        return read_journal(content, site_id=self._site_id, at=at)

    def _post(self, service: str, payload: Mapping[str, str]) -> dict[str, Any] | None:
        try:
            response = requests.post(
                self._rest_url + service,
                json=dict(payload),
                auth=(self._site_id, self._rest_password),
                timeout=self._timeout,
                allow_redirects=False,
            )
            content = response.json() if response.status_code == requests.codes.ok else None
        except (requests.RequestException, ValueError) as error:
            raise BankUnreachable(type(error).__name__) from error
        match content:
            case {"status": "SUCCESS", "answer": dict(answer)}:
                return answer
            case {"status": "ERROR", "answer": {"errorCode": "PSP_010"}}:
                return None
        raise BankUnreachable(f"HTTP {response.status_code}")


def _parse(body: bytes) -> dict[str, str]:
    """Read a urlencoded body, bounded, no name twice.

    :raises NotAuthentic: otherwise.
    """
    if not 0 < len(body) <= MAX_BODY:
        raise NotAuthentic("empty or too long", 400)
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            strict_parsing=True,
            max_num_fields=MAX_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise NotAuthentic("not a form", 400) from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise NotAuthentic("a name stands twice", 400)
    return fields


def _evidence(fields: Mapping[str, str], at: datetime) -> Evidence:
    """Read what a notification shows; unclear when it has unknown names or disagrees with itself."""
    amount = fields.get("vads_effective_amount") or fields.get("vads_amount", "")
    sequence = fields.get("vads_sequence_number", "")
    return Evidence(
        kind=_kind_of(fields),
        transaction=fields.get("vads_trans_uuid", ""),
        operation=fields.get("vads_operation_type", ""),
        status=fields.get("vads_trans_status", ""),
        sequence=int(sequence) if re.fullmatch(r"\d{1,6}", sequence, re.ASCII) else 0,
        amount=Money(int(amount) if re.fullmatch(r"\d{1,12}", amount, re.ASCII) else 0),
        at=at,
        channel=Channel.NOTIFICATION,
        authorisation=fields.get("vads_auth_number", ""),
    )


def _kind_of(fields: Mapping[str, str]) -> EvidenceKind:
    if not (_is_complete(fields) and _agrees(fields)):
        return EvidenceKind.UNCLEAR
    return shown_by(fields["vads_operation_type"], fields["vads_trans_status"])


def _is_complete(fields: Mapping[str, str]) -> bool:
    """Tell whether a message has all it must, nothing unknown, and is about euros."""
    return (
        all(fields.get(name) for name in _REQUIRED)
        and _KNOWN_FIELDS.issuperset(fields)
        and {fields["vads_currency"], fields.get("vads_effective_currency") or EURO} == {EURO}
        and all(
            re.fullmatch(r"[1-9]\d{0,11}", amount, re.ASCII)
            for amount in (fields["vads_amount"], fields.get("vads_effective_amount"))
            if amount
        )
    )


def _agrees(fields: Mapping[str, str]) -> bool:
    """Tell whether operation, status, result and authorisation say one thing."""
    status, operation = fields["vads_trans_status"], fields["vads_operation_type"]
    if operation not in ("DEBIT", "CREDIT") or (operation == "DEBIT" and status not in DEBIT_STATUSES):
        return False
    result, authorised = fields["vads_result"], fields.get("vads_auth_result", "")
    match DEBIT_STATUSES.get(status):
        case EvidenceKind.AUTHORISED | EvidenceKind.CAPTURED:
            return result == "00" and authorised == "00" and bool(fields.get("vads_trans_uuid"))
        case EvidenceKind.ABANDONED:
            return result == "17" and not authorised
        case EvidenceKind.REFUSED:
            return result != "00" and authorised != "00"
    return True


def _answered(transaction: Mapping[str, Any], at: datetime) -> Evidence:
    """Read one transaction of an answer of ``Order/Get``.

    :raises BankUnreachable: when it is not in the bank's terms.
    """
    try:
        operation, status, amount = transaction["operationType"], transaction["detailedStatus"], transaction["amount"]
        if not (isinstance(transaction["uuid"], str) and transaction["uuid"] and amount > 0):
            raise ValueError("no number, or no sum")
        details = transaction.get("transactionDetails") or {}
        authorisation = ((details.get("cardDetails") or {}).get("authorizationResponse") or {}).get(
            "authorizationNumber"
        )
        return Evidence(
            kind=_answered_kind(transaction, operation, status),
            transaction=transaction["uuid"],
            operation=operation,
            status=status,
            sequence=int(details.get("sequenceNumber") or 0),
            amount=Money(amount),
            at=at,
            channel=Channel.ASKED,
            authorisation=str(authorisation or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BankUnreachable(f"unreadable transaction: {error}") from error


def _answered_kind(transaction: Mapping[str, Any], operation: str, status: str) -> EvidenceKind:
    if transaction["currency"] != "EUR":
        return EvidenceKind.UNCLEAR
    return shown_by(operation, status)
