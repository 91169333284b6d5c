"""Notifications: retried until heard, recorded each time, and kept through a crash."""

import signal

import pytest

from sevres_familles.sandbox.bank.notifications import post
from sevres_familles.sandbox.bank.signature import is_signed
from tests.sandbox.running import KEY, Bank, ask, running_bank, wait_until
from tests.sandbox.shop import ACCEPTED, Shop, open_shop, paid


def answers(bank: Bank, form: dict[str, str]) -> list[str]:
    return [one.answer for one in bank.notifications(form["vads_order_id"])[0].attempts]


def state(bank: Bank, form: dict[str, str]) -> str:
    return bank.notifications(form["vads_order_id"])[0].state


@pytest.mark.parametrize("status", [200, 204, 206, 301, 302, 303, 307])
def test_is_heard(bank: Bank, shop: Shop, status: int):
    shop.answers = [status]
    form = shop.form()

    paid(bank, form, ACCEPTED)

    wait_until(lambda: state(bank, form) == "delivered", "it is delivered")
    assert answers(bank, form) == [f"réponse {status}"]
    assert len(shop.heard) == 1  # redirects are not followed


@pytest.mark.parametrize("status", [207, 400, 403, 404, 500, 503])
def test_is_sent_again_until_it_is_heard(bank: Bank, shop: Shop, status: int):
    shop.answers = [status, status]
    form = shop.form()

    paid(bank, form, ACCEPTED)

    wait_until(lambda: state(bank, form) == "delivered", "it is delivered")
    assert answers(bank, form) == [f"réponse {status}", f"réponse {status}", "réponse 200"]
    assert [told["vads_url_check_src"] for told in shop.heard] == ["PAY", "RETRY", "RETRY"]
    assert all(is_signed(told, KEY) for told in shop.heard)
    assert len({told["vads_trans_uuid"] for told in shop.heard}) == 1


def test_is_given_up_after_four_more_tries(bank: Bank, shop: Shop):
    shop.answers = [500] * 9
    form = shop.form()

    paid(bank, form, ACCEPTED)

    wait_until(lambda: state(bank, form) == "given up", "it is given up")
    assert len(shop.heard) == 5


def test_survives_a_shop_that_is_away(bank: Bank):
    with open_shop() as gone:
        form = gone.form()

    assert paid(bank, form, ACCEPTED).status == 303

    wait_until(lambda: state(bank, form) == "given up", "it is given up")
    assert set(answers(bank, form)) == {"injoignable (ConnectionRefusedError)"}


def test_is_sent_after_the_bank_was_killed(tmp_path, shop: Shop):
    form = shop.form()
    shop.answers = [500]
    with running_bank(tmp_path, ipn_delays=(1,)) as bank:
        paid(bank, form, ACCEPTED)
        bank.stop(signal.SIGKILL)
    assert state(bank, form) == "waiting"

    with running_bank(tmp_path) as bank:
        wait_until(lambda: state(bank, form) == "delivered", "it is delivered")

    assert [told["vads_trans_status"] for told in shop.heard] == ["AUTHORISED"] * 2


def test_waits_a_quarter_of_an_hour_unless_told_otherwise(tmp_path, shop: Shop):
    form = shop.form()
    shop.answers = [500]
    with running_bank(tmp_path) as bank:
        paid(bank, form, ACCEPTED)

        wait_until(lambda: state(bank, form) == "waiting", "it was tried")
        (notification,) = bank.notifications(form["vads_order_id"])

    assert 880 < notification.due_at - notification.attempts[0].at < 920
    assert len(shop.heard) == 1


def test_asks_nobody_but_this_machine():
    assert post("http://192.0.2.1/ipn", {}) == ("adresse refusée", False)


class TestMerchantPage:
    def test_shows_the_payment_and_each_answer(self, bank: Bank, shop: Shop):
        shop.answers = [503]
        form = shop.form(vads_amount="123456")
        paid(bank, form, ACCEPTED)
        wait_until(lambda: state(bank, form) == "delivered", "it is delivered")

        page = ask(bank.merchant_url).text
        section = page[page.index(f'data-order="{form["vads_order_id"]}"') :].partition("</article>")[0]

        for word in ("1\N{NO-BREAK SPACE}234,56\N{NO-BREAK SPACE}€", "Accepté", "4970 10XX XXXX 0006"):
            assert word in section
        assert section.index("réponse 503") < section.index("réponse 200")

    def test_sends_the_notification_again(self, bank: Bank, shop: Shop):
        form = shop.form()
        paid(bank, form, ACCEPTED)

        bank.notify_again(form["vads_order_id"])

        first, again = shop.heard
        assert again["vads_url_check_src"] == "BO"
        changed = {"signature", "vads_url_check_src"}
        assert {n: v for n, v in first.items() if n not in changed} == {
            n: v for n, v in again.items() if n not in changed
        }
        assert "Notification demandée ici" in ask(bank.merchant_url).text

    def test_asks_once_when_the_merchant_asks(self, bank: Bank, shop: Shop):
        form = shop.form()
        paid(bank, form, ACCEPTED)
        shop.answers = [500]

        bank.notify_again(form["vads_order_id"])

        again = bank.notifications(form["vads_order_id"])[1]
        assert (again.state, len(again.attempts)) == ("given up", 1)

    def test_takes_no_request_from_another_site(self, bank: Bank, shop: Shop):
        form = shop.form()
        paid(bank, form, ACCEPTED)
        address = f"{bank.merchant_url}/{bank.payment(form['vads_order_id']).uuid}/notification"

        answer = ask(address, "POST", {}, {"Origin": "http://exemple.fr"})

        assert answer.status == 403
        assert len(shop.heard) == 1

    def test_knows_no_other_payment(self, bank: Bank):
        assert ask(f"{bank.merchant_url}/{'0' * 32}/notification", "POST", {}).status == 404
