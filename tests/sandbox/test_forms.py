"""The form that a shop posts: what the bank takes, and each fault by its number."""

import contextlib
import logging
import re
from decimal import Decimal

import eopayment
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevres_familles.sandbox.bank.forms import FormRefused, is_on_loopback, read_fields
from tests.sandbox.running import KEY, SITE_ID, Bank, ask
from tests.sandbox.shop import Shop, moment, opened


def refusal(bank: Bank, form: dict[str, str]) -> str:
    answer = ask(bank.form_url, "POST", form)
    assert answer.status == 400
    assert "Rien n’a été débité" in answer.text
    found = re.search(r"erreur (\d\d)</h2>", answer.text)
    assert found
    return found[1]


def test_opens_a_page_at_an_address_nobody_can_guess(bank: Bank, shop: Shop):
    first, second = opened(bank, shop.form()), opened(bank, shop.form())

    tokens = {address.removeprefix(f"{bank.url}/paiements/") for address in (first, second)}
    assert len(tokens) == 2
    assert all(len(token) == 32 for token in tokens)


def test_takes_the_form_that_eopayment_makes(bank: Bank, shop: Shop):
    logging.getLogger("eopayment").setLevel(logging.INFO)
    payment = eopayment.Payment(
        "systempayv2",
        {
            "service_url": bank.form_url,
            "vads_site_id": SITE_ID,
            "vads_ctx_mode": "TEST",
            "secret_test": KEY,
            "signature_algo": "hmac_sha256",
            "normal_return_url": f"{shop.url}/retour",
            "automatic_return_url": f"{shop.url}/ipn",
        },
    )
    _, kind, form = payment.request(
        Decimal("60.00"), orderid="P-7KQ4M2XDN", transaction_id="P7KQ4M2XDN", email="pierre@exemple.fr"
    )

    page = ask(opened(bank, {field["name"]: field["value"] for field in form.fields}))

    assert kind == eopayment.FORM
    assert form.url == bank.form_url
    assert "P-7KQ4M2XDN" in page.text
    assert "60,00\N{NO-BREAK SPACE}€" in page.text


@pytest.mark.parametrize(
    ("number", "changes"),
    [
        ("01", {"vads_version": "V1"}),
        ("01", {"vads_version": None}),
        ("02", {"vads_site_id": "87654321"}),
        ("11", {"vads_ctx_mode": "PRODUCTION"}),
        ("03", {"vads_trans_id": "12345"}),
        ("03", {"vads_trans_id": "12-456"}),
        ("03", {"vads_trans_id": "900000"}),
        ("03", {"vads_trans_id": "999999"}),
        ("04", {"vads_trans_date": "20260101"}),
        ("04", {"vads_trans_date": "20261399999999"}),
        ("05", {"vads_validation_mode": "2"}),
        ("06", {"vads_capture_delay": "demain"}),
        ("07", {"vads_payment_config": "MULTI"}),
        ("09", {"vads_amount": "0"}),
        ("09", {"vads_amount": "000"}),
        ("09", {"vads_amount": "-6000"}),
        ("09", {"vads_amount": "60.00"}),
        ("09", {"vads_amount": "1234567890123"}),
        ("09", {"vads_amount": None}),
        ("10", {"vads_currency": "840"}),
        ("13", {"vads_order_id": "P 1"}),
        ("13", {"vads_order_id": ""}),
        ("13", {"vads_order_id": "P" * 65}),
        ("28", {"vads_url_return": None}),
        ("28", {"vads_url_return": "https://exemple.fr/retour"}),
        ("33", {"vads_url_check": "http://192.0.2.1/ipn"}),
        ("46", {"vads_page_action": "REGISTER"}),
        ("47", {"vads_action_mode": "SILENT"}),
        ("48", {"vads_return_mode": "PUT"}),
    ],
)
def test_names_the_field_at_fault_by_the_bank_s_number(
    bank: Bank, shop: Shop, number: str, changes: dict[str, str | None]
):
    assert refusal(bank, shop.form(**changes)) == number


@pytest.mark.parametrize("minutes", [-61, 61])
def test_refuses_a_form_of_another_hour(bank: Bank, shop: Shop, minutes: int):
    assert refusal(bank, shop.form(vads_trans_date=moment(minutes=minutes))) == "04"


def test_takes_a_form_made_half_an_hour_ago(bank: Bank, shop: Shop):
    assert opened(bank, shop.form(vads_trans_date=moment(minutes=-30)))


def test_refuses_a_form_changed_after_it_was_signed(bank: Bank, shop: Shop):
    assert refusal(bank, {**shop.form(), "vads_amount": "1"}) == "00"


def test_refuses_a_field_added_after_it_was_signed(bank: Bank, shop: Shop):
    assert refusal(bank, {**shop.form(), "vads_cust_email": "autre@exemple.fr"}) == "00"


def test_looks_at_the_signature_before_all(bank: Bank, shop: Shop):
    assert refusal(bank, {**shop.form(vads_version="V1"), "signature": "x"}) == "00"


def test_refuses_a_transaction_used_before_on_the_same_day(bank: Bank, shop: Shop):
    opened(bank, shop.form(vads_trans_id="abcDEF"))

    assert refusal(bank, shop.form(vads_trans_id="ABCdef")) == "03"


def test_refuses_a_field_that_is_there_twice(bank: Bank):
    answer = ask(bank.form_url, "POST", b"vads_amount=1&vads_amount=2&signature=x")

    assert answer.status == 400


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=%ff", b"", b"&".join(b"f%d=" % n for n in range(201))])
def test_refuses_what_it_cannot_read(bank: Bank, body: bytes):
    answer = ask(bank.form_url, "POST", body)

    assert answer.status == 400
    assert "erreur 00" in answer.text


@given(st.binary(max_size=300))
def test_reads_or_refuses_any_body(body: bytes):
    with contextlib.suppress(FormRefused):
        assert all(isinstance(value, str) for value in read_fields(body).values())


@pytest.mark.parametrize(
    "address",
    [
        "http://localhost:6543/retour",
        "https://127.0.0.1/ipn?a=b&c=%20",
        "http://[::1]:8080/",
        "http://127.0.0.2",
    ],
)
def test_leads_to_this_machine(address: str):
    assert is_on_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ftp://localhost/",
        "javascript:alert(1)",
        "//localhost/",
        "http://exemple.fr/",
        "http://localhost.exemple.fr/",
        "http://localhost@exemple.fr/",
        "http://exemple.fr\\@localhost/",
        "http://localhost:99999/",
        "http://10.0.0.1/",
        "http://127.0.0.1.exemple.fr/",
        "http://127.999.0.1/",
        "http://0.0.0.0/",
        "http://localhost/\r\nX: y",
        "http://localhost/ b",
        "http://localhost/é",
        "http://localhost/<script>",
        "http://localhost/" + "a" * 1100,
    ],
)
def test_leads_nowhere_else(address: str):
    assert not is_on_loopback(address)
