"""``Order/Get``: what the bank answers to the shop's own question."""

import json
from base64 import b64encode

import pytest

from tests.sandbox.running import REST_PASSWORD, SITE_ID, Bank, ask
from tests.sandbox.shop import ACCEPTED, CHALLENGED, LOST, REFUSED, Shop, opened, paid


@pytest.mark.parametrize("card", [ACCEPTED, LOST])
def test_tells_of_a_paid_order(bank: Bank, shop: Shop, card: str):
    form = shop.form()
    paid(bank, form, card)

    told = bank.order(form["vads_order_id"])

    answer = told["answer"]
    (transaction,) = answer["transactions"]
    details = transaction["transactionDetails"]
    date = form["vads_trans_date"]
    iso = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:]}+00:00"
    assert (told["status"], told["webService"], told["mode"]) == ("SUCCESS", "Order/Get", "TEST")
    assert (answer["shopId"], answer["orderId"], answer["_type"]) == (SITE_ID, form["vads_order_id"], "V4/Order")
    assert (answer["orderCycle"], answer["orderStatus"]) == ("CLOSED", "PAID")
    assert answer["orderDetails"]["orderId"] == form["vads_order_id"]
    assert transaction["uuid"] == bank.payment(form["vads_order_id"]).uuid
    assert (transaction["amount"], transaction["currency"]) == (6000, "EUR")
    assert (transaction["status"], transaction["detailedStatus"]) == ("PAID", "AUTHORISED")
    assert transaction["operationType"] == "DEBIT"
    assert details["sequenceNumber"] == 1
    assert details["cardDetails"]["pan"] == f"497010XXXXXX{card[-4:]}"
    assert details["cardDetails"]["legacyTransId"] == form["vads_trans_id"]
    assert details["cardDetails"]["legacyTransDate"] == iso
    assert details["cardDetails"]["paymentSource"] == "EC"
    assert details["cardDetails"]["authorizationResponse"]["amount"] == 6000
    assert details["cardDetails"]["authorizationResponse"]["authorizationResult"] == "0"
    assert len(details["cardDetails"]["authorizationResponse"]["authorizationNumber"]) == 6


def test_tells_of_a_refused_order(bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, REFUSED)

    answer = bank.order(form["vads_order_id"])["answer"]

    (transaction,) = answer["transactions"]
    authorization = transaction["transactionDetails"]["cardDetails"]["authorizationResponse"]
    assert answer["orderStatus"] == "UNPAID"
    assert (transaction["status"], transaction["detailedStatus"]) == ("UNPAID", "REFUSED")
    assert (authorization["authorizationResult"], authorization["authorizationNumber"]) == ("51", None)


def test_tells_of_every_page_opened_for_the_same_order(bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, REFUSED)
    paid(bank, shop.form(vads_order_id=form["vads_order_id"]), ACCEPTED)

    answer = bank.order(form["vads_order_id"])["answer"]

    assert answer["orderStatus"] == "PAID"
    assert [one["detailedStatus"] for one in answer["transactions"]] == ["REFUSED", "AUTHORISED"]


def not_found(bank: Bank, order_id: str) -> bool:
    told = bank.order(order_id)
    return (told["status"], told["answer"]["errorCode"]) == ("ERROR", "PSP_010")


def test_finds_nothing_while_nothing_came_of_the_page(bank: Bank, shop: Shop):
    form = shop.form()
    assert not_found(bank, form["vads_order_id"])

    address = opened(bank, form)
    assert not_found(bank, form["vads_order_id"])

    ask(address)
    assert not_found(bank, form["vads_order_id"])


def test_finds_nothing_while_the_code_is_awaited(bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, CHALLENGED)

    assert not_found(bank, form["vads_order_id"])


def test_finds_nothing_of_an_abandoned_page(bank: Bank, shop: Shop):
    form = shop.form()
    ask(f"{opened(bank, form)}/annuler", "POST", {})

    assert not_found(bank, form["vads_order_id"])


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic",
        "Basic ???",
        "Basic " + b64encode(f"{SITE_ID}:wrong".encode()).decode(),
        "Basic " + b64encode(f"87654321:{REST_PASSWORD}".encode()).decode(),
        "Bearer " + b64encode(f"{SITE_ID}:{REST_PASSWORD}".encode()).decode(),
    ],
)
def test_answers_nobody_else(bank: Bank, authorization: str):
    headers = {"Authorization": authorization}

    answer = ask(f"{bank.rest_url}Order/Get", "POST", b'{"orderId": "P-1"}', headers)

    told = json.loads(answer.body)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert (told["status"], told["answer"]["errorCode"]) == ("ERROR", "INT_905")
    assert "transactions" not in told["answer"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"orderId": 1}', b'{"orderId": ""}', b"\xff"])
def test_says_what_it_expects(bank: Bank, body: bytes):
    secret = b64encode(f"{SITE_ID}:{REST_PASSWORD}".encode()).decode()

    answer = ask(f"{bank.rest_url}Order/Get", "POST", body, {"Authorization": f"Basic {secret}"})

    assert json.loads(answer.body)["answer"]["errorCode"] == "INT_902"
