"""Retention: with ten years gone by, pieces go, and their sums and the chain stay."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.ledger import LedgerAccount
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.journals.taking import take_journal
from sevres_familles.payments.retention import purge, terms_at
from sevres_familles.payments.services import apply, expire
from tests import factories
from tests.identity.helpers import give_password, give_printed_password
from tests.payments.journal_making import journal
from tests.payments.making import AT, evidence, opened

TEN_YEARS_LATER = datetime(2037, 1, 2, 4, tzinfo=UTC)


@pytest.fixture
def family(stored):
    with stored() as portal:
        factories.store_family(portal)
        factories.store_invoice(portal["familles"]["26719"], factories.facts())


def pay(stored, registry, *names, transaction="u1", amount=6000, at=AT):
    with stored() as portal:
        payment = opened(portal, registry, *names, at=at)
        apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, amount, transaction=transaction, at=at))
        return payment.reference


def account_in(portal):
    return portal["familles"].staged("26719").nodes["comptes"].accounts["scolaire"]


@pytest.mark.usefixtures("family")
class TestTenYearsLater:
    def test_a_paid_invoice_goes_with_its_payment(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter(entries=2, invoices=1, payments=1, families=1)
        with stored() as portal:
            assert dict(account_in(portal).invoices) == {}
            assert list(portal["paiements"]) == []
            assert "26719" not in portal["familles"]

    def test_the_sums_stay_and_the_books_are_right(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            account = account_in(portal)
            assert account.billing.opening.balance(LedgerAccount.BILLING) == Money(-6000)
            assert account.cash.opening.balance(LedgerAccount.BANK) == Money(6000)
            assert account.balance() == ZERO
            assert verify_portal(portal).faults == ()

    def test_the_next_entry_goes_on_from_the_last_that_was_sealed(self, stored, registry, clock):
        pay(stored, registry)
        with stored() as portal:
            sealed = account_in(portal).billing.entries[-1]
        clock.moment = TEN_YEARS_LATER
        purge(registry)

        with stored() as portal:
            family = portal["familles"].staged("26719")
            family.stage(family.lots.published, factories.DUPOND)
            invoice = factories.store_invoice(family, factories.facts("1", issued_on=date(2036, 12, 1)))
            entry = invoice.account.billing.entries[0]

            assert (entry.sequence, entry.previous) == (sealed.sequence + 1, sealed.digest)
            assert verify_portal(portal).faults == ()

    def test_an_opening_that_was_changed_is_told(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER
        purge(registry)

        with stored() as portal:
            journal = account_in(portal).billing
            journal._opening = journal._opening.replace("6000", "6001")
            faults = verify_portal(portal).faults

        assert [fault for fault in faults if "opening" in fault]

    def test_a_second_purge_finds_nothing(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER
        purge(registry)

        assert purge(registry) == Counter()

    def test_a_trial_changes_nothing(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry, is_trial=True)

        assert counts["invoices"] == 1
        with stored() as portal:
            assert "2026-9161" in portal["familles"]["26719"]["comptes"]["scolaire"]
            assert list(portal.stores["purges"]) == []

    def test_a_proof_is_kept(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            (proof,) = portal.stores["purges"].values()
        assert (proof["invoices"], proof["payments"], len(proof["seals"])) == (1, 1, 64)

    def test_the_family_s_way_in_is_forgotten(self, stored, registry, clock):
        pay(stored, registry)
        with stored() as portal:
            give_password(portal, registry, "26719")
            portal.stores["credentials"]["26719"].email = "claire@ville.example"
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            assert "26719" not in portal.stores["credentials"]
            assert list(portal.stores["emails"]._lines) == []

    def test_receipts_still_have_no_gap(self, stored, registry, clock):
        pay(stored, registry)
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"], factories.facts("2", issued_on=date(2028, 1, 3)))
        pay(stored, registry, "2026-2", transaction="u2", at=datetime(2028, 1, 5, tzinfo=UTC))
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            assert len(list(portal["paiements"])) == 1
            assert verify_portal(portal).faults == ()

    def test_the_bank_s_journals_go(self, stored, registry, clock):
        clock.moment = AT
        take_journal(registry, "systempay", journal(), name="JT.csv")
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts["journals"] == 1
        with stored() as portal:
            assert list(portal.stores["journals"]) == []

    def test_what_no_journal_showed_is_looked_for_no_more(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            assert list(portal["paiements"].unmatched) == []


@pytest.mark.usefixtures("family")
class TestWhatStays:
    def test_nothing_goes_before_ten_whole_exercices(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = datetime(2036, 12, 31, 22, tzinfo=UTC)

        assert purge(registry) == Counter()

    def test_an_unpaid_invoice_stays_and_the_family_with_it(self, stored, registry, clock):
        clock.moment = TEN_YEARS_LATER

        assert purge(registry) == Counter()
        with stored() as portal:
            assert "26719" in portal["familles"]

    def test_what_stands_after_an_unpaid_invoice_stays(self, stored, registry, clock):
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"], factories.facts("2"))
        pay(stored, registry, "2026-2")
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter()
        with stored() as portal:
            assert verify_portal(portal).faults == ()

    def test_what_stands_before_an_unpaid_invoice_goes(self, stored, registry, clock):
        pay(stored, registry)
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"], factories.facts("2"))
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter(entries=2, invoices=1, payments=1)
        with stored() as portal:
            assert list(account_in(portal).invoices) == ["2026-2"]
            assert account_in(portal).balance() == Money(6000)
            assert verify_portal(portal).faults == ()

    def test_an_invoice_paid_together_with_a_younger_one_stays(self, stored, registry, clock):
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"], factories.facts("2", issued_on=date(2027, 1, 4)))
        pay(stored, registry, "2026-9161", "2026-2", amount=12000)
        clock.moment = TEN_YEARS_LATER

        assert purge(registry) == Counter()

    def test_money_that_no_invoice_could_take_stays(self, stored, registry, clock):
        pay(stored, registry, amount=7000)
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter()
        with stored() as portal:
            assert len(portal.stores["unclassified"]) == 1
            assert verify_portal(portal).faults == ()

    @pytest.mark.parametrize("state", [BillingState.CANCELLED, BillingState.SENT_TO_TREASURY])
    def test_an_invoice_that_is_not_owed_here_any_more_goes(self, stored, registry, clock, state):
        with stored() as portal:
            family = factories.store_family(portal, "1")
            factories.store_invoice(family, factories.facts("3"), state=state)
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter(entries=1, invoices=1, families=1)


@pytest.mark.usefixtures("family")
class TestWhatGoesSooner:
    def test_an_attempt_that_took_no_money(self, stored, registry, clock):
        with stored() as portal:
            expire(portal, opened(portal, registry), AT + timedelta(minutes=20))
        clock.moment = AT + timedelta(days=401)

        assert purge(registry) == Counter(attempts=1)
        with stored() as portal:
            assert list(portal["paiements"].of("26719")) == []
            assert list(portal["paiements"].bank_orders) == []
            assert verify_portal(portal).faults == ()

    def test_but_not_one_that_the_bank_keeps_pending(self, stored, registry, clock):
        with stored() as portal:
            apply(portal, registry, opened(portal, registry), evidence(EvidenceKind.PENDING))
        clock.moment = AT + timedelta(days=401)

        assert purge(registry) == Counter()

    def test_a_printed_password_that_is_too_old(self, stored, registry, clock):
        with stored() as portal:
            give_printed_password(portal, registry, "26719")
        clock.advance(days=46)

        assert purge(registry) == Counter(tokens=1)
        with stored() as portal:
            assert portal.stores["credentials"]["26719"].printed is None


def test_an_exercice_begins_in_the_town_s_time(registry):
    just_before = datetime(2036, 12, 31, 22, 59, tzinfo=UTC)
    just_after = datetime(2036, 12, 31, 23, 0, tzinfo=UTC)

    terms = [terms_at(registry.settings_of_portal, moment).pieces.year for moment in (just_before, just_after)]

    assert terms == [2026, 2027]
