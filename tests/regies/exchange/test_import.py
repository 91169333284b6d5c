"""What an import writes: figures, ledger, reports; and what it leaves alone."""

import threading
from datetime import date

import pytest
import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ZODB.POSException import ConflictError

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount, check_chain
from sevres_familles.domain.money import Money
from sevres_familles.identity.services import codes_with_email
from sevres_familles.payments.checking import account_faults
from sevres_familles.regies.exchange import staging
from sevres_familles.regies.exchange.running import run
from sevres_familles.regies.exchange.workspace import ImportRunning, workspace_in
from tests.conftest import NOW, make_app
from tests.regies.exchange.making import Folder, balance, child, euros, family, invoice, line

P1, P2 = "P-7KQ4M2XDN", "P-23456789F"
CANTEEN = {"familles": [family()], "factures": [invoice()], "lignes": [line()]}


def account_of(portal, code="26719"):
    return portal["familles"][code]["comptes"]["scolaire"]


def pay(account, cents, reference=P1, name="2026-9161"):
    """Pay as payments do: the entry, and the invoice's share; a negative sum gives back."""
    kind, debit, credit = EntryKind.PAYMENT, LedgerAccount.BANK, LedgerAccount.FAMILY
    if cents < 0:
        kind, debit, credit = EntryKind.REFUND, credit, debit
    account.book(Draft(NOW, kind, debit, credit, Money(abs(cents)), name, f"{reference} x"))
    account.invoices[name].record_payment(reference, Money(cents))


def kinds_and_cents(account):
    return [
        (entry.draft.kind, entry.draft.amount.cents * (1 if entry.draft.debit is LedgerAccount.FAMILY else -1))
        for entry in account.entries()
    ]


def sound(account):
    check_chain(account.billing.entries)
    assert list(account_faults(account, account.entries())) == []
    assert account.balance() == sum((each.left() for each in account), Money(0))


class TestFirstTime:
    def test_everything_shows_as_the_files_say(self, folder, stored, registry):
        outcome = folder.take(
            **CANTEEN
            | {"familles": [family(**{"R1 e-mail": "dupond@free.fr", "R2_nom": "DUPOND", "R2 voie": "Grande Rue"})]},
            enfants=[child(), child(first_name="Hugo", born="")],
            soldes=[balance()],
        )

        assert (outcome.lot, outcome.planned) == (1, 1)
        with stored() as portal:
            record = portal["familles"]["26719"].record
            assert [each.name for each in record.guardians] == ["DUPOND Pierre", "DUPOND"]
            assert record.guardians[1].address.street == "Grande Rue"
            assert [(each.first_name, each.born_on) for each in record.children] == [
                ("Léa", date(2018, 5, 4)),
                ("Hugo", None),
            ]
            account = account_of(portal)
            assert account.imported_balance == (Money(6000), date(2026, 11, 16))
            assert account["2026-9161"].reference == "CANTINES-9161-26719"
            assert account["2026-9161"].facts.lines[0].activity == "Restauration scolaire"
            assert account["2026-9161"].status(date(2026, 11, 23)).state is InvoiceState.DUE
            assert kinds_and_cents(account) == [(EntryKind.INVOICED, 6000)]
            assert account.entries()[0].draft.document == "lot 1, factures.csv"
            assert list(codes_with_email(portal, registry, "Dupond@FREE.fr")) == ["26719"]
            sound(account)

    def test_what_was_paid_before_is_an_entry_of_its_own(self, folder, stored):
        folder.take(**CANTEEN | {"factures": [invoice(left="0,00", état="payée au guichet")]})

        with stored() as portal:
            assert kinds_and_cents(account_of(portal)) == [
                (EntryKind.INVOICED, 6000),
                (EntryKind.BILLING_CHANGE, -6000),
            ]
            sound(account_of(portal))

    def test_a_credit_note_is_owed_to_the_family(self, folder, stored):
        folder.take(**CANTEEN | {"factures": [invoice(total="-25,00")], "lignes": [line(amount="-25,00")]})

        with stored() as portal:
            assert kinds_and_cents(account_of(portal)) == [(EntryKind.INVOICED, -2500)]
            assert account_of(portal).balance() == Money(-2500)
            sound(account_of(portal))

    def test_an_invoice_of_nothing_has_no_entry(self, folder, stored):
        folder.take(**CANTEEN | {"factures": [invoice(total="0,00")], "lignes": [line(amount="0,00")]})

        with stored() as portal:
            assert kinds_and_cents(account_of(portal)) == []

    def test_lines_that_are_scattered_find_their_invoice(self, folder, stored):
        folder.take(
            familles=[family()],
            factures=[invoice("1", total="30,00"), invoice("2", total="5,00")],
            lignes=[line("1", "10,00"), line("2", "5,00"), line("1", "20,00")],
        )

        with stored() as portal:
            amounts = [each.amount.cents for each in account_of(portal)["2026-1"].facts.lines]
            assert amounts == [1000, 2000]

    def test_an_invoice_may_have_any_number_of_lines(self, folder, stored):
        many = [line("1", euros(each)) for each in range(1, 452)]

        folder.take(familles=[family()], factures=[invoice("1", total=euros(451 * 226))], lignes=many)

        with stored() as portal:
            amounts = [each.amount.cents for each in account_of(portal)["2026-1"].facts.lines]
            assert amounts == list(range(1, 452))

    @pytest.mark.parametrize(
        ("quantity", "unit", "amount"),
        [("7,5", "2,05", "15,38"), ("7,5", "2,05", "15,37"), ("-10", "3,75", "-37,50"), ("7 h 30", "1,00", "9,00")],
    )
    def test_an_amount_is_rounded_either_way_and_quantities_in_words_are_not_reckoned(
        self, folder, quantity, unit, amount
    ):
        lines = [line(amount=amount, quantité=quantity, **{"prix unitaire": unit})]

        assert not folder.take(familles=[family()], factures=[invoice(total=amount)], lignes=lines).faults

    def test_the_report_is_kept(self, folder, stored):
        folder.take(**CANTEEN)

        with stored() as portal:
            report = portal.stores["imports"].reports[1]
            assert (report.lot, report.at, report.families["new"]) == (1, NOW, 1)
            assert report.invoices["scolaire"] | {"new": 1, "new_cents": 6000} == report.invoices["scolaire"]
            assert [(name, kind, rows) for name, _, kind, rows in report.files] == [
                ("familles.csv", "familles", 1),
                ("factures.csv", "factures", 1),
                ("lignes.csv", "lignes", 1),
            ]
            assert all(len(sha256) == 64 for _, sha256, _, _ in report.files)
            assert not portal.stores["imports"].touched


class TestAgain:
    @pytest.fixture(autouse=True)
    def known(self, folder):
        folder.take(**CANTEEN, enfants=[child()], soldes=[balance()])

    def test_the_same_files_change_nothing(self, folder, registry):
        storage = registry._zodb_databases[""].storage
        before = storage.lastTransaction()

        outcome = folder.take(**CANTEEN, enfants=[child()], soldes=[balance()])

        assert (outcome.lot, outcome.planned, bool(outcome.faults)) == (None, 0, False)
        assert storage.lastTransaction() == before

    def test_only_what_differs_is_written(self, folder, stored):
        outcome = folder.take(**CANTEEN | {"familles": [family(), family("99")]}, soldes=[balance("61,00")])

        assert outcome.planned == 2
        with stored() as portal:
            assert portal["familles"]["26719"]._staged.lot == 1
            assert account_of(portal).imported_balance[0] == Money(6100)

    def test_a_changed_rest_is_one_entry_of_the_difference(self, folder, stored):
        folder.take(factures=[invoice(left="20,00")])
        folder.take(factures=[invoice(left="35,00")])

        with stored() as portal:
            assert kinds_and_cents(account_of(portal))[1:] == [
                (EntryKind.BILLING_CHANGE, -4000),
                (EntryKind.BILLING_CHANGE, 1500),
            ]
            sound(account_of(portal))

    def test_a_state_alone_is_no_entry(self, folder, stored):
        folder.take(factures=[invoice(état="transmise au Trésor")])

        with stored() as portal:
            account = account_of(portal)
            assert account["2026-9161"].status(date(2026, 11, 23)).state is InvoiceState.SENT_TO_TREASURY
            assert len(account.entries()) == 1

    def test_an_invoice_that_the_file_leaves_out_is_listed_and_stays(self, folder, stored):
        outcome = folder.take(factures=[invoice("7")], lignes=[line("7")])

        assert outcome.absent["scolaire"] == (1, ("2026-9161 (famille 26719)",))
        with stored() as portal:
            assert account_of(portal)["2026-9161"].left() == Money(6000)

    def test_children_go_with_the_families_that_are_told_with_them(self, folder, stored):
        folder.take(familles=[family(R1_ville="SEVRES")])
        with stored() as portal:
            assert len(portal["familles"]["26719"].record.children) == 1

        folder.take(enfants=[child(first_name="Hugo")])
        with stored() as portal:
            record = portal["familles"]["26719"].record
            assert [each.first_name for each in record.children] == ["Hugo"]
            assert record.guardians[0].address.town == "SEVRES"

    def test_a_dry_run_tells_and_writes_nothing(self, folder, registry):
        storage = registry._zodb_databases[""].storage
        before = storage.lastTransaction()

        outcome = folder.take(dry_run=True, factures=[invoice(left="20,00"), invoice("7")], lignes=[line(), line("7")])

        tally = outcome.comparison.invoices["scolaire"]
        assert (tally.new, tally.new_cents, tally.changed, tally.changed_cents, tally.same) == (1, 6000, 1, -4000, 0)
        assert (outcome.lot, outcome.planned) == (None, 1)
        assert storage.lastTransaction() == before


class TestOurPayments:
    @pytest.fixture(autouse=True)
    def paid(self, folder, stored):
        folder.take(**CANTEEN)
        with stored() as portal:
            pay(account_of(portal), 2500)

    @pytest.mark.parametrize(
        ("left", "counted", "due", "entries"),
        [
            ("60,00", "", 3500, []),
            ("35,00", P1, 3500, []),
            ("30,00", P1, 3000, [-500]),
            ("40,00", "", 1500, [-2000]),
            ("45,00", f"{P1}=10,00", 3000, [-500]),
        ],
    )
    def test_the_file_counts_them_or_they_are_deducted(self, folder, stored, left, counted, due, entries):
        folder.take(factures=[invoice(left=left, paiements_comptés=counted)])

        with stored() as portal:
            account = account_of(portal)
            assert account["2026-9161"].left() == Money(due)
            changes = [cents for kind, cents in kinds_and_cents(account) if kind is EntryKind.BILLING_CHANGE]
            assert changes == entries
            sound(account)

    @pytest.mark.parametrize("counted", [P1, f"{P1}=25,00"])
    def test_no_file_reopens_what_the_bank_paid(self, folder, counted):
        assert folder.faults(factures=[invoice(left="35,01", paiements_comptés=counted)]) == [
            "factures.csv, ligne 2, colonne « reste à payer » : Le reste à payer est de 35,01\u00a0€. "
            "Il va de 0,00\u00a0€ à 35,00\u00a0€ : la facture est de 60,00\u00a0€, "
            "dont 25,00\u00a0€ de paiements comptés."
        ]

    def test_a_payment_cannot_be_counted_for_more_than_it_is(self, folder):
        assert folder.faults(factures=[invoice(left="0,00", paiements_comptés=f"{P1}=25,01")]) == [
            "factures.csv, ligne 2, colonne « paiements comptés » : Le paiement P-7KQ4M2XDN est de 25,00\u00a0€, "
            "le fichier en compte 25,01\u00a0€. "
            "Ne comptez que nos paiements de cette facture, pour leur montant ou une part."
        ]

    def test_what_was_counted_and_is_given_back_is_owed_again(self, folder, stored):
        folder.take(factures=[invoice(left="35,00", paiements_comptés=P1)])
        with stored() as portal:
            pay(account_of(portal), -2500)
        with stored() as portal:
            assert account_of(portal)["2026-9161"].left() == Money(6000)

        again = folder.take(factures=[invoice(left="35,00", paiements_comptés=P1)])
        assert again.lot is None

        folder.take(factures=[invoice(left="60,00")])
        with stored() as portal:
            account = account_of(portal)
            assert account["2026-9161"].left() == Money(6000)
            sound(account)

    def test_a_payment_that_is_counted_no_more_is_deducted_again(self, folder, stored):
        folder.take(factures=[invoice(left="35,00", paiements_comptés=P1)])

        folder.take(factures=[invoice(left="60,00")])

        with stored() as portal:
            assert account_of(portal)["2026-9161"].left() == Money(3500)
            sound(account_of(portal))

    def test_a_cancelled_invoice_that_was_paid_is_a_credit(self, folder, stored):
        folder.take(factures=[invoice(left="0,00", état="annulée")])

        with stored() as portal:
            assert account_of(portal).balance() == Money(-2500)
            sound(account_of(portal))


class TestStaging:
    def test_nothing_shows_before_publication(self, folder, stored, monkeypatch):
        folder.take(**CANTEEN)
        monkeypatch.setattr(staging.Import, "_publish", lambda self, *_: self.tm.doom())

        with pytest.raises(transaction.interfaces.DoomedTransaction):
            folder.take(
                familles=[family(R1_nom="DURAND"), family("99")],
                factures=[invoice(left="1,00"), invoice("2"), invoice("3", "99")],
                lignes=[line(), line("2"), line("3")],
                soldes=[balance()],
            )

        with stored() as portal:
            assert "99" not in portal["familles"]
            assert portal["familles"]["26719"].record.guardians[0].last_name == "DUPOND"
            account = account_of(portal)
            assert [each.__name__ for each in account] == ["2026-9161"]
            assert (account.balance(), account.imported_balance) == (Money(6000), None)
            sound(account)

    def test_the_next_run_takes_the_remains_away(self, folder, stored, monkeypatch):
        self.test_nothing_shows_before_publication(folder, stored, monkeypatch)

        with stored() as portal:
            pay(account_of(portal), 1000)
        outcome = folder.take(factures=[invoice()])

        assert (outcome.cleaned, outcome.lot) == (2, None)
        with stored() as portal:
            account = account_of(portal)
            assert portal["familles"].staged("99") is None
            assert list(account.invoices) == ["2026-9161"]
            assert len(account.billing.lines) == 1
            assert not portal.stores["imports"].touched
            assert account.balance() == Money(5000)

    def test_a_conflict_is_tried_again(self, folder, stored, monkeypatch):
        folder.take(**CANTEEN)
        stage, met = staging.Import._stage, []

        def paid_meanwhile(self, lot, code, *changes):
            stage(self, lot, code, *changes)
            if not met:
                met.append(code)
                with stored() as portal:
                    pay(account_of(portal), 1000)

        monkeypatch.setattr(staging.Import, "_stage", paid_meanwhile)

        assert folder.take(factures=[invoice(left="50,00")]).lot == 2
        with stored() as portal:
            assert account_of(portal)["2026-9161"].left() == Money(4000)
            sound(account_of(portal))

    def test_one_import_runs_at_a_time(self, folder, registry):
        with workspace_in(registry.settings_of_portal.var), pytest.raises(ImportRunning):
            folder.take(**CANTEEN)

    def test_nothing_of_the_files_stays_in_the_folder_of_state(self, folder, registry):
        folder.take(**CANTEEN)

        left = [each.name for each in (registry.settings_of_portal.var / "import").iterdir()]
        assert left == ["lock"]


def test_families_pay_while_an_import_runs(tmp_path, ini, clock, monkeypatch):
    monkeypatch.setattr(staging, "BATCH_WEIGHT", 6)
    app = make_app(ini | {"sevres.storage": "embedded://{var}/database"}, clock)
    database = app.registry._zodb_databases[""]
    folder = Folder(tmp_path / "files", app.registry)
    codes = [str(each) for each in range(1, 41)]
    families = [family(code) for code in codes]
    lines = [line(code) for code in codes]
    folder.take(familles=families, factures=[invoice(code, code) for code in codes], lignes=lines)
    stop, paid = threading.Event(), []

    def keep_paying():
        manager = transaction.TransactionManager(explicit=True)
        connection = database.open(transaction_manager=manager)
        while not stop.is_set():
            code = codes[len(paid) % len(codes)]
            manager.begin()
            try:
                pay(account_of(connection.root()["sevres_familles"], code), 100, name=f"2026-{code}")
                manager.commit()
                paid.append(code)
            except ConflictError:
                manager.abort()
        connection.close()

    payer = threading.Thread(target=keep_paying)
    payer.start()
    for left in ("50,00", "40,00", "55,00"):
        outcome = folder.take(factures=[invoice(code, code, left=left) for code in codes])
        assert outcome.lot is not None
    stop.set()
    payer.join()

    assert paid
    with database.transaction() as connection:
        portal = connection.root()["sevres_familles"]
        for code in codes:
            account = account_of(portal, code)
            expected = 5500 - 100 * paid.count(code)
            assert account[f"2026-{code}"].left() == Money(expected)
            sound(account)
    database.close()


class TestAnySequence:
    """Whatever files and payments come, the ledger says of each invoice what the invoice says of itself."""

    steps = st.lists(
        st.one_of(
            st.tuples(st.just("file"), st.integers(0, 6000), st.sets(st.sampled_from([P1, P2]))),
            st.tuples(st.just("pay"), st.integers(1, 3000), st.sampled_from([P1, P2])),
            st.tuples(st.just("refund"), st.integers(1, 3000), st.sampled_from([P1, P2])),
        ),
        max_size=8,
    )

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=steps)
    def test_keeps_the_books(self, folder, stored, steps):
        with stored() as portal:
            code = str(len(portal["familles"]) + 1)
        name = f"2026-{code}"
        folder.take(familles=[family(code)], factures=[invoice(code, code)], lignes=[line(code)])
        for act, cents, what in steps:
            if act == "file":
                self.send(folder, stored, code, cents, what)
            else:
                with stored() as portal:
                    account = account_of(portal, code)
                    held = account[name].payments.get(what, Money(0)).cents
                    room = max(account[name].left().cents, 0) if act == "pay" else held
                    if min(cents, room):
                        pay(account, min(cents, room) * (1 if act == "pay" else -1), what, name)
            with stored() as portal:
                sound(account_of(portal, code))

    def send(self, folder, stored, code, cents, counted):
        """Send a file that says as much as may be said: some payments counted, what they leave at most."""
        with stored() as portal:
            known = account_of(portal, code)[f"2026-{code}"]
            before = {each.reference: each.amount for each in known.figures.counted}
            counted = sorted(counted & set(known.payments))
            taken = sum(before.get(each, known.payments[each]).cents for each in counted)
        left = min(cents, max(6000 - taken, 0))
        row = invoice(code, code, left=euros(left), paiements_comptés=" ".join(counted))
        outcome = run(folder.registry, folder.files(factures=[row]), at=NOW)
        assert not outcome.faults, outcome.faults.report()
