"""The bank's door, through the real application."""

from urllib.parse import urlencode

import pytest

from sevres_familles.domain.payment import PaymentState
from tests import factories
from tests.payments.making import body_of, fields_of, opened, refused, sign

DOOR = "/paiements/notifications/systempay"
BANK = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def key(registry):
    settings = registry.settings_of_portal
    return settings.read_secret(settings.bank_key_file).decode()


@pytest.fixture
def reference(stored, registry):
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        return opened(portal, registry).reference


@pytest.fixture
def tell(browser, key, stored, reference):
    """Tell the portal what a bank would: fields made from the payment."""

    def tell(make=fields_of, status=200, origin=BANK, **overrides):
        with stored() as portal:
            body = body_of(make(portal["paiements"][reference], **overrides), key)
        return browser.post(
            DOOR, body, extra_environ=origin, status=status, content_type="application/x-www-form-urlencoded"
        )

    return tell


def look(stored, reference):
    with stored() as portal:
        payment = portal["paiements"][reference]
        return payment.state, len(payment.receipts), len(payment.evidence)


def database_of(registry):
    storage = registry._zodb_databases[""].storage
    return storage.lastTransaction()


def test_an_acceptance_is_booked_and_answered_200(tell, stored, reference):
    tell()

    assert look(stored, reference) == (PaymentState.ACCEPTED, 1, 1)


def test_told_again_is_answered_200_and_changes_nothing(tell, stored, reference):
    tell()

    assert tell().text == "duplicate"
    assert look(stored, reference) == (PaymentState.ACCEPTED, 1, 1)


def test_a_refusal_frees_the_invoice(tell, stored, reference):
    tell(refused)

    assert look(stored, reference) == (PaymentState.REFUSED, 0, 1)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"origin": {"REMOTE_ADDR": "192.0.2.9"}}, 403),
        ({"ctx_mode": "PRODUCTION"}, 403),
        ({"site_id": "11111111"}, 403),
        ({"hash": None}, 400),
    ],
)
def test_what_is_not_authentic_is_refused_and_writes_nothing(tell, registry, stored, reference, arguments, status):
    before = database_of(registry)

    tell(status=status, **arguments)

    assert database_of(registry) == before
    assert look(stored, reference) == (PaymentState.REDIRECTED, 0, 0)


def test_a_wrong_signature_is_refused(browser, stored, reference, key):
    with stored() as portal:
        fields = fields_of(portal["paiements"][reference])
    body = urlencode({**fields, "signature": sign(fields, "another key")})

    browser.post(DOOR, body, extra_environ=BANK, status=403)

    assert look(stored, reference) == (PaymentState.REDIRECTED, 0, 0)


@pytest.mark.parametrize(
    "change", [{"surprise": "x"}, {"auth_result": "05"}, {"currency": "840"}, {"trans_status": "ACCEPTED"}]
)
def test_what_is_authentic_but_unclear_is_kept_answered_200_and_the_bank_is_asked(
    tell, stored, reference, clock, change
):
    assert tell(**change).text == "quarantined"

    assert look(stored, reference) == (PaymentState.REDIRECTED, 0, 1)
    with stored() as portal:
        assert portal["paiements"].to_ask[reference] == clock.now()


@pytest.mark.parametrize(
    ("change", "is_asked"),
    [
        ({"order_id": "P-22222222X"}, False),
        ({"order_id": "a b"}, False),
        ({"trans_id": "zzzzzz"}, True),
        ({"trans_date": "20200101000000"}, True),
    ],
)
def test_an_order_that_we_did_not_send_so_is_set_aside_with_an_alert(tell, stored, reference, clock, change, is_asked):
    """The bank is asked about a payment of ours whose number or date are not those that we sent."""
    assert tell(**change).text == "set aside"

    assert look(stored, reference) == (PaymentState.REDIRECTED, 0, 0)
    with stored() as portal:
        (alert,) = portal.stores["alerts"].values()
        assert alert.reference == {"P-22222222X": "P-22222222X", "a b": ""}.get(change.get("order_id"), reference)
        assert (portal["paiements"].to_ask[reference] == clock.now()) is is_asked


def test_an_amount_that_differs_is_allocated_with_an_alert(tell, stored, reference):
    tell(amount="5000", effective_amount="5000")

    with stored() as portal:
        invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
        assert invoice.left().cents == 1000
        assert len(portal.stores["alerts"]) == 1


def test_the_door_cannot_be_looked_through(browser):
    assert browser.get(DOOR, status=303).location.startswith("http://localhost/connexion")


def test_nothing_of_the_message_is_logged(tell, caplog):
    with caplog.at_level("DEBUG"):
        tell(status=403, ctx_mode="PRODUCTION")
        tell()

    assert "497010" not in caplog.text
    assert "dupond" not in caplog.text
