"""F11: the bank is asked, and is silent, broken, somebody else, or speaks in words that nobody knows."""

import json
import ssl
from datetime import timedelta

import pytest
import trustme

from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import ask_all
from tests import factories
from tests.conftest import make_app, portal_stored
from tests.faults.restdoor import open_door
from tests.payments.making import AT, SITE, opened

PAID = {"operationType": "DEBIT", "detailedStatus": "AUTHORISED", "amount": 6000, "currency": "EUR", "uuid": "u1"}


def answer(*transactions, shop=SITE, order=None):
    """Make what the bank knows of an order."""
    return lambda asked: {
        "shopId": shop,
        "orderDetails": {"orderId": order or asked},
        "transactions": list(transactions),
    }


def whole(*transactions):
    told = answer(*transactions)("P-AAAAAAAAA")
    return json.dumps({"status": "SUCCESS", "answer": told}).encode()


#: Every way of not being told: none says what became of the money.
BAD = {
    "hangs up": lambda door: door.closes,
    "never answers": lambda door: door.hangs,
    "is not HTTP": lambda door: door.babbles,
    "500": lambda door: door.writes(b"oops", "500 Internal Server Error"),
    "503 in JSON": lambda door: door.writes(b'{"status": "SUCCESS", "answer": {}}', "503 Service Unavailable"),
    "401": lambda door: door.writes(b'{"status": "ERROR", "answer": {"errorCode": "INT_905"}}', "401 Unauthorized"),
    "leads elsewhere": lambda door: door.writes(b"", "302 Found", more="Location: http://127.0.0.1:9/\r\n"),
    "half an answer": lambda door: door.writes(whole(PAID)[:80], length=len(whole(PAID))),
    "half an answer, well closed": lambda door: door.writes(whole(PAID)[:80]),
    "nothing": lambda door: door.writes(b""),
    "a page": lambda door: door.writes(b"<html>maintenance</html>"),
    "no object": lambda door: door.writes(b"[]"),
    "another error than « unknown »": lambda door: door.writes(
        b'{"status": "ERROR", "answer": {"errorCode": "INT_999"}}'
    ),
    "about another order": lambda door: door.says(answer(PAID, order="P-ZZZZZZZZZ")),
    "about another shop": lambda door: door.says(answer(PAID, shop="99999999")),
    "an amount that is no number": lambda door: door.says(answer({**PAID, "amount": "soixante"})),
    "an amount below zero": lambda door: door.says(answer({**PAID, "amount": -6000})),
    "no amount": lambda door: door.says(answer({**PAID, "amount": 0})),
    "parts of a cent": lambda door: door.says(answer({**PAID, "amount": 6000.5})),
    "a payment without its number": lambda door: door.says(answer({**PAID, "uuid": None})),
    "a payment whose number is empty": lambda door: door.says(answer({**PAID, "uuid": ""})),
    "of another mode": lambda door: door.says(
        lambda asked: {**answer(PAID)(asked), "orderDetails": {"orderId": asked, "mode": "PRODUCTION"}}
    ),
    "no word of transactions": lambda door: door.says(
        lambda asked: {"shopId": SITE, "orderDetails": {"orderId": asked}}
    ),
    "null transactions": lambda door: door.says(lambda asked: {**answer()(asked), "transactions": None}),
    "details that are a word": lambda door: door.says(lambda asked: {**answer(PAID)(asked), "orderDetails": asked}),
    "a transaction that is no object": lambda door: door.says(answer("AUTHORISED")),
    "transactions that are no list": lambda door: door.says(
        lambda asked: {**answer()(asked), "transactions": {"uuid": "u1"}}
    ),
}
#: Answers in the bank's form, whose words nobody knows: « à vérifier ».
STRANGE = {
    "an unknown status": {**PAID, "detailedStatus": "SETTLED_SOMEHOW"},
    "an unknown operation": {**PAID, "operationType": "LOYALTY"},
    "another currency": {**PAID, "currency": "USD"},
    "a verification": {**PAID, "detailedStatus": "ACCEPTED", "operationType": "VERIFICATION"},
}


@pytest.fixture
def door():
    with open_door() as door:
        yield door


@pytest.fixture
def registry(ini, clock, door):
    clock.moment = AT
    app = make_app({**ini, "sevres.bank_rest_url": door.url, "sevres.bank_timeout": "1"}, clock)
    yield app.registry
    for database in app.registry._zodb_databases.values():
        database.close()


@pytest.fixture
def reference(registry):
    with portal_stored(registry) as portal:
        factories.store_invoice(factories.store_family(portal))
        return opened(portal, registry).reference


def look(registry, reference):
    with portal_stored(registry) as portal:
        payment = portal["paiements"][reference]
        account = payment.account
        entries = len(account.cash.entries) if account.cash else 0
        return payment.state, entries, account["2026-9161"].open_payment, portal["paiements"].to_ask.get(reference)


@pytest.mark.parametrize("fault", BAD)
def test_whatever_is_no_answer_changes_nothing_and_is_asked_again(registry, reference, door, clock, fault):
    door.behave = BAD[fault](door)
    clock.advance(seconds=31)

    ask_all(registry)
    first = look(registry, reference)
    clock.advance(hours=3)  # its page has long died
    ask_all(registry)

    assert first == (PaymentState.REDIRECTED, 0, reference, AT + timedelta(seconds=91))
    assert look(registry, reference) == (PaymentState.REDIRECTED, 0, reference, clock.now() + timedelta(minutes=1))
    assert len(door.asked) == 2
    with portal_stored(registry) as portal:
        (alert,) = portal.stores["alerts"].values()
        assert "la banque ne répond pas à son sujet" in alert.text

    door.behave = door.says(answer(PAID))
    while look(registry, reference)[3] and clock.now() < AT + timedelta(hours=4):
        clock.advance(minutes=1)
        ask_all(registry)
    assert look(registry, reference) == (PaymentState.ACCEPTED, 1, None, None)


@pytest.mark.parametrize("words", STRANGE)
def test_words_that_nobody_knows_are_looked_into_never_taken_for_an_end(registry, reference, door, clock, words):
    door.behave = door.says(answer(STRANGE[words]))
    for hours in (0.1, 3, 24, 48):
        clock.advance(hours=hours)
        ask_all(registry)
        state, entries, shield, next_ask = look(registry, reference)
        assert (state, entries, shield) == (PaymentState.REDIRECTED, 0, reference)
        assert next_ask > clock.now()
    with portal_stored(registry) as portal:
        assert [alert.reference for alert in portal.stores["alerts"].values()] == [reference]

    door.behave = door.says(answer({**PAID, "uuid": "u2"}))
    clock.advance(days=1)
    ask_all(registry)
    assert look(registry, reference)[:3] == (PaymentState.ACCEPTED, 1, None)


def test_a_bank_that_is_not_there_at_all_is_asked_again(ini, clock):
    clock.moment = AT
    app = make_app({**ini, "sevres.bank_rest_url": "http://127.0.0.1:9/", "sevres.bank_timeout": "1"}, clock)
    with portal_stored(app.registry) as portal:
        factories.store_invoice(factories.store_family(portal))
        reference = opened(portal, app.registry).reference
    clock.advance(hours=1)

    ask_all(app.registry)

    assert look(app.registry, reference)[:3] == (PaymentState.REDIRECTED, 0, reference)


@pytest.mark.parametrize("whose", ["an unknown authority", "another host"])
def test_a_certificate_that_is_not_the_bank_s_closes_the_door(ini, clock, monkeypatch, tmp_path, whose):
    authority, stranger = trustme.CA(), trustme.CA()
    issuer = stranger if whose == "an unknown authority" else authority
    certificate = issuer.issue_cert("banque.example" if whose == "another host" else "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    trusted = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    clock.moment = AT
    with open_door(context) as door:
        door.behave = door.says(answer(PAID))
        app = make_app({**ini, "sevres.bank_rest_url": door.url, "sevres.bank_timeout": "2"}, clock)
        with portal_stored(app.registry) as portal:
            factories.store_invoice(factories.store_family(portal))
            reference = opened(portal, app.registry).reference
        clock.advance(hours=1)

        ask_all(app.registry)

        assert door.asked == []  # nor did our password leave
        assert look(app.registry, reference)[:3] == (PaymentState.REDIRECTED, 0, reference)


def test_the_right_certificate_opens_it(ini, clock, monkeypatch, tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusted = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(trusted))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    clock.moment = AT
    with open_door(context) as door:
        door.behave = door.says(answer(PAID))
        app = make_app({**ini, "sevres.bank_rest_url": door.url, "sevres.bank_timeout": "2"}, clock)
        with portal_stored(app.registry) as portal:
            factories.store_invoice(factories.store_family(portal))
            reference = opened(portal, app.registry).reference
        clock.advance(minutes=1)

        ask_all(app.registry)

        assert look(app.registry, reference)[:2] == (PaymentState.ACCEPTED, 1)
