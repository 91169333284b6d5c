"""Write what the bank tells the shop of a payment.

Two messages carry the same facts: the payer's browser brings the *return*, the bank sends
the *notification* (IPN) itself. Only the notification has ``vads_hash`` and
``vads_url_check_src``, which is how a shop tells them apart.
"""

from datetime import UTC, datetime
from urllib.parse import urlencode

from sevres_familles.sandbox.bank.records import Page, Payment, Source, Status
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.signature import signed

#: What the shop sent and has back as it was, when it was sent.
_ECHOED = (
    "vads_contrib",
    "vads_cust_country",
    "vads_cust_email",
    "vads_cust_first_name",
    "vads_cust_id",
    "vads_cust_last_name",
    "vads_cust_name",
    "vads_language",
    "vads_order_info",
    "vads_order_info2",
    "vads_order_info3",
    "vads_user_info",
)

#: The shop's own fields, which come back whatever their names.
_OWN_FIELDS = "vads_ext_info_"


def notification(
    page: Page, payment: Payment, source: Source, shop: Shop, *, is_forged: bool = False
) -> dict[str, str]:
    """Return the signed fields that the bank posts to the shop.

    :param is_forged: sign with a key that is not the shop's, as a scenario wants.
    """
    told = {"vads_hash": payment.hash, "vads_url_check_src": str(source)}
    return signed({**_facts(page, payment), **told}, f"not {shop.key}" if is_forged else shop.key)


def returned(page: Page, payment: Payment, shop: Shop) -> dict[str, str]:
    """Return the signed fields that the payer's browser brings back to the shop."""
    return signed(_facts(page, payment), shop.key)


def return_link(page: Page, payment: Payment, shop: Shop) -> str:
    """Return the address that takes the payer back, with the fields if the shop wants them."""
    address = page.return_address
    if page.return_mode != "GET":
        return address
    address, hash_mark, fragment = address.partition("#")
    joint = "&" if "?" in address else "?"
    return f"{address}{joint}{urlencode(returned(page, payment, shop))}{hash_mark}{fragment}"


def bank_moment(moment: float) -> str:
    """Write a moment as the bank does: fourteen digits, UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y%m%d%H%M%S")


def _facts(page: Page, payment: Payment) -> dict[str, str]:
    facts = {**_what_was_asked(page, payment), **_what_came_of_it(payment)}
    if payment.status is not Status.ABANDONED:
        facts |= _what_the_payer_s_bank_said(payment)
    return facts


def _what_was_asked(page: Page, payment: Payment) -> dict[str, str]:
    sent = page.fields
    echoed = {name: value for name, value in sent.items() if name in _ECHOED or name.startswith(_OWN_FIELDS)}
    return echoed | {
        "vads_action_mode": sent["vads_action_mode"],
        "vads_amount": str(payment.amount),
        "vads_capture_delay": sent.get("vads_capture_delay") or "0",
        "vads_ctx_mode": sent["vads_ctx_mode"],
        "vads_currency": sent["vads_currency"],
        "vads_order_id": sent["vads_order_id"],
        "vads_page_action": sent["vads_page_action"],
        "vads_payment_config": sent["vads_payment_config"],
        "vads_site_id": sent["vads_site_id"],
        "vads_trans_date": sent["vads_trans_date"],
        "vads_trans_id": sent["vads_trans_id"],
        "vads_validation_mode": sent.get("vads_validation_mode") or "0",
        "vads_version": sent["vads_version"],
    }


def _what_came_of_it(payment: Payment) -> dict[str, str]:
    moment = bank_moment(payment.created_at)
    return {
        "vads_auth_mode": "FULL",
        "vads_auth_number": payment.auth_number,
        "vads_card_brand": "VISA" if payment.card else "",
        "vads_card_number": payment.card,
        "vads_effective_amount": str(payment.amount),
        "vads_effective_creation_date": moment,
        "vads_effective_currency": "978",
        "vads_extra_result": "",
        "vads_operation_type": payment.operation,
        "vads_payment_certificate": payment.certificate,
        "vads_payment_src": "EC",
        "vads_presentation_date": moment,
        "vads_result": payment.result,
        "vads_trans_status": payment.status,
        "vads_trans_uuid": payment.uuid,
        "vads_warranty_result": "YES" if payment.takes else "",
    }


def _what_the_payer_s_bank_said(payment: Payment) -> dict[str, str]:
    """Return what only a payment with a card has.

    An abandoned one has neither ``vads_auth_result`` nor ``vads_sequence_number``.
    """
    return {
        "vads_auth_result": payment.auth_result or "",
        "vads_card_country": "FR",
        "vads_expiry_month": str(payment.expiry_month),
        "vads_expiry_year": str(payment.expiry_year),
        "vads_sequence_number": str(payment.sequence),
        "vads_threeds_auth_type": "CHALLENGE" if payment.authentication == "FAILED" else payment.authentication,
        "vads_threeds_cavvAlgorithm": "2",
        "vads_threeds_eci": "05",
        "vads_threeds_enrolled": "Y",
        "vads_threeds_error_code": "",
        "vads_threeds_exit_status": "10",
        "vads_threeds_sign_valid": "1",
        "vads_threeds_status": "N" if payment.authentication == "FAILED" else "Y",
    }
