"""The merchant's acts, the bank's nights and its journals; the same acts asked for by a program."""

import csv
from collections.abc import Iterator

import pytest

from sevres_familles.sandbox.bank.clock import day_of, written
from sevres_familles.sandbox.bank.records import Operation, Status
from tests.sandbox.running import Bank, ask, running_bank
from tests.sandbox.shop import ACCEPTED, DISORDERED, HALVED, LOST, REFUSED, VERIFIED, Shop, opened, paid


@pytest.fixture
def calm_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """A bank of its own: its clock may be put forward."""
    with running_bank(tmp_path_factory.mktemp("calm-bank")) as bank:
        yield bank


def pay(bank: Bank, shop: Shop, card: str = ACCEPTED) -> str:
    """Pay 60,00 €, and give the bank's reference of the operation."""
    form = shop.form()
    paid(bank, form, card)
    return bank.store.payments_of_order(form["vads_order_id"])[-1].uuid


def refused(bank: Bank, uuid: str, act: str, **fields: str) -> str:
    answer = ask(f"{bank.merchant_url}/{uuid}/{act}", "POST", fields)
    assert answer.status == 422
    return answer.text


def rows_of(bank: Bank, kind: str) -> list[dict[str, str]]:
    """The details of a journal, by the names of its ENTETE."""
    title, head, *details, end = csv.reader(
        bank.journals(kind)[-1].read_text(encoding="utf-8").splitlines(), delimiter=";"
    )
    assert (title[0], head[0]) == ("TITRE", "ENTETE")
    assert end == ["FIN", str(len(details))]
    return [dict(zip(head[1:], detail[1:], strict=True)) for detail in details]


class TestActs:
    def test_a_capture_is_told(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        bank.act(uuid, "remettre")

        told = shop.wait_for_messages(2)[-1]
        assert (told["vads_trans_status"], told["vads_url_check_src"]) == ("CAPTURED", "BATCH")
        assert bank.store.payment(uuid).status is Status.CAPTURED

    def test_a_cancellation_is_told(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        bank.act(uuid, "annuler")

        told = shop.wait_for_messages(2)[-1]
        assert (told["vads_trans_status"], told["vads_url_check_src"]) == ("CANCELLED", "MERCH_BO")
        assert told["vads_trans_uuid"] == uuid

    def test_a_refund_is_an_operation_of_its_own_and_told(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)
        bank.act(uuid, "remettre")
        shop.wait_for_messages(2)

        bank.act(uuid, "rembourser", montant="12,50")

        told = shop.wait_for_messages(3)[-1]
        assert (told["vads_operation_type"], told["vads_amount"]) == ("CREDIT", "1250")
        assert told["vads_trans_uuid"] != uuid
        credit = bank.store.payment(told["vads_trans_uuid"])
        assert (credit.operation, credit.parent) == (Operation.CREDIT, uuid)

    def test_no_more_is_given_back_than_was_taken(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)
        bank.act(uuid, "remettre")
        bank.act(uuid, "rembourser", montant="40")

        assert "dépasse" in refused(bank, uuid, "rembourser", montant="20,01")
        assert "Saisissez une somme" in refused(bank, uuid, "rembourser", montant="beaucoup")
        assert "plus grande que zéro" in refused(bank, uuid, "rembourser", montant="0")
        bank.act(uuid, "rembourser", montant="20")
        assert "impayé" in refused(bank, uuid, "impaye")

    def test_an_unpaid_one_is_told_by_nobody_but_the_journal(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)
        bank.act(uuid, "remettre")
        shop.wait_for_messages(2)

        bank.act(uuid, "impaye")

        assert [each.amount for each in bank.store.chargebacks() if each.uuid == uuid] == [6000]
        assert len(shop.heard) == 2
        assert "impayé" in refused(bank, uuid, "impaye")

    @pytest.mark.parametrize(
        ("card", "act"),
        [(ACCEPTED, "rembourser"), (ACCEPTED, "impaye"), (REFUSED, "remettre"), (REFUSED, "annuler")],
    )
    def test_an_act_out_of_season_is_refused(self, bank: Bank, shop: Shop, card: str, act: str):
        uuid = pay(bank, shop, card)

        assert "Rien n’a été fait" in refused(bank, uuid, act, montant="10")

    def test_an_act_is_for_our_own_page(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        answer = ask(f"{bank.merchant_url}/{uuid}/annuler", "POST", {}, {"Origin": "http://elsewhere.example"})

        assert answer.status == 403
        assert bank.store.payment(uuid).status is Status.AUTHORISED

    def test_there_are_no_other_acts(self, bank: Bank, shop: Shop):
        assert ask(f"{bank.merchant_url}/{pay(bank, shop)}/doubler", "POST", {}).status == 404


class TestPrograms:
    def test_get_one_operation(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        answer = bank.rest("Transaction/Get", uuid=uuid)

        assert answer["webService"] == "Transaction/Get"
        assert (answer["answer"]["uuid"], answer["answer"]["detailedStatus"]) == (uuid, "AUTHORISED")

    def test_cancel_what_is_not_remitted(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        answer = bank.rest("Transaction/CancelOrRefund", uuid=uuid, amount=6000, currency="EUR")

        assert (answer["answer"]["uuid"], answer["answer"]["detailedStatus"]) == (uuid, "CANCELLED")

    def test_refund_what_is(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)
        bank.act(uuid, "remettre")

        answer = bank.rest("Transaction/CancelOrRefund", uuid=uuid, amount=2500, currency="EUR")["answer"]

        assert (answer["operationType"], answer["amount"]) == ("CREDIT", 2500)
        assert answer["transactionDetails"]["parentTransactionUuid"] == uuid
        order = bank.order(answer["orderDetails"]["orderId"])["answer"]
        assert [each["operationType"] for each in order["transactions"]] == ["DEBIT", "CREDIT"]

    @pytest.mark.parametrize(
        ("question", "code"),
        [
            ({"amount": 100, "currency": "EUR"}, "PSP_082"),
            ({"amount": 6000, "currency": "USD"}, "INT_902"),
            ({"amount": "6000", "currency": "EUR"}, "INT_902"),
            ({"uuid": "0" * 32, "amount": 6000, "currency": "EUR"}, "PSP_010"),
        ],
    )
    def test_are_told_by_number_what_cannot_be_done(
        self, bank: Bank, shop: Shop, question: dict[str, object], code: str
    ):
        uuid = pay(bank, shop)

        answer = bank.rest("Transaction/CancelOrRefund", **{"uuid": uuid, **question})

        assert (answer["status"], answer["answer"]["errorCode"]) == ("ERROR", code)
        assert bank.store.payment(uuid).status is Status.AUTHORISED

    def test_do_nothing_without_the_password(self, bank: Bank, shop: Shop):
        uuid = pay(bank, shop)

        answer = bank.rest("Transaction/CancelOrRefund", password="wrong", uuid=uuid, amount=6000, currency="EUR")

        assert answer["answer"]["errorCode"] == "INT_905"
        assert bank.store.payment(uuid).status is Status.AUTHORISED

    def test_there_are_no_other_questions(self, bank: Bank):
        assert bank.rest("Charge/Create")["answer"]["errorCode"] == "INT_901"


class TestNights:
    def test_a_day_more_remits_what_was_accepted_and_lays_the_journals(self, calm_bank: Bank, shop: Shop):
        accepted, halved = pay(calm_bank, shop), pay(calm_bank, shop, HALVED)
        pay(calm_bank, shop, REFUSED)

        calm_bank.next_day()

        told = shop.wait_for_messages(5)[-2:]
        assert {each["vads_trans_status"] for each in told} == {"CAPTURED"}
        transactions = {row["TRANSACTION_UUID"]: row for row in rows_of(calm_bank, "JT")}
        assert (transactions[accepted]["TRANSACTION_STATUS"], transactions[accepted]["AMOUNT"]) == ("CAPTURED", "6000")
        assert transactions[halved]["AMOUNT"] == "3000"
        assert sorted(row["TRANSACTION_STATUS"] for row in transactions.values()) == ["CAPTURED", "CAPTURED", "REFUSED"]
        matchings = rows_of(calm_bank, "JRB")
        assert [(row["OPERATION_TYPE"], row["BRUT_AMOUNT"]) for row in matchings] == [("DT", "6000"), ("DT", "3000")]
        assert all(
            int(row["NET_AMOUNT"]) + int(row["COMMISSION_AMOUNT"]) == int(row["BRUT_AMOUNT"]) for row in matchings
        )
        assert rows_of(calm_bank, "JRI") == []

    def test_refunds_and_unpaid_ones_are_in_the_journals_of_their_day(self, calm_bank: Bank, shop: Shop):
        refunded, unpaid = pay(calm_bank, shop), pay(calm_bank, shop)
        calm_bank.next_day()
        calm_bank.act(refunded, "rembourser", montant="60,00")
        calm_bank.act(unpaid, "impaye")

        calm_bank.next_day()

        (credit,) = rows_of(calm_bank, "JT")
        assert (credit["TRANSACTION_TYPE"], credit["AMOUNT"], credit["TRANSACTION_STATUS"]) == (
            *("CREDIT", "6000"),
            "CAPTURED",
        )
        (unpaid_row,) = rows_of(calm_bank, "JRI")
        assert (unpaid_row["TRANSACTION_UUID"], unpaid_row["CHARGEBACK_AMOUNT"]) == (unpaid, "6000")

    def test_what_was_under_verification_is_in_two_journals(self, calm_bank: Bank, shop: Shop):
        uuid = pay(calm_bank, shop, VERIFIED)
        calm_bank.next_day()
        first = rows_of(calm_bank, "JT")
        shop.wait_for_messages(2)

        calm_bank.next_day()

        assert [row["TRANSACTION_STATUS"] for row in first] == ["UNDER_VERIFICATION"]
        assert [(row["TRANSACTION_UUID"], row["TRANSACTION_STATUS"]) for row in rows_of(calm_bank, "JT")] == [
            (uuid, "CAPTURED")
        ]

    def test_pages_die_and_late_notifications_leave(self, calm_bank: Bank, shop: Shop):
        page = opened(calm_bank, shop.form())

        calm_bank.next_day()

        assert ask(page).status == 410

    def test_the_clock_stays_ahead_when_the_bank_starts_again(self, calm_bank: Bank, shop: Shop):
        calm_bank.next_day()
        calm_bank.stop()

        with running_bank(calm_bank.folder) as again:
            uuid = pay(again, shop)

            assert "avance de 1 jour" in ask(again.merchant_url).text
            ahead = day_of(again.store.payment(uuid).created_at)
            assert again.journals()[-1].stem.endswith(f"_{written(ahead - 1)}")

    def test_a_journal_can_be_downloaded_and_nothing_else(self, calm_bank: Bank, shop: Shop):
        pay(calm_bank, shop, LOST)
        calm_bank.next_day()
        (journal,) = calm_bank.journals()

        given = ask(f"{calm_bank.merchant_url}/journaux/{journal.name}")

        assert given.body == journal.read_bytes()
        assert given.headers["Content-Disposition"] == f'attachment; filename="{journal.name}"'
        assert ask(f"{calm_bank.merchant_url}/journaux/..%2Fbank.sqlite").status == 404

    def test_both_tries_of_a_page_are_in_the_journal(self, calm_bank: Bank, shop: Shop):
        pay(calm_bank, shop, DISORDERED)
        calm_bank.next_day()

        assert [(row["SEQUENCE_NUMBER"], row["TRANSACTION_STATUS"]) for row in rows_of(calm_bank, "JT")] == [
            ("1", "REFUSED"),
            ("2", "CAPTURED"),
        ]
