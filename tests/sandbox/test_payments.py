"""Each trial card, and each other way off the card page: what the shop is told, and when."""

import logging
import socket
from urllib.parse import urlencode, urlsplit

import eopayment
import pytest

from sevres_familles.sandbox.bank.signature import is_signed
from tests.sandbox.running import KEY, PATIENCE, SITE_ID, Bank, Mailbox, ask, running_bank, wait_until
from tests.sandbox.shop import (
    ACCEPTED,
    CHALLENGED,
    LOST,
    REFUSED,
    UNKNOWN,
    Shop,
    fields_of,
    link_back,
    opened,
    paid,
    typed,
)


def understood(fields: dict[str, str]) -> eopayment.common.PaymentResponse:
    logging.getLogger("eopayment").setLevel(logging.INFO)
    options = {"vads_site_id": SITE_ID, "vads_ctx_mode": "TEST", "secret_test": KEY, "signature_algo": "hmac_sha256"}
    return eopayment.Payment("systempayv2", options).response(urlencode(fields))


class TestAcceptedCard:
    def test_tells_the_shop_before_the_payer_sees_the_ticket(self, bank: Bank, shop: Shop):
        form = shop.form()

        answer = paid(bank, form, ACCEPTED)

        assert len(shop.heard) == 1
        assert answer.status == 303
        assert "Votre paiement est accepté" in ask(answer.location).text

    def test_sends_what_the_real_bank_sends(self, bank: Bank, shop: Shop):
        form = shop.form(vads_ext_info_eopayment_trans_id="P7", vads_cust_email="pierre@exemple.fr")

        paid(bank, form, ACCEPTED)

        (told,) = shop.heard
        asked = {name: told[name] for name in form if name in told and name != "signature"}
        assert asked == {
            name: value
            for name, value in form.items()
            if name not in {"signature", "vads_return_mode", "vads_url_check", "vads_url_return"}
        }
        expected = {
            "vads_auth_mode": "FULL",
            "vads_auth_result": "00",
            "vads_card_brand": "VISA",
            "vads_card_number": "497010XXXXXX0006",
            "vads_effective_amount": "6000",
            "vads_expiry_month": "12",
            "vads_expiry_year": "2045",
            "vads_operation_type": "DEBIT",
            "vads_result": "00",
            "vads_sequence_number": "1",
            "vads_threeds_auth_type": "FRICTIONLESS",
            "vads_threeds_status": "Y",
            "vads_trans_status": "AUTHORISED",
            "vads_url_check_src": "PAY",
            "vads_warranty_result": "YES",
        }
        assert {name: told[name] for name in expected} == expected
        assert len(told["vads_hash"]) == 64
        assert len(told["vads_trans_uuid"]) == 32
        assert len(told["vads_auth_number"]) == 6
        assert is_signed(told, KEY)

    def test_is_understood_by_eopayment(self, bank: Bank, shop: Shop):
        paid(bank, shop.form(), ACCEPTED)

        response = understood(shop.heard[0])

        assert response.signed
        assert response.result == eopayment.PAID
        assert response.test

    def test_brings_the_payer_back_with_signed_fields_but_not_those_of_the_notification(self, bank: Bank, shop: Shop):
        ticket = ask(paid(bank, shop.form(), ACCEPTED).location)

        brought = fields_of(link_back(ticket))

        assert brought.pop("langue") == "fr"
        assert is_signed(brought, KEY)
        assert shop.heard[0].keys() - brought.keys() == {"vads_hash", "vads_url_check_src"}
        assert understood(brought).result == eopayment.PAID

    def test_waits_for_the_shop_s_answer(self, bank: Bank, shop: Shop):
        form = shop.form()
        shop.may_answer.clear()
        address = opened(bank, form)

        with pytest.raises(TimeoutError):
            ask_impatiently(address, typed(ACCEPTED))

        assert bank.payment(form["vads_order_id"]).status == "AUTHORISED"  # committed before the shop answered
        assert not bank.notifications(form["vads_order_id"])[0].attempts
        shop.may_answer.set()
        shop.wait_for_messages(1)

    def test_charges_once_when_sent_twice(self, bank: Bank, shop: Shop):
        form = shop.form()
        address = opened(bank, form)

        first, second = (ask(address, "POST", typed(card)) for card in (ACCEPTED, REFUSED))

        assert first.location == second.location == f"{address}/ticket"
        assert bank.payment(form["vads_order_id"]).status == "AUTHORISED"
        assert len(shop.heard) == 1

    def test_needs_no_notification_address(self, bank: Bank, shop: Shop):
        form = shop.form(vads_url_check=None)

        assert paid(bank, form, ACCEPTED).status == 303

        assert bank.notifications(form["vads_order_id"]) == []
        assert "La boutique n’a pas demandé de notification" in ask(bank.merchant_url).text


class TestTicket:
    def test_stays_when_asked_to(self, bank: Bank, shop: Shop):
        ticket = ask(paid(bank, shop.form(), ACCEPTED).location)

        assert "Rester sur cette page" in ticket.text
        assert "Refresh" not in ask(paid(bank, shop.form(), ACCEPTED).location + "?rester=1").headers

    def test_posts_the_fields_when_the_shop_wants_them_posted(self, bank: Bank, shop: Shop):
        ticket = ask(paid(bank, shop.form(vads_return_mode="POST"), ACCEPTED).location)

        assert f'method="post" action="{shop.url}/retour?langue=fr"' in ticket.text
        assert 'name="signature"' in ticket.text
        assert 'name="vads_hash"' not in ticket.text
        assert f"form-action 'self' {shop.url};" in ticket.headers["Content-Security-Policy"]

    @pytest.mark.parametrize("mode", ["NONE", None])
    def test_brings_nothing_back_when_the_shop_wants_nothing(self, bank: Bank, shop: Shop, mode: str | None):
        ticket = ask(paid(bank, shop.form(vads_return_mode=mode), ACCEPTED).location)

        assert link_back(ticket) == f"{shop.url}/retour?langue=fr"

    def test_sends_its_receipt_to_the_address_typed_there(self, bank: Bank, shop: Shop, mailbox: Mailbox):
        form = shop.form()

        ticket = ask(paid(bank, form, ACCEPTED, courriel="danielle@exemple.fr").location)

        mail = mailbox.wait_for_mail("danielle@exemple.fr")
        text = mail.get_content()
        assert "La banque a envoyé un reçu" in ticket.text
        assert mail["Subject"] == "Reçu de votre paiement de 60,00\N{NO-BREAK SPACE}€"
        for word in ("Commune de démonstration", "01 99 00 00 00", form["vads_order_id"], "4970 10XX XXXX 0006"):
            assert word in text

    def test_pays_all_the_same_when_the_receipt_cannot_leave(self, tmp_path, shop: Shop):
        form = shop.form()
        with running_bank(tmp_path) as bank:
            ticket = ask(paid(bank, form, ACCEPTED, courriel="danielle@exemple.fr").location)

            assert "le reçu n’a pas pu partir" in ticket.text
            assert bank.payment(form["vads_order_id"]).status == "AUTHORISED"


class TestChallengedCard:
    def test_asks_for_a_code_then_pays(self, bank: Bank, shop: Shop):
        form = shop.form()
        challenge = paid(bank, form, CHALLENGED).location
        assert "123456" in ask(challenge).text
        assert shop.heard == []

        answer = ask(challenge, "POST", {"code": "123456"})

        assert "Votre paiement est accepté" in ask(answer.location).text
        assert shop.heard[0]["vads_trans_status"] == "AUTHORISED"
        assert shop.heard[0]["vads_threeds_auth_type"] == "CHALLENGE"

    def test_asks_again_after_a_wrong_code(self, bank: Bank, shop: Shop):
        challenge = paid(bank, shop.form(), CHALLENGED).location

        answer = ask(challenge, "POST", {"code": "000000"})

        assert answer.status == 422
        assert "Ce code est faux" in answer.text
        assert shop.heard == []

    def test_cannot_be_answered_before_a_card_was_typed(self, bank: Bank, shop: Shop):
        address = opened(bank, shop.form())

        assert ask(f"{address}/authentification").location == address
        assert ask(f"{address}/authentification", "POST", {"code": "123456"}).status == 404
        assert shop.heard == []

    def test_can_be_cancelled(self, bank: Bank, shop: Shop):
        form = shop.form()
        address = opened(bank, form)
        ask(address, "POST", typed(CHALLENGED))

        ask(f"{address}/annuler", "POST", {})

        assert bank.payment(form["vads_order_id"]).status == "ABANDONED"


class TestRefusedCard:
    def test_ends_the_page_and_says_why(self, bank: Bank, shop: Shop):
        form = shop.form()

        ticket = ask(paid(bank, form, REFUSED, courriel="refus@exemple.fr").location)

        assert "Votre paiement est refusé" in ticket.text
        assert "provision insuffisante" in ticket.text
        assert "Rien n’a été débité" in ticket.text
        (told,) = shop.heard
        assert (told["vads_trans_status"], told["vads_result"], told["vads_auth_result"]) == ("REFUSED", "05", "51")
        assert told["vads_auth_number"] == told["vads_warranty_result"] == ""
        assert fields_of(link_back(ticket))["vads_trans_status"] == "REFUSED"

    def test_is_understood_by_eopayment(self, bank: Bank, shop: Shop):
        paid(bank, shop.form(), REFUSED)

        response = understood(shop.heard[0])

        assert response.signed
        assert response.result == eopayment.DENIED


class TestCardWhoseNotificationIsLost:
    def test_pays_without_telling_the_shop(self, bank: Bank, shop: Shop):
        form = shop.form()

        ticket = ask(paid(bank, form, LOST).location)

        assert "Votre paiement est accepté" in ticket.text
        assert bank.order(form["vads_order_id"])["answer"]["orderStatus"] == "PAID"
        (notification,) = bank.notifications(form["vads_order_id"])
        assert (notification.state, notification.attempts) == ("lost", ())
        assert shop.heard == []

    def test_tells_the_shop_when_the_merchant_asks(self, bank: Bank, shop: Shop):
        form = shop.form()
        paid(bank, form, LOST)

        bank.notify_again(form["vads_order_id"])

        assert shop.heard[0]["vads_url_check_src"] == "BO"


class TestLeaving:
    def test_tells_the_shop_that_the_payer_cancelled(self, bank: Bank, shop: Shop):
        form = shop.form()

        answer = ask(f"{opened(bank, form)}/annuler", "POST", {})

        assert answer.status == 303
        (told,) = shop.heard
        assert (told["vads_trans_status"], told["vads_result"]) == ("ABANDONED", "17")
        assert not {"vads_auth_result", "vads_sequence_number"} & told.keys()
        assert is_signed(told, KEY)
        brought = fields_of(answer.location)
        assert answer.location.startswith(f"{shop.url}/retour?langue=fr&")
        assert brought["vads_result"] == "17"
        assert "vads_hash" not in brought

    def test_goes_back_through_a_page_when_fields_are_posted(self, bank: Bank, shop: Shop):
        answer = ask(f"{opened(bank, shop.form(vads_return_mode='POST'))}/annuler", "POST", {})

        ticket = ask(answer.location)

        assert "Vous avez abandonné le paiement" in ticket.text
        assert 'name="vads_result" value="17"' in ticket.text

    def test_leads_to_the_ticket_whoever_comes_back(self, bank: Bank, shop: Shop):
        address = opened(bank, shop.form())
        ask(address, "POST", typed(ACCEPTED))

        for answer in (ask(address), ask(f"{address}/annuler", "POST", {}), ask(f"{address}/authentification")):
            assert answer.location == f"{address}/ticket"
        assert len(shop.heard) == 1

    def test_says_nothing_to_anyone_when_the_tab_is_closed(self, tmp_path, shop: Shop):
        form = shop.form()
        with running_bank(tmp_path, page_life=0.2) as bank:
            address = opened(bank, form)

            died = wait_until(lambda: (page := ask(address)).status == 410 and page, "the page dies", PATIENCE)

            assert "Cette page de paiement a expiré" in died.text
            assert f'href="{shop.url}/retour?langue=fr"' in died.text
            assert ask(address, "POST", typed(ACCEPTED)).status == 410
            assert bank.order(form["vads_order_id"])["answer"]["errorCode"] == "PSP_010"
            assert bank.payments() == []
        assert shop.heard == []


class TestTypedCard:
    @pytest.mark.parametrize(
        ("field", "value", "fault"),
        [
            ("numero", "", "seize chiffres"),
            ("numero", "4970 1000", "seize chiffres"),
            ("numero", "4970 1000 0000 0007", "comporte une erreur"),
            ("numero", UNKNOWN, "inconnue de la banque de démonstration"),
            ("mois", "13", "mois en deux chiffres"),
            ("mois", "²", "mois en deux chiffres"),
            ("annee", "45", "année en quatre chiffres"),
            ("annee", "2020", "Cette date est passée"),
            ("chiffres", "12", "trois chiffres"),
            ("chiffres", "abc", "trois chiffres"),
            ("courriel", "danielle", "incomplète"),
            ("courriel", "a@exemple.fr\nBcc: b@exemple.fr", "incomplète"),
        ],
    )
    def test_is_to_be_mended(self, bank: Bank, shop: Shop, field: str, value: str, fault: str):
        answer = paid(bank, shop.form(), ACCEPTED, **{field: value})

        assert answer.status == 422
        assert fault in answer.text
        assert "Rien n’a été débité" in answer.text
        assert f'href="#{"mois" if "passée" in fault else field}"' in answer.text
        assert shop.heard == []

    def test_may_be_grouped_as_one_likes(self, bank: Bank, shop: Shop):
        assert paid(bank, shop.form(), "4970-1000.0000\N{NO-BREAK SPACE}0006").status == 303

    def test_comes_back_but_for_an_unknown_number_and_the_three_digits(self, bank: Bank, shop: Shop):
        known = paid(bank, shop.form(), ACCEPTED, mois="13").text
        unknown = paid(bank, shop.form(), UNKNOWN, mois="13").text

        assert f'value="{ACCEPTED}"' in known
        assert "0170" not in unknown
        assert 'value="2045"' in known
        assert "837" not in known + unknown


def ask_impatiently(address: str, form: dict[str, str]) -> None:
    """Ask, but do not wait for a shop that does not answer."""
    parts = urlsplit(address)
    body = urlencode(form).encode()
    with socket.create_connection((parts.hostname, parts.port)) as door:
        door.sendall(
            f"POST {parts.path} HTTP/1.0\r\nHost: {parts.netloc}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        door.settimeout(1)
        door.recv(1)
