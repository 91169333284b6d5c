"""The gateway of SystemPay: the form it makes, each trap of eopayment closed, and what it reads of a notification."""

import logging
from datetime import timedelta
from urllib.parse import urlencode

import eopayment
import pytest

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.gateways import UnknownGateway
from sevres_familles.payments.gateways.port import BankUnreachable, NotAuthentic
from tests.payments.making import AT, KEY, body_of, fields_of, gateway, refused, sign

LOOPBACK = "127.0.0.1"


def read(fields, *, key=KEY, source=LOOPBACK, shop=None):
    return (shop or gateway()).read_notification(body_of(fields, key), source=source, at=AT)


def kind(**overrides):
    return read(fields_of(**overrides)).evidence.kind


def depart(shop=None, amount=Money(6000)):
    return (shop or gateway()).depart(
        "P-7KQ4M2XDN",
        amount,
        email="dupond@free.fr",
        return_url="http://localhost/paiements/P-7KQ4M2XDN/retour",
        notify_url="http://localhost/paiements/notifications/systempay/",
        at=AT,
    )


class TestKeys:
    def test_of_a_former_day_are_honoured_while_they_stand_in_the_file(self):
        changing = gateway(keys=("new key", KEY))

        assert read(fields_of(), shop=changing).evidence.kind is EvidenceKind.AUTHORISED
        assert read(fields_of(), key="new key", shop=changing).evidence.kind is EvidenceKind.AUTHORISED
        with pytest.raises(NotAuthentic, match="signature"):
            read(fields_of(), shop=gateway(keys=("new key",)))

    def test_the_first_signs_the_form(self):
        fields = dict(depart(gateway(keys=("new key", KEY))).form.fields)
        signature = fields.pop("signature")

        assert signature == sign(fields, "new key")


class TestTheForm:
    def test_is_signed_as_the_bank_signs(self):
        fields = dict(depart().form.fields)
        signature = fields.pop("signature")

        assert signature == sign(fields)

    def test_says_what_is_paid_and_where_to_come_back(self):
        fields = dict(depart().form.fields)

        expected = {
            "vads_amount": "6000",
            "vads_currency": "978",
            "vads_ctx_mode": "TEST",
            "vads_site_id": "12345678",
            "vads_order_id": "P-7KQ4M2XDN",
            "vads_trans_date": "20261123144000",
            "vads_return_mode": "GET",
            "vads_url_return": "http://localhost/paiements/P-7KQ4M2XDN/retour",
            "vads_url_check": "http://localhost/paiements/notifications/systempay/",
            "vads_cust_email": "dupond@free.fr",
        }
        assert expected.items() <= fields.items()

    def test_holds_the_key_nowhere(self):
        assert KEY not in repr(depart())

    @pytest.mark.parametrize("cents", [1, 10, 29, 1999, 999_999_999_999])
    def test_gives_every_cent(self, cents):
        assert dict(depart(amount=Money(cents)).form.fields)["vads_amount"] == str(cents)

    def test_sends_no_name_address_or_phone(self):
        """Trap 8: an address with a space, a phone with +33 raise."""
        names = {name for name, _ in depart().form.fields}

        assert not {each for each in names if each.startswith("vads_cust_")} - {"vads_cust_email", "vads_cust_country"}


class TestTheTraps:
    def test_1_a_bad_signature_is_refused(self):
        fields = fields_of()
        body = urlencode({**fields, "signature": sign({**fields, "vads_amount": "1"})}).encode()

        with pytest.raises(NotAuthentic, match="signature"):
            gateway().read_notification(body, source=LOOPBACK, at=AT)

    def test_1_eopayment_itself_says_paid(self):
        """What would happen without our check: if this ever fails, the trap is gone from the library."""
        body = urlencode({**fields_of(), "signature": "wrong"})
        speaker = eopayment.Payment("systempayv2", {"vads_site_id": "12345678", "secret_test": KEY})

        response = speaker.response(body)

        assert (response.result, response.signed) == (eopayment.PAID, False)

    def test_2_in_production_a_message_signed_with_the_test_key_is_refused(self):
        shop = gateway(mode="PRODUCTION", keys=("production" * 6,))

        with pytest.raises(NotAuthentic, match="mode"):
            read(fields_of(), shop=shop)

    def test_2_and_one_that_lies_about_its_mode_too(self):
        shop = gateway(mode="PRODUCTION", keys=("production" * 6,))

        with pytest.raises(NotAuthentic, match="signature"):
            read(fields_of(ctx_mode="PRODUCTION"), shop=shop)

    def test_3_another_shop_is_refused(self):
        with pytest.raises(NotAuthentic, match="site"):
            read(fields_of(site_id="87654321"))

    @pytest.mark.parametrize(
        "change",
        [
            {"currency": "840"},
            {"auth_result": "51"},
            {"auth_result": None},
            {"result": "05"},
            {"trans_status": "ACCEPTED"},
            {"trans_status": "HELLO"},
            {"amount": "0"},
            {"amount": "-1"},
            {"amount": "６０００"},
            {"effective_amount": "0"},
            {"effective_amount": "60.00"},
            {"effective_currency": "840"},
            {"trans_uuid": None},
            {"operation_type": "VERIFICATION"},
            {"operation_type": None},
            {"surprise": "1"},
        ],
    )
    def test_3_what_disagrees_or_is_unknown_is_unclear(self, change):
        assert kind(**change) is EvidenceKind.UNCLEAR

    def test_4_a_refund_is_no_payment(self):
        assert kind(operation_type="CREDIT", trans_uuid="u2") is EvidenceKind.CREDIT

    @pytest.mark.parametrize(
        ("status", "expected"),
        [
            ("AUTHORISED", EvidenceKind.AUTHORISED),
            ("CAPTURED", EvidenceKind.CAPTURED),
            ("UNDER_VERIFICATION", EvidenceKind.PENDING),
            ("WAITING_AUTHORISATION", EvidenceKind.PENDING),
            ("WAITING_AUTHORISATION_TO_VALIDATE", EvidenceKind.PENDING),
            ("AUTHORISED_TO_VALIDATE", EvidenceKind.PENDING),
            ("INITIAL", EvidenceKind.PENDING),
            ("SUSPENDED", EvidenceKind.PENDING),
            ("CANCELLED", EvidenceKind.VOIDED),
        ],
    )
    def test_4_each_status_is_what_the_bank_says(self, status, expected):
        assert kind(trans_status=status) is expected

    def test_5_the_return_of_the_browser_is_no_notification(self):
        """A signed refused return whose fields were renamed: it has no vads_hash."""
        with pytest.raises(NotAuthentic, match="vads_hash") as refusal:
            read(fields_of(hash=None, url_check_src=None))

        assert refusal.value.status == 400

    def test_5_renaming_the_fields_of_a_refused_return_makes_no_payment(self):
        """Values are signed, in the order of names: new names in the same order keep the signature right."""
        refusal = refused(hash=None, url_check_src=None)
        names, values = zip(*sorted(refusal.items()), strict=True)
        signature = sign(refusal)
        # Every place that could be renamed so that some other "00" becomes the result.
        for place, name in enumerate(names):
            renamed = [*names[:place], name + "_x", *names[place + 1 :]]
            if renamed != sorted(renamed):
                continue
            body = urlencode({**dict(zip(renamed, values, strict=True)), "signature": signature}).encode()
            with pytest.raises(NotAuthentic):
                gateway().read_notification(body, source=LOOPBACK, at=AT)

    def test_5_even_with_a_renamed_hash_it_is_unclear(self):
        fields = fields_of()
        fields["vads_resulu"] = fields.pop("vads_result")

        assert read(fields).evidence.kind is EvidenceKind.UNCLEAR

    @pytest.mark.parametrize("mode", ["", "DEMO", "test"])
    def test_6_an_unknown_mode_is_refused(self, mode):
        with pytest.raises(NotAuthentic, match="mode"):
            gateway().read_notification(body_of(fields_of(ctx_mode=mode)), source=LOOPBACK, at=AT)

    def test_6_an_unknown_mode_of_ours_does_not_start(self):
        with pytest.raises(ValueError, match="DEMO"):
            gateway(mode="DEMO")

    def test_6_an_abandonment_has_no_authorisation(self):
        notice = read(
            fields_of(trans_status="ABANDONED", result="17", auth_result=None, sequence_number=None, trans_uuid=None)
        )

        assert notice.evidence.kind is EvidenceKind.ABANDONED

    def test_7_the_key_is_never_logged(self, caplog):
        logging.getLogger("eopayment").setLevel(logging.DEBUG)
        with caplog.at_level(logging.DEBUG):
            depart()
            read(fields_of())

        assert KEY not in caplog.text

    def test_9_gateways_that_trust_anyone_cannot_be_configured(self, ini, clock, tmp_path):
        from importlib.resources import files

        from tests.conftest import make_app

        town = files("sevres_familles").joinpath("demo/ville.toml").read_text(encoding="utf-8")
        for name in ("dummy", "tipi"):
            wrong = tmp_path / f"{name}.toml"
            wrong.write_text(town.replace('gateway = "systempay"', f'gateway = "{name}"'), encoding="utf-8")
            with pytest.raises(UnknownGateway, match=name):
                make_app({**ini, "sevres.town_file": str(wrong)}, clock)


class TestTheChecks:
    @pytest.mark.parametrize("source", ["192.0.2.7", "", "::1", "127.0.0.1, 192.0.2.7"])
    def test_a_strange_source_is_refused(self, source):
        with pytest.raises(NotAuthentic, match="source"):
            read(fields_of(), source=source)

    def test_the_sources_of_the_bank_are_a_network(self):
        shop = gateway(sources=("194.50.38.0/24",))

        assert read(fields_of(), source="194.50.38.7", shop=shop)
        with pytest.raises(NotAuthentic, match="source"):
            read(fields_of(), source="194.50.39.7", shop=shop)

    @pytest.mark.parametrize(
        "body",
        [
            b"vads_a=" + b"1" * 33_000,
            "&".join(f"vads_{number}=1" for number in range(201)).encode(),
            b"vads_amount=1&vads_amount=2",
            b"\xff\xfe",
            b"",
            b"hello",
        ],
    )
    def test_a_body_that_is_no_small_form_is_refused(self, body):
        with pytest.raises(NotAuthentic) as refusal:
            gateway().read_notification(body, source=LOOPBACK, at=AT)

        assert refusal.value.status == 400

    def test_a_refusal_is_read(self):
        assert read(refused()).evidence.kind is EvidenceKind.REFUSED

    def test_a_refusal_that_says_success_is_unclear(self):
        assert read(refused(result="00")).evidence.kind is EvidenceKind.UNCLEAR

    def test_what_came_is_the_amount(self):
        assert read(fields_of(amount="5999", effective_amount="5999")).evidence.amount == Money(5999)

    def test_the_order_is_read(self):
        order = read(fields_of()).order

        assert tuple(order) == ("P-7KQ4M2XDN", "abc123", "20261123143500")


class TestAsking:
    def test_a_bank_that_is_down_is_unreachable(self):
        shop = gateway(rest_url="http://127.0.0.1:9/nothing/", timeout=timedelta(seconds=1))

        with pytest.raises(BankUnreachable):
            shop.ask(depart().order, at=AT)
