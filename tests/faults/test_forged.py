"""F10: what does not come from the bank, or not as it says, books nothing, is logged, and sets off no storm."""

import logging
from urllib.parse import parse_qsl, urlencode

import pytest
from webtest import TestRequest

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import ask_all
from sevres_familles.payments.checking import verify_portal
from tests import factories
from tests.conftest import browser_of, make_app, portal_stored
from tests.faults.effort import runs
from tests.faults.restdoor import open_door
from tests.payments.making import AT, KEY, body_of, fields_of, gateway, opened, sign

DOOR = "/paiements/notifications/systempay"
FORM = "application/x-www-form-urlencoded"
BANK = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def rest():
    with open_door() as door:
        yield door


@pytest.fixture
def registry(ini, clock, rest, tmp_path):
    secrets = tmp_path / "var" / "secrets"
    secrets.mkdir(mode=0o700, parents=True)
    (secrets / "bank.key").touch(mode=0o600)
    (secrets / "bank.key").write_text(KEY)
    clock.moment = AT
    app = make_app({**ini, "sevres.bank_rest_url": rest.url}, clock)
    app.registry.browser = browser_of(app)
    yield app.registry
    for database in app.registry._zodb_databases.values():
        database.close()


@pytest.fixture
def payments(registry):
    """Two families that left for the bank, each to pay another régie."""
    with portal_stored(registry) as portal:
        references = []
        for code, regie, cents in (("26719", "scolaire", 6000), ("31415", "beauregard", 2500)):
            family = factories.store_family(portal, code)
            factories.store_invoice(family, factories.facts(amount=Money(cents)), regie=regie)
            references.append(opened(portal, registry, code=code, regie=regie).reference)
        return references


@pytest.fixture
def post(registry):
    """Post to the bank's door, and give the answer."""

    def post(body, origin=BANK, **more):
        return registry.browser.post(DOOR, body, extra_environ=origin, content_type=FORM, expect_errors=True, **more)

    return post


def fields(registry, reference, **overrides):
    with portal_stored(registry) as portal:
        return fields_of(portal["paiements"][reference], **overrides)


def untouched(registry, references):
    with portal_stored(registry) as portal:
        for reference in references:
            payment = portal["paiements"][reference]
            assert (payment.state, len(payment.posted), len(payment.receipts)) == (PaymentState.REDIRECTED, 0, 0), (
                reference
            )
            assert not payment.account.cash or not payment.account.cash.entries
        assert verify_portal(portal).faults == ()
    return True


class TestNotFromTheBank:
    @pytest.fixture
    def refused(self, registry, payments, post, rest, caplog):
        """Post what must be refused: the status is given, nothing is booked, the log tells, the bank is not asked."""

        def refused(body, origin=BANK):
            with portal_stored(registry) as portal:
                before = dict(portal["paiements"].to_ask)
            with caplog.at_level(logging.WARNING):
                answer = post(body, origin)
            assert "Refused a notification" in caplog.text
            assert untouched(registry, payments)
            with portal_stored(registry) as portal:
                assert dict(portal["paiements"].to_ask) == before
            assert rest.asked == []
            return answer.status_int

        return refused

    def test_unsigned(self, registry, payments, refused):
        assert refused(urlencode(fields(registry, payments[0])).encode()) == 403

    def test_signed_with_another_key(self, registry, payments, refused):
        assert refused(body_of(fields(registry, payments[0]), "f" * 64)) == 403

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": "1"}, {"effective_amount": "1"}, {"order_id": "P-ZZZZZZZZZ"}, {"trans_status": "CAPTURED"},
            {"site_id": "99999999"}, {"trans_uuid": "u2"}, {"currency": "840"}, {"result": "05"},
        ],
    )  # fmt: skip
    def test_changed_after_it_was_signed(self, registry, payments, refused, change):
        told = fields(registry, payments[0])
        signature = sign(told)
        changed = told | {f"vads_{name}": value for name, value in change.items()}

        assert refused(urlencode({**changed, "signature": signature}).encode()) == 403

    def test_of_another_shop_rightly_signed(self, registry, payments, refused):
        assert refused(body_of(fields(registry, payments[0], site_id="99999999"))) == 403

    def test_what_the_browser_brought_back_posted_as_the_bank_s(self, registry, payments, refused):
        assert refused(body_of(fields(registry, payments[0], hash=None, url_check_src=None))) == 400

    @pytest.mark.parametrize("origin", ["192.0.2.7", "::1", "not an address"])
    def test_from_another_address(self, registry, payments, refused, origin):
        assert refused(body_of(fields(registry, payments[0])), {"REMOTE_ADDR": origin}) == 403

    def test_said_to_come_from_the_bank_by_a_header(self, registry, payments, refused):
        origin = {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_FORWARDED_FOR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"}

        assert refused(body_of(fields(registry, payments[0])), origin) == 403

    def test_with_more_names_than_they_have(self, registry, payments, refused):
        told = body_of(fields(registry, payments[0]))
        assert refused(told + b"".join(b"&a%d" % number for number in range(400)) + b"=1") == 400

    def test_a_name_twice(self, registry, payments, refused):
        assert refused(body_of(fields(registry, payments[0])) + b"&vads_amount=1") == 400

    @pytest.mark.parametrize(
        "body", [b"", b"\xff\xfe", b"=" * 5000, b"x" * 9_000, b"%", b"a=%00&signature=" + b"A" * 44]
    )
    def test_nothing_that_is_a_form_of_theirs(self, refused, body):
        assert refused(body) in (400, 403)


class TestUnread:
    def test_ten_megabytes_are_refused_unread(self, registry, payments, post, rest):
        answer = post(body_of(fields(registry, payments[0])) + b"&x=" + b"x" * 10_000_000)

        assert answer.status_int == 413
        assert untouched(registry, payments)
        assert rest.asked == []

    def test_more_names_than_a_form_of_ours_ever_has_are_refused(self, registry, payments, post):
        answer = post(b"&".join(b"n%d=1" % number for number in range(10_000)))

        assert answer.status_int in (400, 413)
        assert untouched(registry, payments)

    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
    def test_another_method_than_post_does_nothing(self, registry, payments, method):
        told = body_of(fields(registry, payments[0])).decode()
        asked = TestRequest.blank(f"{DOOR}?{told}", method=method, environ=BANK | {"HTTP_HOST": "localhost"})
        answer = registry.browser.do_request(asked, expect_errors=True)

        assert answer.status_int in (303, 404, 405)  # a visitor who is signed out is led to the door
        assert untouched(registry, payments)


class TestRightlySigned:
    """The key was stolen, or the bank errs: what it says is not what we sent."""

    def test_an_order_that_we_never_sent_books_nothing_and_is_told_to_staff(self, registry, payments, post, rest):
        answer = post(body_of(fields(registry, payments[0], order_id="P-ZZZZZZZZZ")))

        assert (answer.status_int, answer.text) == (200, "set aside")
        assert untouched(registry, payments)
        with portal_stored(registry) as portal:
            (alert,) = portal.stores["alerts"].values()
            assert "commande inconnue" in alert.text
        assert rest.asked == []

    @pytest.mark.parametrize("which", ["trans_id", "trans_date"])
    def test_the_number_of_another_regie_s_payment_books_nothing_anywhere(self, registry, payments, post, which):
        with portal_stored(registry) as portal:
            other = portal["paiements"][payments[1]].order
        stolen = {"trans_id": other.transaction_id, "trans_date": "20200101000000"}[which]

        answer = post(body_of(fields(registry, payments[0], **{which: stolen})))

        assert (answer.status_int, answer.text) == (200, "set aside")
        assert untouched(registry, payments)

    def test_a_test_message_in_production_is_refused(self, registry, payments, post, caplog):
        told = fields(registry, payments[0])
        registry.gateways = {"systempay": gateway(mode="PRODUCTION", keys=("e" * 64,))}
        with caplog.at_level(logging.WARNING):
            by_test_key = post(body_of(told))
            dressed_up = post(body_of(told | {"vads_ctx_mode": "PRODUCTION"}))
            by_our_key = post(body_of(told, "e" * 64))

        assert [each.status_int for each in (by_test_key, dressed_up, by_our_key)] == [403] * 3
        assert caplog.text.count("Refused a notification: mode") == 2
        assert caplog.text.count("Refused a notification: signature") == 1
        assert untouched(registry, payments)

    def test_another_amount_is_what_the_bank_took_no_more_and_staff_are_told(self, registry, payments, post):
        post(body_of(fields(registry, payments[0], amount="100", effective_amount="100")))

        with portal_stored(registry) as portal:
            payment = portal["paiements"][payments[0]]
            assert sum(fact.amount.cents for fact in payment.posted) == 100
            assert payment.account["2026-9161"].left() == Money(5900)
            assert [alert.reference for alert in portal.stores["alerts"].values()] == [payments[0]]
            assert verify_portal(portal).faults == ()
        assert untouched(registry, payments[1:])


def test_a_flood_sets_off_no_storm_at_the_bank(registry, post, rest, clock):
    """Payments that are all to be asked about at once, and messages that nobody signed: ten questions a second."""
    with portal_stored(registry) as portal:
        family = factories.store_family(portal)
        count = runs(short=25, long=200)
        for number in range(count):
            factories.store_invoice(family, factories.facts(str(number)))
            opened(portal, registry, f"2026-{number}")
        references = list(portal["paiements"].to_ask)
    rest.behave = rest.says(lambda order: None)
    for reference in references * 3:
        assert post(urlencode(fields_of(order_id=reference)).encode()).status_int == 403
    assert rest.asked == []
    clock.advance(minutes=1)

    assert ask_all(registry) == count
    moments = [moment for _, moment in rest.asked]
    assert len(moments) == count
    assert max(sum(start <= each < start + 1 for each in moments) for start in moments) <= 10


def test_the_body_of_a_right_message_is_what_these_refusals_begin_with(registry, payments, post):
    body = body_of(fields(registry, payments[0]))
    assert len(parse_qsl(body.decode(), keep_blank_values=True)) < 40

    assert (post(body).status_int, post(body).text) == (200, "duplicate")
    with portal_stored(registry) as portal:
        assert portal["paiements"][payments[0]].state is PaymentState.ACCEPTED
