"""How accounts and invoices stand, for the screens."""

from datetime import date, timedelta

import pytest

from sevres_familles.domain.invoice import BillingFigures, BillingState, InvoiceState
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import Money
from sevres_familles.regies.services import movements_of, standing_of, standings_of
from tests import factories
from tests.conftest import NOW

TODAY = NOW.date()


@pytest.fixture
def family(stored):
    with stored() as portal:
        yield factories.store_family(portal)


def store(family, number, *, due_in=7, regie="scolaire", **options):
    due_on = TODAY + timedelta(days=due_in)
    invoiced = factories.facts(number, issued_on=due_on - timedelta(days=27), due_on=due_on)
    return factories.store_invoice(family, invoiced, regie=regie, **options)


def account(family, regie="scolaire"):
    return family["comptes"][regie]


class TestOrder:
    def test_unpaid_come_first_by_deadline_then_what_waits_then_what_is_over_the_newest_first(self, family):
        store(family, "paid-old", due_in=-60, remaining=Money(0))
        store(family, "cancelled", due_in=-30, state=BillingState.CANCELLED)
        store(family, "treasury", due_in=-90, state=BillingState.SENT_TO_TREASURY)
        store(family, "pending", due_in=-1).open_payment = "P-7KQ4M2XDN"
        store(family, "due")
        store(family, "part", due_in=3, remaining=Money(1))
        store(family, "late", due_in=-8)
        store(family, "paid-new", due_in=-20, remaining=Money(0))

        order = [each.invoice.facts.key.number for each in standing_of(account(family), TODAY).invoices]

        assert order == ["late", "part", "due", "pending", "treasury", "paid-new", "cancelled", "paid-old"]

    def test_the_account_with_the_nearest_deadline_comes_first(self, family):
        store(family, "1", due_in=9, regie="beauregard")
        store(family, "2", due_in=2, regie="scolaire")
        store(family, "3", due_in=1, regie="petite-enfance", remaining=Money(0))

        names = [each.account.__name__ for each in standings_of(family["comptes"], TODAY)]

        assert names == ["scolaire", "beauregard", "petite-enfance"]


class TestWhatIsToldAgain:
    """A standing is kept while nothing changes, and never longer."""

    def due(self, stored, today=TODAY):
        with stored() as portal:
            return standing_of(account(portal["familles"]["26719"]), today).due

    @pytest.fixture(autouse=True)
    def _one_invoice(self, stored):
        with stored() as portal:
            store(factories.store_family(portal), "1")
        assert self.due(stored) == Money(6000)

    def test_not_when_an_invoice_came(self, stored):
        with stored() as portal:
            store(portal["familles"]["26719"], "2")

        assert self.due(stored) == Money(12000)

    def test_not_when_a_lot_is_published(self, stored):
        with stored() as portal:
            lots = portal.stores["lots"]
            lot = lots.give()
            account(portal["familles"]["26719"])["2026-1"].stage(lot, BillingFigures(Money(100), BillingState.DUE))
        before = self.due(stored)
        with stored() as portal:
            portal.stores["lots"].publish(lot)

        assert (before, self.due(stored)) == (Money(6000), Money(100))

    def test_not_when_an_invoice_changed_in_this_very_transaction(self, stored):
        with stored() as portal:
            family = portal["familles"]["26719"]
            assert standing_of(account(family), TODAY).due == Money(6000)

            account(family)["2026-1"].record_payment("P-7KQ4M2XDN", Money(1000))

            assert standing_of(account(family), TODAY).due == Money(5000)

    def test_not_on_another_day(self, stored):
        def state(today):
            with stored() as portal:
                return standing_of(account(portal["familles"]["26719"]), today).invoices[0].status.state

        assert [state(TODAY), state(TODAY + timedelta(days=8))] == [InvoiceState.DUE, InvoiceState.LATE]


class TestSums:
    def test_what_is_due_is_what_can_be_paid_here(self, family):
        store(family, "late", due_in=-8)
        store(family, "part", remaining=Money(1500))
        store(family, "treasury", state=BillingState.SENT_TO_TREASURY)
        store(family, "pending").open_payment = "P-7KQ4M2XDN"

        standing = standing_of(account(family), TODAY)

        assert standing.due == Money(7500)
        assert standing.count(InvoiceState.LATE, InvoiceState.PART_PAID) == 2

    def test_nothing_is_due_on_an_account_without_invoices(self, family):
        store(family, "1", remaining=Money(0))

        assert standing_of(account(family), TODAY).due == Money(0)


class TestMovements:
    def test_tell_what_payments_did_to_an_invoice_and_to_no_other(self, family):
        invoice = store(family, "1")
        book(invoice, "P-AAAAAAAAA tx-1", EntryKind.PAYMENT)
        book(invoice, "P-AAAAAAAAA tx-2", EntryKind.REFUND)
        book(store(family, "2"), "P-BBBBBBBBB tx-3", EntryKind.PAYMENT)

        movements = [(each.kind, each.reference, each.amount) for each in movements_of(invoice)]

        assert movements == [
            (EntryKind.PAYMENT, "P-AAAAAAAAA", Money(6000)),
            (EntryKind.REFUND, "P-AAAAAAAAA", Money(6000)),
        ]

    def test_are_none_before_the_first_payment(self, family):
        assert list(movements_of(store(family, "1"))) == []


def book(invoice, document, kind):
    draft = Draft(NOW, kind, LedgerAccount.BANK, LedgerAccount.FAMILY, Money(6000), str(invoice.facts.key), document)
    invoice.account.book(draft)


def test_a_deadline_today_is_not_late(family):
    store(family, "1", due_in=0)

    (standing,) = standing_of(account(family), date(2026, 11, 23)).invoices

    assert standing.status.state is InvoiceState.DUE
