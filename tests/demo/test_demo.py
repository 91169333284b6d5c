"""The demonstration: its files are good, show what they are to show, and its towns are the same for the same seed."""

import csv
import hashlib
import os
import subprocess
import sysconfig
from datetime import date, timedelta
from pathlib import Path

import pytest

from sevres_familles.demo.accounts import ACCOUNTS, open_accounts
from sevres_familles.demo.town import write_town
from sevres_familles.demo.writing import on_day, write_demonstration
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.references import is_printed_password
from sevres_familles.identity.resources import Scope
from sevres_familles.identity.services import authenticate, codes_with_email, faults_of_password
from sevres_familles.payments.checking import verify_portal
from sevres_familles.regies.exchange.running import run
from sevres_familles.regies.exchange.workspace import workspace_in
from tests.conftest import NOW

TODAY = date(2026, 11, 23)
BIN = Path(sysconfig.get_path("scripts"))


@pytest.fixture
def town(registry, stored, tmp_path):
    """The demonstration, taken in."""
    outcome = run(registry, write_demonstration(tmp_path / "demo", TODAY), at=NOW)
    assert not outcome.faults, outcome.faults.report()
    return stored


def states_of(account):
    return {invoice.status(TODAY).state for invoice in account}


@pytest.mark.parametrize("day", [date(2026, 1, 1), date(2027, 3, 31), date(2028, 2, 29), date(2026, 8, 15)])
def test_the_files_are_good_on_any_day(registry, tmp_path, day):
    outcome = run(registry, write_demonstration(tmp_path / "demo", day), at=NOW)

    assert (outcome.lot, outcome.faults.report()) == (1, "")


def test_days_are_written_as_they_are_on_the_day():
    assert on_day("{J-23};{A-400};{M-31};{J+8};{x}", TODAY) == "31/10/2026;2025;Octobre 2026;01/12/2026;{x}"


def test_files_that_are_there_stay(tmp_path):
    write_demonstration(tmp_path, TODAY)
    before = (tmp_path / "factures.csv").read_bytes()

    write_demonstration(tmp_path, TODAY + timedelta(days=40))

    assert (tmp_path / "factures.csv").read_bytes() == before


def test_the_family_of_the_guide_is_as_in_the_guide(town):
    with town() as portal:
        first, second = portal["familles"]["26719"].record.guardians
        assert (first.civility, first.name, first.mobile) == ("Monsieur", "DUPOND Pierre", "06.07.08.09.10")
        assert (first.email, first.phone) == ("dupond@free.fr", "09.56.56.56.56")
        assert first.address.lines() == ("12 Grande Rue", "92310 SEVRES")
        assert (second.civility, second.name, second.mobile, second.phone) == (
            "Madame", "DUPOND Danielle", "", "09.56.56.56.56",
        )  # fmt: skip
        (invoice,) = portal["familles"]["26719"]["comptes"]["scolaire"]
        assert invoice.reference == "CANTINES-9161-26719"
        assert (invoice.facts.label, invoice.left()) == ("FACTURATION CANTINES OCTO", Money(6000))


def test_every_state_is_there_in_every_regie(town):
    # A payment under way is what no file can bring; a credit note is another family's.
    every = set(InvoiceState) - {InvoiceState.PENDING, InvoiceState.CREDIT_NOTE}
    with town() as portal:
        accounts = portal["familles"]["25310"]["comptes"]
        assert {account.__name__: states_of(account) for account in accounts} == {
            "beauregard": every,
            "petite-enfance": every,
            "scolaire": every,
        }
        assert len(list(accounts["scolaire"])) >= 30


def test_the_others_show_what_they_are_to_show(town, registry):
    with town() as portal:
        families = portal["familles"]
        assert families["27105"]["comptes"]["scolaire"].balance() < ZERO
        assert InvoiceState.CREDIT_NOTE in states_of(families["27105"]["comptes"]["scolaire"])
        assert InvoiceState.LATE in states_of(families["24988"]["comptes"]["scolaire"])
        assert families["26103"].record.children == families["26104"].record.children
        assert set(codes_with_email(portal, registry, "famille.benali@courriel.example")) == {"25771", "25772"}
        assert len(families["26533"].record.guardians) == 1
        assert "D’ESTIENNE D’ORVES" in families["27440"].record.guardians[0].name


def test_balances_are_what_the_invoices_leave(town):
    with town() as portal:
        assert verify_portal(portal).faults == ()
        for family in portal["familles"].values():
            for account in family["comptes"]:
                assert account.imported_balance[0] == account.balance()


class TestAccounts:
    def test_the_five_open_with_the_passwords_of_the_readme(self, town, registry):
        with town() as portal:
            assert open_accounts(portal, registry, NOW) == ACCOUNTS

        with town() as portal:
            for account in ACCOUNTS:
                scope = authenticate(portal, registry, account.code, account.password, NOW)
                assert scope is (Scope.ACTIVATION if account.is_printed else Scope.FAMILY)

    def test_again_they_stay_as_they_are(self, town, registry):
        with town() as portal:
            open_accounts(portal, registry, NOW)
            stores = portal.stores["credentials"]
            before = [stores[account.code].password or stores[account.code].printed for account in ACCOUNTS]

            assert open_accounts(portal, registry, NOW) == ()
            assert [stores[each.code].password or stores[each.code].printed for each in ACCOUNTS] == before

    def test_their_passwords_keep_the_rules(self, town, registry):
        with town() as portal:
            for account in ACCOUNTS:
                if account.is_printed:
                    assert is_printed_password(account.password)
                else:
                    assert faults_of_password(portal, registry, account.code, account.password) == []


class TestTown:
    def hashes(self, folder):
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}

    def test_is_the_same_for_the_same_seed_and_another_for_another(self, tmp_path):
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            write_town(tmp_path / name, families=20, seed=seed, today=TODAY)

        assert self.hashes(tmp_path / "a") == self.hashes(tmp_path / "b")
        assert self.hashes(tmp_path / "a") != self.hashes(tmp_path / "c")

    def test_is_taken_in_without_a_fault(self, registry, tmp_path):
        write_town(tmp_path / "town", families=60, seed=3, today=TODAY)

        outcome = run(registry, sorted((tmp_path / "town").iterdir()), at=NOW)

        assert (outcome.faults.report(), outcome.planned) == ("", 60)
        assert sum(tally.new for tally in outcome.comparison.invoices.values()) == 300

    def test_has_as_many_invoices_and_lines_as_asked(self, tmp_path):
        write_town(tmp_path, families=4, seed=1, today=TODAY, invoices_each=30, lines_each=2)

        with (tmp_path / "lignes.csv").open(encoding="utf-8") as file:
            *_, total = csv.reader(file, delimiter=";")
        assert total[:2] == ["TOTAL", "240"]


class TestCommands:
    """The commands as people type them, on the configuration of development."""

    @pytest.fixture
    def command(self, tmp_path):
        environ = os.environ | {"VAR": str(tmp_path / "var"), "PORT": "6790", "PYTHONWARNINGS": "ignore"}

        def run_command(name, *arguments):
            done = subprocess.run(
                [BIN / name, *map(str, arguments)], env=environ, capture_output=True, text=True, check=False
            )
            return done.returncode, (done.stderr + done.stdout).splitlines()

        return run_command

    def test_make_the_demonstration(self, command, tmp_path):
        demo = tmp_path / "demo"
        assert command("sevres-demo", demo)[0] == 0
        assert command("sevres-init", "development.ini")[0] == 0

        assert command("sevres-import", "development.ini", "--dry-run", *sorted(demo.iterdir()))[1][-1] == (
            "Essai : 11 familles changeraient ; rien n’a été écrit."
        )
        assert (
            command("sevres-import", "development.ini", *sorted(demo.iterdir()))[1][-1] == "Lot 1 publié : 11 familles."
        )
        code, lines = command("sevres-import", "development.ini", *sorted(demo.iterdir()))
        assert (code, lines[-1]) == (0, "Rien ne change.")
        (demo / "soldes.csv").write_text("code famille;régie;solde;date du calcul\n26719;scolaire;1.00;01/01/2026\n")
        code, lines = command("sevres-import", "development.ini", demo / "soldes.csv")
        assert (code, lines[-1]) == (1, "2 fautes : rien n’a été importé.")
        assert command("sevres-demo", "--accounts", "development.ini")[1][-1] == "5 comptes de démonstration ouverts."
        assert command("sevres-demo", "--accounts", "development.ini")[1] == ["0 compte de démonstration ouvert."]

    def test_say_that_another_import_runs(self, command, tmp_path):
        command("sevres-init", "development.ini")
        (file,) = [each for each in write_demonstration(tmp_path / "demo", TODAY) if each.name == "familles.csv"]

        with workspace_in(tmp_path / "var"):
            told = command("sevres-import", "development.ini", file)

        assert told == (1, ["Un autre import est en cours : attendez sa fin, puis recommencez."])

    def test_give_no_demonstration_password_in_production(self, command, tmp_path):
        ini = tmp_path / "production.ini"
        changes = {
            "environment = development": "environment = production",
            "public_url = http://localhost:{port}": "public_url = https://familles.ville.example",
            "http://127.0.0.1:{bank_port}": "https://banque.example",
            "bank_mode = TEST": "bank_mode = PRODUCTION",
            "town_file = sevres_familles:demo/ville.toml": "town_file = tests/host/valombre/ville.toml",
        }
        text = Path("development.ini").read_text()
        for before, after in changes.items():
            assert before in text
            text = text.replace(before, after)
        ini.write_text(text)
        secrets = tmp_path / "var" / "secrets"
        for folder in (secrets.parent, secrets):
            folder.mkdir(mode=0o700)
        for name in ("bank.key", "bank-rest.password"):
            (secrets / name).touch(mode=0o600)
            (secrets / name).write_text("secret")
        assert command("sevres-init", ini)[0] == 0

        told = command("sevres-demo", "--accounts", ini)

        assert told == (1, ["Les comptes de démonstration sont refusés ici (sevres.demo_data, en recette seulement)."])

    def test_refuse_what_they_do_not_understand(self, command):
        assert command("sevres-demo")[0] == 2
        assert command("sevres-import", "development.ini")[0] == 2
