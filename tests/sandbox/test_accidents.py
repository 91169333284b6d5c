"""The cards of accidents: what the shop is told, how often, and what the bank's own file holds."""

from collections.abc import Iterator

import pytest

from sevres_familles.sandbox.bank.records import NotificationState, Status
from sevres_familles.sandbox.bank.signature import is_signed
from tests.sandbox.running import KEY, Bank, ask, running_bank, wait_until
from tests.sandbox.shop import (
    ACCEPTED,
    DISORDERED,
    EXPIRED_CARD,
    FORGED,
    HALVED,
    LATE,
    REFUSED,
    RETURN_FIRST,
    STOLEN,
    STRANDED,
    TECHNICAL,
    TWICE,
    UNAUTHENTICATED,
    UNNAMED_REFUSAL,
    VERIFIED,
    Shop,
    fields_of,
    opened,
    paid,
    typed,
)


@pytest.fixture(scope="module")
def hasty_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A bank whose two minutes are a tenth of a second."""
    folder = tmp_path_factory.mktemp("hasty-bank")
    with running_bank(folder, ipn_delays=(0.1, 0.1, 0.1, 0.1), late=0.1, after_return=0.1) as bank:
        yield bank


@pytest.mark.parametrize(
    ("card", "answer", "result", "words"),
    [
        (REFUSED, "51", "05", "provision insuffisante"),
        (UNNAMED_REFUSAL, "05", "05", "votre banque a refusé"),
        (EXPIRED_CARD, "54", "05", "carte expirée"),
        (STOLEN, "43", "05", "carte déclarée volée"),
        (TECHNICAL, "96", "96", "erreur technique"),
    ],
)
def test_a_refusal_says_why_to_the_payer_and_by_number_to_the_shop(
    bank: Bank, shop: Shop, card: str, answer: str, result: str, words: str
):
    ticket = ask(paid(bank, shop.form(), card).location)

    (told,) = shop.heard
    assert told["vads_trans_status"] == "REFUSED"
    assert (told["vads_auth_result"], told["vads_result"]) == (answer, result)
    assert words in ticket.text


def test_another_card_may_be_tried_on_the_same_page_twice(bank: Bank, shop: Shop):
    form = shop.form()
    page = opened(bank, form)

    for number in (REFUSED, STOLEN):
        ticket = ask(ask(page, "POST", typed(number)).location)
        assert "Essayer une autre carte" in ticket.text
    accepted = ask(ask(page, "POST", typed(ACCEPTED)).location)

    assert "Votre paiement est accepté" in accepted.text
    assert [told["vads_sequence_number"] for told in shop.heard] == ["1", "2", "3"]
    assert [told["vads_trans_status"] for told in shop.heard] == ["REFUSED", "REFUSED", "AUTHORISED"]
    assert len({told["vads_trans_uuid"] for told in shop.heard}) == 3


def test_the_third_refusal_ends_the_page(bank: Bank, shop: Shop):
    page = opened(bank, shop.form())
    tickets = [ask(ask(page, "POST", typed(REFUSED)).location).text for _ in range(3)]

    fourth = ask(page, "POST", typed(ACCEPTED))

    assert ["Essayer une autre carte" in ticket for ticket in tickets] == [True, True, False]
    assert fourth.location.endswith("/ticket")
    assert len(shop.heard) == 3


def test_a_page_where_a_card_was_refused_can_still_be_abandoned(bank: Bank, shop: Shop):
    page = opened(bank, shop.form())
    ask(page, "POST", typed(REFUSED))

    ask(f"{page}/annuler", "POST", {})

    assert [told["vads_trans_status"] for told in shop.heard] == ["REFUSED", "ABANDONED"]


def test_a_verification_ends_in_an_acceptance_that_the_night_work_tells(hasty_bank: Bank, shop: Shop):
    form = shop.form()
    paid(hasty_bank, form, VERIFIED)

    first, second = shop.wait_for_messages(2)

    assert (first["vads_trans_status"], first["vads_url_check_src"]) == ("UNDER_VERIFICATION", "PAY")
    assert (second["vads_trans_status"], second["vads_url_check_src"]) == ("AUTHORISED", "BATCH")
    assert first["vads_trans_uuid"] == second["vads_trans_uuid"]
    assert hasty_bank.payment(form["vads_order_id"]).status is Status.AUTHORISED


def test_the_ticket_of_a_verification_says_not_to_pay_again(bank: Bank, shop: Shop):
    ticket = ask(paid(bank, shop.form(), VERIFIED).location)

    assert "Votre paiement est en vérification" in ticket.text
    assert "Ne payez pas une seconde fois" in ticket.text


def test_a_late_notification_leaves_by_the_bank_s_clock(bank: Bank, hasty_bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, LATE)

    (waiting,) = bank.notifications(form["vads_order_id"])
    paid(hasty_bank, shop.form(), LATE)
    shop.wait_for_messages(1)

    assert waiting.state is NotificationState.WAITING
    assert 120 <= waiting.due_at - bank.payment(form["vads_order_id"]).created_at < 130


def test_told_twice_the_second_message_is_the_same(bank: Bank, shop: Shop):
    paid(bank, shop.form(), TWICE)

    first, second = shop.wait_for_messages(2)

    assert first == second


def test_a_forged_notification_is_wrongly_signed_each_time_it_is_sent(bank: Bank, shop: Shop):
    shop.answers = [403] * 5
    form = shop.form()
    paid(bank, form, FORGED)

    told = shop.wait_for_messages(5)

    assert not any(is_signed(each, KEY) for each in told)
    wait_until(
        lambda: bank.notifications(form["vads_order_id"])[0].state is NotificationState.GIVEN_UP, "the bank gives up"
    )


def test_the_wrong_amount_is_the_one_that_the_bank_holds_everywhere(bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, HALVED)

    (told,) = shop.heard
    (transaction,) = bank.order(form["vads_order_id"])["answer"]["transactions"]
    assert form["vads_amount"] == "6000"
    assert (told["vads_amount"], told["vads_effective_amount"]) == ("3000", "3000")
    assert is_signed(told, KEY)
    assert bank.payment(form["vads_order_id"]).amount == transaction["amount"] == 3000


def test_the_browser_may_go_back_before_the_notification(hasty_bank: Bank, shop: Shop):
    ticket = ask(paid(hasty_bank, shop.form(), RETURN_FIRST).location)

    assert ticket.status == 303
    assert fields_of(ticket.location)["vads_trans_status"] == "AUTHORISED"
    assert shop.wait_for_messages(1)[0]["vads_trans_status"] == "AUTHORISED"


def test_a_ticket_may_strand_its_payer(bank: Bank, shop: Shop):
    ticket = ask(paid(bank, shop.form(), STRANDED).location)

    assert len(shop.heard) == 1
    assert "Retour à la boutique" not in ticket.text
    assert "Refresh" not in ticket.headers


def test_a_refusal_may_be_told_after_the_acceptance_that_followed_it(bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, DISORDERED)

    told = shop.wait_for_messages(2)

    assert [(each["vads_trans_status"], each["vads_sequence_number"]) for each in told] == [
        ("AUTHORISED", "2"),
        ("REFUSED", "1"),
    ]
    assert [each.status for each in bank.store.payments_of_order(form["vads_order_id"])] == [
        Status.REFUSED,
        Status.AUTHORISED,
    ]


def test_who_fails_to_authenticate_is_refused_without_asking_the_payer_s_bank(bank: Bank, shop: Shop):
    challenge = paid(bank, shop.form(), UNAUTHENTICATED).location

    ticket = ask(ask(challenge, "POST", {"code": "123456"}).location)

    (told,) = shop.heard
    assert (told["vads_trans_status"], told["vads_result"], told["vads_auth_result"]) == ("REFUSED", "05", "")
    assert told["vads_threeds_status"] == "N"
    assert "n’a pas pu vous authentifier" in ticket.text
