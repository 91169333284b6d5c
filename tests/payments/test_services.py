"""Opening payments, applying what the bank says, and where the money goes."""

import itertools
import threading

import pytest
import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

from sevres_familles.domain.invoice import BillingFigures, BillingState, InvoiceState
from sevres_familles.domain.ledger import EntryKind, LedgerAccount, balance
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import Channel, EvidenceKind, PaymentState
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.services import NotPayable, Outcome, apply, expire
from tests import factories
from tests.conftest import make_app
from tests.payments.making import AT, evidence, opened

K, S = EvidenceKind, PaymentState
TODAY = AT.date()


@pytest.fixture
def family(stored):
    """The DUPOND family, with two invoices of 60,00 € and 42,80 €."""
    with stored() as portal:
        family = factories.store_family(portal)
        factories.store_invoice(family)
        factories.store_invoice(
            family, factories.facts("9174", amount=Money(4280), label="GARDERIES OCTO", lot="GARDERIES")
        )


@pytest.fixture
def portal(stored, family):
    with stored() as portal:
        yield portal


def invoice(portal, name="2026-9161"):
    return portal["familles"]["26719"]["comptes"]["scolaire"][name]


def account(portal):
    return portal["familles"]["26719"]["comptes"]["scolaire"]


def tell(portal, registry, payment, *messages):
    return [apply(portal, registry, payment, message) for message in messages]


def faults(portal):
    return verify_portal(portal).faults


class TestOpening:
    def test_freezes_what_is_left_to_pay(self, portal, registry):
        payment = opened(portal, registry, "2026-9161", "2026-9174")

        assert [tuple(share) for share in payment.shares] == [("2026-9161", Money(6000)), ("2026-9174", Money(4280))]
        assert payment.amount == Money(10280)
        assert dict(payment.form.fields)["vads_amount"] == "10280"

    def test_shields_the_invoices(self, portal, registry):
        payment = opened(portal, registry)

        assert invoice(portal).open_payment == payment.reference
        assert invoice(portal).status(TODAY).state is InvoiceState.PENDING

    def test_is_refused_while_another_is_under_way(self, portal, registry):
        opened(portal, registry)

        with pytest.raises(NotPayable):
            opened(portal, registry, "2026-9161", "2026-9174")

    @pytest.mark.parametrize(
        "figures",
        [
            BillingFigures(Money(6000), BillingState.SENT_TO_TREASURY),
            BillingFigures(ZERO, BillingState.CANCELLED),
            BillingFigures(ZERO, BillingState.PAID_AT_COUNTER),
        ],
    )
    def test_is_refused_for_what_is_not_paid_here(self, portal, registry, figures):
        invoice(portal).stage(portal.stores["lots"].published, figures)

        with pytest.raises(NotPayable):
            opened(portal, registry)

    def test_is_refused_for_an_invoice_of_nobody(self, portal, registry):
        with pytest.raises(KeyError):
            opened(portal, registry, "2026-1")

    def test_an_invoice_chosen_twice_is_paid_once(self, portal, registry):
        assert opened(portal, registry, "2026-9161", "2026-9161").amount == Money(6000)

    def test_takes_what_our_payments_left(self, portal, registry):
        invoice(portal).record_payment("P-OLD", Money(1000))

        assert opened(portal, registry).amount == Money(5000)


class TestMoney:
    def test_an_acceptance_books_it_numbers_a_receipt_and_frees_the_invoice(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED))

        assert payment.state is S.ACCEPTED
        assert invoice(portal).status(TODAY).state is InvoiceState.PAID
        assert invoice(portal).open_payment is None
        assert [receipt.number for receipt in payment.receipts] == ["2026-SCO-000001"]
        assert account(portal).balance() == Money(4280)
        assert balance(account(portal).entries(), LedgerAccount.BANK) == Money(6000)
        assert faults(portal) == ()

    def test_told_again_changes_nothing(self, portal, registry):
        payment = opened(portal, registry)
        tell(portal, registry, payment, evidence(K.AUTHORISED))
        before = payment.__getstate__(), account(portal).entries()

        assert tell(portal, registry, payment, evidence(K.AUTHORISED)) == [Outcome.DUPLICATE]
        assert (payment.__getstate__(), account(portal).entries()) == before

    @pytest.mark.parametrize("end", [K.REFUSED, K.ABANDONED])
    def test_an_end_without_money_frees_the_invoice(self, portal, registry, end):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(end, transaction=""))

        assert invoice(portal).status(TODAY).state is InvoiceState.DUE
        assert account(portal).cash is None

    @pytest.mark.parametrize("end", [K.REFUSED, K.ABANDONED, K.VOIDED])
    def test_a_late_success_wins(self, portal, registry, end):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(end, transaction="u0"), evidence(K.AUTHORISED))

        assert payment.state is S.ACCEPTED
        assert invoice(portal).status(TODAY).state is InvoiceState.PAID
        assert faults(portal) == ()

    def test_a_refusal_after_success_changes_nothing_and_alerts(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED), evidence(K.REFUSED, transaction="u0"))

        assert payment.state is S.ACCEPTED
        assert len(verify_portal(portal).alerts) == 1

    def test_a_second_transaction_goes_to_recettes_a_classer_with_a_second_receipt(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED), evidence(K.AUTHORISED, transaction="u2"))

        assert len(payment.receipts) == 2
        assert payment.unclassified == Money(6000)
        assert [each.amount for each in verify_portal(portal).unclassified] == [Money(6000)]
        assert balance(account(portal).entries(), LedgerAccount.UNCLASSIFIED) == Money(-6000)
        assert faults(portal) == ()

    def test_money_for_an_invoice_paid_meanwhile_goes_to_recettes_a_classer(self, portal, registry):
        first = opened(portal, registry)
        tell(portal, registry, first, evidence(K.ABANDONED, transaction=""))
        second = opened(portal, registry)
        tell(portal, registry, second, evidence(K.AUTHORISED, transaction="u2"))

        tell(portal, registry, first, evidence(K.AUTHORISED, transaction="u1"))

        assert first.unclassified == Money(6000)
        assert invoice(portal).paid_online() == Money(6000)
        assert faults(portal) == ()

    @pytest.mark.parametrize(
        "state", [BillingState.CANCELLED, BillingState.SENT_TO_TREASURY, BillingState.PAID_AT_COUNTER]
    )
    def test_money_for_an_invoice_that_went_elsewhere_meanwhile_too(self, portal, registry, state):
        payment = opened(portal, registry)
        invoice(portal).stage(portal.stores["lots"].published, BillingFigures(Money(6000), state))

        tell(portal, registry, payment, evidence(K.AUTHORISED))

        assert payment.unclassified == Money(6000)
        assert invoice(portal).payments == {}

    def test_less_than_asked_is_allocated_and_never_settles(self, portal, registry):
        payment = opened(portal, registry, "2026-9161", "2026-9174")

        tell(portal, registry, payment, evidence(K.AUTHORISED, 7000))

        assert payment.held == {"2026-9161": Money(6000), "2026-9174": Money(1000)}
        assert invoice(portal, "2026-9174").status(TODAY).state is InvoiceState.PART_PAID
        assert len(verify_portal(portal).alerts) == 1
        assert faults(portal) == ()

    def test_more_than_asked_is_set_aside(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED, 6500))

        assert payment.unclassified == Money(500)
        assert faults(portal) == ()

    @pytest.mark.parametrize("kind", [K.CREDIT, K.CHARGEBACK])
    def test_money_given_back_makes_the_invoice_due_again(self, portal, registry, kind):
        payment = opened(portal, registry)
        tell(portal, registry, payment, evidence(K.AUTHORISED))

        tell(portal, registry, payment, evidence(kind, 2000, transaction="u2"))

        assert invoice(portal).left() == Money(2000)
        assert account(portal).balance() == Money(6280)
        assert faults(portal) == ()

    def test_a_void_reverses_the_whole(self, portal, registry):
        payment = opened(portal, registry)
        tell(portal, registry, payment, evidence(K.AUTHORISED))

        tell(portal, registry, payment, evidence(K.VOIDED))

        assert invoice(portal).status(TODAY).state is InvoiceState.DUE
        assert account(portal).entries()[-1].draft.kind is EntryKind.VOID
        assert payment.state is S.ACCEPTED
        assert faults(portal) == ()

    def test_a_refund_told_too_early_is_set_aside_and_applied_with_the_payment(self, portal, registry):
        payment = opened(portal, registry)

        outcomes = tell(portal, registry, payment, evidence(K.CREDIT, 6000, transaction="u2"), evidence(K.AUTHORISED))

        assert outcomes == [Outcome.QUARANTINED, Outcome.APPLIED]
        assert invoice(portal).left() == Money(6000)
        assert faults(portal) == ()

    def test_a_capture_is_no_second_payment(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED), evidence(K.CAPTURED))

        assert payment.state is S.CAPTURED
        assert len(payment.receipts) == 1

    def test_two_amounts_for_one_transaction_alert(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED), evidence(K.CAPTURED, 5000))

        assert payment.held == {"2026-9161": Money(6000)}
        assert any("deux montants" in alert.text for alert in verify_portal(portal).alerts)

    def test_a_void_after_two_amounts_reverses_what_was_booked(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.AUTHORISED), evidence(K.CAPTURED, 5000), evidence(K.VOIDED, 5000))

        assert payment.held == {"2026-9161": ZERO}
        assert balance(account(portal).entries(), LedgerAccount.BANK) == ZERO
        assert invoice(portal).status(TODAY).state is InvoiceState.DUE
        assert faults(portal) == ()

    def test_a_refund_told_too_early_with_two_amounts_is_booked_once(self, portal, registry):
        payment = opened(portal, registry)
        early = [evidence(K.CREDIT, cents, transaction="u2") for cents in (2000, 2500)]

        tell(portal, registry, payment, *early, evidence(K.AUTHORISED))

        assert invoice(portal).left() == Money(2000)
        assert faults(portal) == ()

    def test_pending_keeps_the_shield(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.PENDING))

        assert payment.state is S.PENDING
        assert invoice(portal).open_payment == payment.reference

    def test_pending_again_after_an_end_shields_again(self, portal, registry):
        payment = opened(portal, registry)

        tell(portal, registry, payment, evidence(K.REFUSED, transaction="u0"), evidence(K.PENDING))

        assert invoice(portal).open_payment == payment.reference

    def test_pending_again_after_an_end_is_asked_about_again(self, portal, registry):
        payment = opened(portal, registry)
        tell(portal, registry, payment, evidence(K.REFUSED, transaction="u0"))
        del portal["paiements"].to_ask[payment.reference]

        tell(portal, registry, payment, evidence(K.PENDING))

        assert portal["paiements"].to_ask[payment.reference] == AT

    def test_an_older_attempt_that_is_open_again_takes_the_shield_over(self, portal, registry):
        first = opened(portal, registry)
        tell(portal, registry, first, evidence(K.REFUSED, transaction="u0"))
        second = opened(portal, registry)
        tell(portal, registry, first, evidence(K.PENDING))

        tell(portal, registry, second, evidence(K.REFUSED, transaction="u9"))

        assert invoice(portal).open_payment == first.reference
        assert faults(portal) == ()

    def test_an_operation_of_another_payment_is_set_aside(self, portal, registry):
        first, second = opened(portal, registry), opened(portal, registry, "2026-9174")
        tell(portal, registry, first, evidence(K.AUTHORISED))

        assert tell(portal, registry, second, evidence(K.AUTHORISED)) == [Outcome.QUARANTINED]
        assert second.state is S.REDIRECTED
        assert faults(portal) == ()

    def test_what_is_unclear_changes_no_state(self, portal, registry):
        payment = opened(portal, registry)

        assert tell(portal, registry, payment, evidence(K.UNCLEAR)) == [Outcome.QUARANTINED]
        assert payment.state is S.REDIRECTED

    @pytest.mark.parametrize("channel", list(Channel))
    def test_what_was_unclear_counts_once_it_is_told_clearly_in_the_same_words(self, portal, registry, channel):
        payment = opened(portal, registry)
        clear = evidence(K.AUTHORISED)._replace(channel=channel)

        outcomes = tell(portal, registry, payment, evidence(K.UNCLEAR), clear, clear)

        assert outcomes == [Outcome.QUARANTINED, Outcome.APPLIED, Outcome.DUPLICATE]
        assert (payment.state, payment.held) == (S.ACCEPTED, {"2026-9161": Money(6000)})
        assert faults(portal) == ()

    def test_what_is_unclear_after_it_was_told_clearly_changes_no_state(self, portal, registry):
        payment = opened(portal, registry)

        outcomes = tell(portal, registry, payment, evidence(K.AUTHORISED), *[evidence(K.UNCLEAR)] * 2)

        assert outcomes == [Outcome.APPLIED, Outcome.QUARANTINED, Outcome.DUPLICATE]
        assert (payment.state, payment.held) == (S.ACCEPTED, {"2026-9161": Money(6000)})

    def test_what_the_bank_does_not_know_expires_and_frees(self, portal, registry):
        payment = opened(portal, registry)

        expire(portal, payment, AT)

        assert payment.state is S.EXPIRED
        assert invoice(portal).open_payment is None

    def test_pending_never_expires(self, portal, registry):
        payment = opened(portal, registry)
        tell(portal, registry, payment, evidence(K.PENDING))

        expire(portal, payment, AT)

        assert payment.state is S.PENDING

    def test_receipts_of_a_regie_are_numbered_without_a_gap(self, portal, registry):
        for name, bank in (("2026-9161", "u1"), ("2026-9174", "u2")):
            tell(portal, registry, opened(portal, registry, name), evidence(K.AUTHORISED, 6000, transaction=bank))

        numbers = [receipt.number for payment in portal["paiements"].values() for receipt in payment.receipts]
        assert sorted(numbers) == ["2026-SCO-000001", "2026-SCO-000002"]
        assert faults(portal) == ()


#: Messages that the bank could send about one payment; a transaction has one amount, as at the bank.
MESSAGES = [
    evidence(K.AUTHORISED),
    evidence(K.CAPTURED),
    evidence(K.AUTHORISED, transaction="u2"),
    evidence(K.PENDING),
    evidence(K.REFUSED, transaction="u0"),
    evidence(K.ABANDONED, transaction=""),
    evidence(K.CREDIT, 2500, transaction="u3"),
    evidence(K.VOIDED),
    evidence(K.VOIDED, transaction="u2"),
    evidence(K.CHARGEBACK, 1000, transaction="u4"),
    evidence(K.UNCLEAR),
]


class TestAnyOrder:
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.sets(st.sampled_from(MESSAGES), min_size=1).flatmap(
        lambda chosen: st.tuples(st.permutations(sorted(chosen)), st.lists(st.sampled_from(sorted(chosen)), max_size=6))
    ))  # fmt: skip
    def test_and_any_repetition_of_evidence_ends_in_the_same_amounts(self, portal, registry, order_and_more):
        order, repeated = order_and_more
        ends = []
        for messages in (sorted(order), [*order, *repeated]):
            savepoint = portal._p_jar.transaction_manager.savepoint()
            payment = opened(portal, registry)
            tell(portal, registry, payment, *messages)
            paid = balance(account(portal).entries(), LedgerAccount.BANK)
            ends.append(
                (paid, account(portal).balance(), invoice(portal).left(), payment.unclassified, payment.is_paid)
            )
            assert faults(portal) == ()
            savepoint.rollback()

        assert ends[0] == ends[1]


def _pay_at_once(registry, barrier, results):
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    name = registry.settings_of_portal.root_name
    waits = iter([barrier.wait])
    try:
        for attempt in manager.attempts(10):
            with attempt:
                portal = connection.root()[name]
                assert invoice(portal).open_payment is not None or next(waits, lambda: 0)() is not None
                results.append(opened(portal, registry).reference)
    except NotPayable:
        results.append("shielded")
    finally:
        connection.close()


class TestTwoAtOnce:
    @pytest.mark.parametrize("storage", ["memory://", "embedded://{var}/database"])
    def test_two_threads_paying_one_invoice_open_one_payment(self, ini, clock, storage):
        app = make_app({**ini, "sevres.storage": storage}, clock)
        registry = app.registry
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        with manager:
            factories.store_invoice(factories.store_family(connection.root()["sevres_familles"]))
        barrier, results = threading.Barrier(2, timeout=20), []
        threads = [threading.Thread(target=_pay_at_once, args=(registry, barrier, results)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        with manager:
            payments = list(connection.root()["sevres_familles"]["paiements"])
        connection.close()
        registry._zodb_databases[""].close()
        assert len(payments) == 1
        # The one that lost may have appended a reference before its commit failed; in the end it met the shield.
        assert "shielded" in results
        assert payments[0] in results

    def test_an_import_published_meanwhile_conflicts_with_an_opening(self, registry, stored, family):
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        manager.begin()
        opened(connection.root()["sevres_familles"], registry)
        with stored() as portal:
            lots = portal.stores["lots"]
            lots.publish(lots.give())

        with pytest.raises(ConflictError):
            manager.commit()
        manager.abort()
        connection.close()


def test_every_pair_of_messages_keeps_the_books(portal, registry):
    for first, second in itertools.permutations(MESSAGES, 2):
        savepoint = portal._p_jar.transaction_manager.savepoint()
        tell(portal, registry, opened(portal, registry), first, second)
        assert faults(portal) == (), (first, second)
        savepoint.rollback()
