"""The oracle sees what it is there to see: each fault, put in by hand, is told."""

import json
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from tests import factories
from tests.oracle import differences
from tests.payments.making import AT, evidence, opened

TODAY = AT.date()


@pytest.fixture
def bank_file(tmp_path):
    file = tmp_path / "bank.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute("CREATE TABLE payment (uuid TEXT, record TEXT)")
        database.execute("CREATE TABLE chargeback (uuid TEXT, order_id TEXT, amount INTEGER, at REAL)")
        database.commit()
    return file


@pytest.fixture
def portal(stored):
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        yield portal


def keep(bank_file, uuid="u1", amount=6000, status="AUTHORISED", operation="DEBIT", order="P-1"):
    words = {"uuid": uuid, "order_id": order, "status": status, "operation": operation}
    record = {**words, "amount": amount, "created_at": AT.timestamp()}
    with closing(sqlite3.connect(bank_file)) as database:
        database.execute("INSERT INTO payment VALUES (?, ?)", (uuid, json.dumps(record)))
        database.commit()


@pytest.fixture
def payment(portal, registry, bank_file):
    """A payment of 60,00 €, at the bank and in the books."""
    payment = opened(portal, registry)
    keep(bank_file, order=payment.reference)
    apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED))
    return payment


def test_books_that_are_right_differ_in_nothing(portal, bank_file, payment):
    assert differences(bank_file, portal, TODAY) == ()


def test_money_that_was_never_booked_is_seen(portal, bank_file, payment):
    keep(bank_file, "u2", 500)

    assert any("u2: 500 at the bank, 0 booked" in each for each in differences(bank_file, portal, TODAY))


def test_money_booked_twice_is_seen(portal, bank_file, payment):
    draft = payment.account.cash.entries[0].draft
    payment.account.book(draft)

    assert any("6000 at the bank, 12000 booked" in each for each in differences(bank_file, portal, TODAY))


def test_money_unknown_to_the_bank_is_seen(portal, bank_file, payment):
    draft = Draft(
        *(AT, EntryKind.PAYMENT, LedgerAccount.BANK, LedgerAccount.UNCLASSIFIED, Money(100), None, "P-2 u9"),
    )
    payment.account.book(draft)

    assert any("u9: 100 booked" in each for each in differences(bank_file, portal, TODAY))


def test_a_cancelled_payment_that_was_not_reversed_is_seen_and_one_that_was_is_right(portal, registry, bank_file):
    keep(bank_file, status="CANCELLED")
    payment = opened(portal, registry)
    apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED))
    before = differences(bank_file, portal, TODAY)

    apply(portal, registry, payment, evidence(EvidenceKind.VOIDED))

    assert any("6000 booked and 0 reversed" in each for each in before)
    assert differences(bank_file, portal, TODAY) == ()


def book_at(payment, account, at):
    """Book what the bank told of a payment, by hand: in an account, at a moment."""
    payment.evidence = (evidence(EvidenceKind.AUTHORISED),)
    document = f"{payment.reference} u1"
    account.book(
        Draft(at, EntryKind.PAYMENT, LedgerAccount.BANK, LedgerAccount.FAMILY, Money(6000), "2026-9161", document)
    )


def test_money_booked_on_another_day_than_it_was_told_is_seen(portal, registry, bank_file):
    payment = opened(portal, registry)
    keep(bank_file, order=payment.reference)

    book_at(payment, payment.account, AT + timedelta(days=1))

    told = differences(bank_file, portal, TODAY)
    assert "scolaire, 2026-11-23, carte: 6000 at the bank, 0 booked" in told
    assert "scolaire, 2026-11-24, carte: 0 at the bank, 6000 booked" in told


def test_money_booked_in_another_regie_than_its_payment_s_is_seen(portal, registry, bank_file):
    other = factories.store_invoice(portal["familles"]["26719"], regie="petite-enfance").account
    payment = opened(portal, registry)
    keep(bank_file, order=payment.reference)

    book_at(payment, other, AT)

    told = differences(bank_file, portal, TODAY)
    assert "scolaire, 2026-11-23, carte: 6000 at the bank, 0 booked" in told
    assert "petite-enfance, 2026-11-23, carte: 0 at the bank, 6000 booked" in told


def test_money_told_late_is_of_the_day_on_which_it_was_told(portal, registry, bank_file):
    payment = opened(portal, registry)
    keep(bank_file, order=payment.reference)

    apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, at=AT + timedelta(days=3)))

    assert differences(bank_file, portal, TODAY) == ()


def test_money_told_before_the_bank_moved_it_is_seen(portal, registry, bank_file):
    payment = opened(portal, registry)
    keep(bank_file, order=payment.reference)

    apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, at=AT - timedelta(days=1)))

    told = differences(bank_file, portal, TODAY)
    assert "u1: told on 2026-11-22, before the bank's own day 2026-11-23" in told


def test_a_refund_that_was_not_booked_is_seen(portal, bank_file, payment):
    keep(bank_file, "u3", 1000, operation="CREDIT")

    assert any("-1000 at the bank, 0 booked" in each for each in differences(bank_file, portal, TODAY))


def test_an_invoice_that_says_more_than_its_entries_is_seen(portal, bank_file, payment):
    invoice = payment.account["2026-9161"]
    invoice.record_payment("P-2", Money(-1))

    assert invoice.status(TODAY).state is not InvoiceState.PAID
    assert any("1 left, 0 by the entries" in each for each in differences(bank_file, portal, TODAY))


def test_a_share_that_went_nowhere_is_seen(portal, bank_file, payment):
    payment.held = {"2026-9161": Money(5999)}

    assert any("shares do not sum up" in each for each in differences(bank_file, portal, TODAY))


def test_a_missing_receipt_is_seen(portal, bank_file, payment):
    payment.receipts = ()

    assert any("receipts are not those" in each for each in differences(bank_file, portal, TODAY))
