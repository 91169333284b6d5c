"""Retention: with ten years gone by, pieces go, and their sums and the chain stay."""

import hashlib
import signal
from collections import Counter
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
import transaction
from ZODB.POSException import ConflictError

from sevres_familles.domain.invoice import BillingFigures, BillingState
from sevres_familles.domain.ledger import GENESIS, LedgerAccount
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.families.resources import DeliveryChoice
from sevres_familles.identity.resources import Scope, Session
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.journals.taking import take_journal
from sevres_familles.payments.retention import ImportUnderWay, purge, purge_family, purge_part, terms_at
from sevres_familles.payments.scripts import purge_portal
from sevres_familles.payments.services import apply, expire
from sevres_familles.payments.suspense import hold, suspense_of
from sevres_familles.regies.exchange.resources import ImportReport
from sevres_familles.regies.resources import Invoice
from tests import factories
from tests.conftest import make_app, portal_stored
from tests.forking import forking
from tests.identity.helpers import give_password, give_printed_password
from tests.payments.dying import purge_at
from tests.payments.journal_making import journal
from tests.payments.making import AT, evidence, opened
from tests.regies.exchange import making as exchange

TEN_YEARS_LATER = datetime(2037, 1, 2, 4, tzinfo=UTC)
LOST = "P-7KQ4M2XDN"


@pytest.fixture
def folder(tmp_path, registry):
    return exchange.Folder(tmp_path / "files", registry)


def store_family(portal, code="26719"):
    """Store a family whose record came in with an import of that day."""
    family = factories.store_family(portal, code, key=b"a key that was in use then")
    report = ImportReport(family.changed_in, AT, files=(), families={}, invoices={}, balances={}, booked={})
    portal.stores["imports"].finish(report)
    return family


@pytest.fixture
def family(stored):
    with stored() as portal:
        factories.store_invoice(store_family(portal), factories.facts())


def pay(stored, registry, *names, transaction="u1", amount=6000, at=AT, code="26719"):
    with stored() as portal:
        payment = opened(portal, registry, *names, at=at, code=code)
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

    def test_the_proof_is_that_of_all_that_was_sealed(self, stored, registry, clock):
        with stored() as portal:
            factories.store_invoice(store_family(portal, "30001"), factories.facts("2"))
        pay(stored, registry)
        pay(stored, registry, "2026-2", transaction="u2", code="30001")
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            (proof,) = portal.stores["purges"].values()
            seals = GENESIS
            for code in ("26719", "30001"):
                account = portal["familles"].staged(code).nodes["comptes"].accounts["scolaire"]
                for journal in (account.billing, account.cash):
                    seals = hashlib.sha256(seals + journal.opening.digest).digest()
        assert (proof["invoices"], proof["families"], proof["seals"]) == (2, 2, seals.hex())

    def test_what_a_forgotten_family_chose_is_forgotten(self, stored, registry, clock):
        """Imported again, it is another family's consent, or an old one: paper is the rule."""
        pay(stored, registry)
        with stored() as portal:
            portal["familles"]["26719"].choose_delivery(DeliveryChoice(AT, electronic=True, by="famille"))
        clock.moment = TEN_YEARS_LATER
        purge(registry)

        with stored() as portal:
            family = portal["familles"].staged("26719")
            family.stage(family.lots.published, factories.DUPOND)
            give_password(portal, registry, "26719")
            portal.stores["credentials"]["26719"].email = "claire@ville.example"

            assert not family.electronic_only

    def test_a_free_invoice_goes_and_its_family_with_it(self, stored, registry, clock):
        """It made no entry."""
        with stored() as portal:
            invoice = factories.facts("3", amount=ZERO)
            account = factories.store_invoice(store_family(portal, "1"), factories.facts("4")).account
            account.invoices = {}
            account.billing = type(account.billing)(account)
            account.add_invoice(Invoice(invoice, BillingFigures(ZERO, BillingState.DUE), account.lots.published))
        clock.moment = TEN_YEARS_LATER

        assert purge(registry) == Counter(invoices=1, families=1)

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

    def test_its_addresses_are_forgotten_whatever_the_key_and_those_of_others_stay(self, stored, registry, clock):
        """Lines of a former address, or under a key that is in no file any more, are found by their code."""
        pay(stored, registry)
        with stored() as portal:
            portal.stores["emails"].note(b"another key", "26719", ["former@ville.example"])
            factories.store_invoice(store_family(portal, "30001"), factories.facts("2"))
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            assert {code for _, code in portal.stores["emails"]._lines} == {"30001"}

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
            family = store_family(portal, "1")
            factories.store_invoice(family, factories.facts("3"), state=state)
        clock.moment = TEN_YEARS_LATER

        counts = purge(registry)

        assert counts == Counter(entries=1, invoices=1, families=1)


def hold_lost(portal, *kinds):
    """Hold money of an order that nobody knows in a suspense account, and what became of it."""
    for number, kind in enumerate(kinds):
        hold(portal, "systempay", LOST, evidence(kind, transaction=f"u9{number}"))


class TestMoneyThatWaitsToBeClassified:
    """Its order names no payment of ours."""

    def test_stays_in_the_list_as_long_as_in_the_suspense_account(self, stored, registry, clock):
        with stored() as portal:
            hold_lost(portal, EvidenceKind.AUTHORISED)
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            found = verify_portal(portal)
            assert [(each.reference, each.amount) for each in found.unclassified] == [(LOST, Money(6000))]
            assert [each.reference for each in found.alerts] == [LOST]
            assert suspense_of(portal, "systempay").balance() == Money(6000)

    def test_leaves_the_list_once_it_was_given_back(self, stored, registry, clock):
        with stored() as portal:
            hold_lost(portal, EvidenceKind.AUTHORISED, EvidenceKind.CREDIT)
        clock.moment = TEN_YEARS_LATER

        purge(registry)

        with stored() as portal:
            assert list(portal.stores["unclassified"]) == list(portal.stores["alerts"]) == []


class TestFamiliesThatWereNeverBilled:
    """Nothing but their record is there: it is kept for two years after the last that happened."""

    @pytest.fixture(autouse=True)
    def _family(self, stored):
        with stored() as portal:
            store_family(portal)

    def test_are_forgotten_two_years_after_the_import_that_brought_them(self, stored, registry, clock):
        clock.moment = AT + timedelta(days=731)

        assert purge(registry) == Counter(families=1)
        with stored() as portal:
            assert "26719" not in portal["familles"]

    def test_are_kept_until_then(self, registry, clock):
        clock.moment = AT + timedelta(days=730)

        assert purge(registry) == Counter()

    def test_are_kept_when_they_came_in_since(self, stored, registry, clock):
        with stored() as portal:
            give_password(portal, registry, "26719")
            session = Session(AT + timedelta(days=300), Scope.FAMILY)
            portal.stores["credentials"]["26719"].open_session("t" * 32, session, timedelta(hours=12))
        clock.moment = AT + timedelta(days=1000)
        assert purge(registry) == Counter(tokens=1)

        clock.moment = AT + timedelta(days=1031)
        assert purge(registry) == Counter(families=1)

    def test_are_kept_when_a_file_told_their_balance_since(self, stored, registry, clock, folder):
        folder.take(familles=[exchange.family()], soldes=[exchange.balance(computed="16/11/2027")])
        clock.moment = AT + timedelta(days=1000)

        assert purge(registry) == Counter()

    def test_are_kept_when_a_file_changed_them_since(self, stored, registry, clock):
        with stored() as portal:
            family = portal["familles"]["26719"]
            lot = family.lots.give()
            family.stage(lot, factories.DUPOND._replace(children=()))
            at = AT + timedelta(days=300)
            report = ImportReport(lot, at, files=(), families={}, invoices={}, balances={}, booked={})
            portal.stores["imports"].finish(report)
            family.lots.publish(lot)
        clock.moment = AT + timedelta(days=1000)

        assert purge(registry) == Counter()


@pytest.mark.usefixtures("family")
class TestBesideAnImport:
    """What an import writes does not count yet: nothing may be sealed with it."""

    def stage(self, portal, code="26719"):
        """Do what an import does before it is killed: its lot is never published."""
        portal.stores["imports"].touch(0, [code])
        family = portal["familles"].staged(code)
        lot = family.lots.give()
        family.stage(lot, factories.DUPOND)
        for entry in account_in(portal).billing.entries:
            account_in(portal).billing.stage(lot, entry.draft)

    def test_nothing_is_purged_beside_one_that_died(self, stored, registry, clock):
        pay(stored, registry)
        with stored() as portal:
            self.stage(portal)
        clock.moment = TEN_YEARS_LATER

        for is_trial in (True, False):
            with pytest.raises(ImportUnderWay):
                purge(registry, is_trial=is_trial)

        with stored() as portal:
            assert "2026-9161" in account_in(portal).invoices
            assert list(portal.stores["purges"]) == []

    def test_the_command_says_why_nothing_is_purged(self, stored, registry, monkeypatch):
        with stored() as portal:
            self.stage(portal)

        @contextmanager
        def opened_here(ini):
            yield SimpleNamespace(registry=registry)

        monkeypatch.setattr("sevres_familles.payments.scripts.opened", opened_here)
        monkeypatch.setattr("sys.argv", ["sevres-purge", "x.ini"])

        with pytest.raises(SystemExit, match="Un import est en cours, ou s’est interrompu : rien n’est effacé"):
            purge_portal()

    def test_one_that_begins_meanwhile_undoes_what_the_purge_was_doing(self, stored, registry, clock):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER
        terms = terms_at(registry.settings_of_portal, clock.moment)
        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)
        manager.begin()
        purge_part(connection, registry, terms, partial(purge_family, code="26719"))
        with stored() as meanwhile:
            meanwhile.stores["imports"].touch(0, ["26719"])

        with pytest.raises(ConflictError):
            manager.commit()

        manager.abort()
        connection.close()
        with pytest.raises(ImportUnderWay):
            purge(registry)
        with stored() as portal:
            assert "2026-9161" in account_in(portal).invoices

    def test_once_the_next_import_has_cleaned_up_the_purge_goes_on(self, stored, registry, clock, folder):
        pay(stored, registry)
        with stored() as portal:
            self.stage(portal)
        folder.take(familles=[exchange.family("30001")])
        clock.moment = TEN_YEARS_LATER

        assert purge(registry)["invoices"] == 1
        with stored() as portal:
            assert verify_portal(portal).faults == ()

    def test_a_forgotten_family_that_a_dead_import_brought_again_keeps_its_sums(self, stored, registry, clock, folder):
        pay(stored, registry)
        clock.moment = TEN_YEARS_LATER
        purge(registry)
        with stored() as portal:
            self.stage(portal)

        folder.take(familles=[exchange.family("30001")])

        with stored() as portal:
            assert "26719" not in portal["familles"]
            assert account_in(portal).billing.opening.balance(LedgerAccount.BILLING) == Money(-6000)


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


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_commit_the_proofs_are_of_what_was_purged_and_the_next_purge_goes_on(ini, clock, after):
    ini |= {"sevres.storage": "embedded://{var}/database"}
    codes = ["30001", "30002", "30003", "30004"]
    clock.moment = AT
    app = make_app(ini, clock)
    for code in codes:
        with portal_stored(app.registry) as portal:
            factories.store_invoice(store_family(portal, code), factories.facts(code))
        pay(partial(portal_stored, app.registry), app.registry, f"2026-{code}", transaction=f"u{code}", code=code)

    def purge_until(commits, seconds):
        moment = TEN_YEARS_LATER + timedelta(seconds=seconds)
        process = forking.Process(target=purge_at, args=(ini, moment, commits), kwargs={"after": after})
        process.start()
        process.join()
        return process.exitcode

    for seconds, commits in enumerate((1, 2, 3)):
        assert purge_until(commits, seconds) == -signal.SIGKILL
        with portal_stored(app.registry) as portal:
            assert proved(portal) == sum(code not in portal["familles"] for code in codes)
            assert verify_portal(portal).faults == ()
    assert purge_until(0, 10) == 0

    with portal_stored(app.registry) as portal:
        assert [code for code in codes if code in portal["familles"]] == []
        assert proved(portal) == len(codes)
        assert len(portal.stores["purges"]) >= 2
    app.registry._zodb_databases[""].close()


def proved(portal):
    """Count the families that proofs say were forgotten."""
    return sum(proof.get("families", 0) for proof in portal.stores["purges"].values())


def test_an_exercice_begins_in_the_town_s_time(registry):
    just_before = datetime(2036, 12, 31, 22, 59, tzinfo=UTC)
    just_after = datetime(2036, 12, 31, 23, 0, tzinfo=UTC)

    terms = [terms_at(registry.settings_of_portal, moment).pieces.year for moment in (just_before, just_after)]

    assert terms == [2026, 2027]
