"""The bank's own signature code, against vectors that were made elsewhere."""

import pytest

from sevres_familles.sandbox.bank.signature import is_signed, sign, signed

KEY = "1122334455667788"

#: The example of the bank's guide to its payment form, with its signature.
EXAMPLE = {
    "vads_action_mode": "INTERACTIVE",
    "vads_amount": "5124",
    "vads_ctx_mode": "TEST",
    "vads_currency": "978",
    "vads_page_action": "PAYMENT",
    "vads_payment_config": "SINGLE",
    "vads_site_id": "12345678",
    "vads_trans_date": "20170129130025",
    "vads_trans_id": "123456",
    "vads_version": "V2",
}
EXAMPLE_SIGNATURE = "ycA5Do5tNvsnKdc/eP1bj2xa19z9q3iWPy9/rpesfS0="


def test_signs_the_example_of_the_guide():
    assert sign(EXAMPLE, KEY) == EXAMPLE_SIGNATURE


def test_signs_in_the_order_of_names_whatever_the_order_of_the_form():
    assert sign(dict(reversed(EXAMPLE.items())), KEY) == EXAMPLE_SIGNATURE


def test_leaves_out_fields_that_are_not_the_bank_s():
    assert sign({**EXAMPLE, "pay": "Payer", "signature": "x"}, KEY) == EXAMPLE_SIGNATURE


def test_signs_accents_as_utf_8():
    assert sign({"vads_cust_name": "Élodie"}, KEY) != sign({"vads_cust_name": "Elodie"}, KEY)


def test_knows_its_own_signature():
    assert is_signed(signed(EXAMPLE, KEY), KEY)


@pytest.mark.parametrize("signature", ["", "x", "é", EXAMPLE_SIGNATURE.lower(), EXAMPLE_SIGNATURE + " "])
def test_knows_a_wrong_signature(signature: str):
    assert not is_signed({**EXAMPLE, "signature": signature}, KEY)


def test_takes_no_form_without_a_signature():
    assert not is_signed(EXAMPLE, KEY)


def test_takes_no_signature_of_another_key():
    assert not is_signed(signed(EXAMPLE, "8877665544332211"), KEY)
