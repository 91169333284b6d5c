"""What the portal asks of a storage, tried on each: SQLite in a folder, and PostgreSQL."""

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest
import transaction
from pyramid.router import Router
from transaction.interfaces import NoTransaction
from ZODB.POSException import ConflictError
from ZODB.utils import u64

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.notifications.resources import TIDY_AFTER
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.services import NotPayable, apply
from sevres_familles.web import storage as storage_module
from sevres_familles.web.settings import WrongSettings, read_settings
from sevres_familles.web.storage import libpq_address
from tests import factories
from tests.conftest import NOW, browser_of, make_app, portal_stored
from tests.identity.helpers import PASSWORD, give_password, sign_in
from tests.journeys.town import BIN, write_ini
from tests.notifications.conftest import write_mail
from tests.payments.making import evidence, opened
from tests.postgres import running_postgres
from tests.regies.exchange.making import Folder, family, invoice, line


@pytest.fixture
def workers(ini: dict[str, str], clock: Any, storage: str) -> Iterator[tuple[Router, Router]]:
    """Two portals on one database, as two workers are."""
    with ExitStack() as stack:
        apps = []
        for _ in range(2):
            apps.append(make_app({**ini, "sevres.storage": storage}, clock))
            stack.callback(apps[-1].registry._zodb_databases[""].close)
        yield apps[0], apps[1]


@pytest.fixture
def dupond(workers) -> None:
    with portal_stored(workers[0].registry) as portal:
        factories.store_invoice(factories.store_family(portal))
        give_password(portal, workers[0].registry)


@contextmanager
def transaction_of(app: Router) -> Iterator[tuple[Any, Any]]:
    """Open a transaction by hand: (manager, portal)."""
    manager = transaction.TransactionManager(explicit=True)
    connection = app.registry._zodb_databases[""].open(transaction_manager=manager)
    manager.begin()
    try:
        yield manager, connection.root()["sevres_familles"]
    finally:
        with suppress(NoTransaction):
            manager.abort()
        connection.close()


class TestTwoWorkers:
    def test_what_one_writes_the_other_reads(self, workers, dupond):
        with portal_stored(workers[1].registry) as portal:
            account = portal["familles"]["26719"]["comptes"]["scolaire"]

            assert account["2026-9161"].left().cents == 6000
            assert verify_portal(portal).faults == ()

    def test_a_session_opened_by_one_is_known_and_ended_by_the_other(self, workers, dupond):
        first, second = map(browser_of, workers)
        sign_in(first, password=PASSWORD)
        second.cookiejar = first.cookiejar

        assert second.get("/familles/26719").status_int == 200
        forms = second.get("/familles/26719").forms.values()
        next(form for form in forms if form.action.endswith("/deconnexion")).submit()
        assert first.get("/familles/26719").status_int == 303

    def test_a_payment_opened_by_one_shields_its_invoices_from_the_other(self, workers, dupond):
        with portal_stored(workers[0].registry) as portal:
            opened(portal, workers[0].registry)

        with portal_stored(workers[1].registry) as portal, pytest.raises(NotPayable):
            opened(portal, workers[1].registry)

    def test_of_two_payments_opened_at_once_one_conflicts(self, workers, dupond):
        with transaction_of(workers[0]) as (mine, portal), transaction_of(workers[1]) as (theirs, their_portal):
            opened(portal, workers[0].registry)
            opened(their_portal, workers[1].registry)
            mine.commit()
            with pytest.raises(ConflictError):
                theirs.commit()

        with portal_stored(workers[0].registry) as portal:
            assert len(list(portal["paiements"])) == 1

    def test_a_mail_is_written_while_another_is_noted_as_sent_were_it_the_only_one(self, workers):
        with portal_stored(workers[0].registry) as portal:
            write_mail(portal)

        with transaction_of(workers[0]) as (mine, portal), transaction_of(workers[1]) as (theirs, their_portal):
            write_mail(portal)
            outbox = their_portal.stores["outbox"]
            (key,) = outbox.waiting
            outbox.mark_sent(key, NOW)
            theirs.commit()
            mine.commit()

        with portal_stored(workers[0].registry) as portal:
            outbox = portal.stores["outbox"]
            assert (len(outbox.waiting), len(outbox.settled)) == (1, 1)

    def test_what_left_is_put_away_by_both_and_what_is_written_meanwhile_is_kept(self, workers):
        """A tree of many buckets, of which all empty: who meets the other begins anew."""
        with portal_stored(workers[0].registry) as portal:
            outbox = portal.stores["outbox"]
            for _ in range(200):
                write_mail(portal)
            for key in list(outbox.waiting):
                outbox.mark_sent(key, NOW)
        together = threading.Barrier(3, timeout=30)

        def act(number: int) -> None:
            manager = transaction.TransactionManager(explicit=True)
            connection = workers[number % 2].registry._zodb_databases[""].open(transaction_manager=manager)
            together.wait()
            try:
                for attempt in manager.attempts(10):
                    with attempt:
                        outbox = connection.root()["sevres_familles"].stores["outbox"]
                        if number == 2:
                            write_mail(connection.root()["sevres_familles"])
                        else:
                            outbox.put_away(outbox.untidy(NOW + TIDY_AFTER))
            finally:
                connection.close()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(act, range(3)))

        with portal_stored(workers[1].registry) as portal:
            outbox = portal.stores["outbox"]
            assert (len(outbox.written), len(outbox.waiting), len(outbox.settled)) == (1, 1, 200)

    def test_an_opening_reads_what_is_published_and_conflicts_when_that_changes(self, workers, dupond):
        with transaction_of(workers[0]) as (mine, portal):
            opened(portal, workers[0].registry)
            with portal_stored(workers[1].registry) as other:
                lots = other.stores["lots"]
                lots.publish(lots.give())
            with pytest.raises(ConflictError):
                mine.commit()

    def test_what_a_transaction_that_failed_was_about_to_write_is_written_by_no_other(self, workers, dupond):
        """RelStorage leaves it in a table of the connection, which the next transaction finds."""
        with transaction_of(workers[0]) as (mine, portal):
            account = portal["familles"]["26719"]["comptes"]["scolaire"]
            account._p_jar.readCurrent(account)
            portal.stores["throttle"].of_a_transaction_that_fails = True
            with portal_stored(workers[1].registry) as other:
                other["familles"]["26719"]["comptes"]["scolaire"]._p_changed = True
            with pytest.raises(ConflictError):
                mine.commit()

        with portal_stored(workers[0].registry) as portal:
            portal.stores["outbox"]._p_changed = True

        with portal_stored(workers[1].registry) as portal:
            assert not hasattr(portal.stores["throttle"], "of_a_transaction_that_fails")

    def test_one_notification_told_to_both_many_times_is_booked_once(self, workers, dupond):
        with portal_stored(workers[0].registry) as portal:
            reference = opened(portal, workers[0].registry).reference
        together = threading.Barrier(6, timeout=30)

        def tell(number: int) -> None:
            app = workers[number % 2]
            manager = transaction.TransactionManager(explicit=True)
            connection = app.registry._zodb_databases[""].open(transaction_manager=manager)
            together.wait()
            try:
                for attempt in manager.attempts(10):
                    with attempt:
                        portal = connection.root()["sevres_familles"]
                        apply(portal, app.registry, portal["paiements"][reference], evidence(EvidenceKind.AUTHORISED))
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(tell, range(6)))

        with portal_stored(workers[1].registry) as portal:
            payment = portal["paiements"][reference]
            assert len(payment.posted) == len(payment.receipts) == 1
            assert verify_portal(portal).faults == ()

    def test_an_import_shows_whole_or_not_at_all(self, workers, tmp_path):
        folder = Folder(tmp_path / "files", workers[0].registry)
        codes = [str(number) for number in range(30000, 30040)]

        with transaction_of(workers[1]) as (manager, portal):
            folder.take(
                familles=[family(code) for code in codes],
                factures=[invoice(code, code) for code in codes],
                lignes=[line(code) for code in codes],
            )
            assert list(portal["familles"]) == []
            manager.abort()
            manager.begin()
            shown = [account for code in portal["familles"] for account in portal["familles"][code]["comptes"]]

            assert len(shown) == len(codes)
            assert verify_portal(portal).faults == ()


def test_processes_that_start_together_on_an_empty_database_make_it_once(tmp_path: Path, storage: str):
    """The tables, the root and the portal: each could be made by several at once."""
    ini = write_ini(tmp_path, {"storage": storage})
    environ = {"VAR": str(tmp_path / "var"), "PORT": "6543", "PATH": str(BIN)}
    command = [str(BIN / "sevres-init"), str(ini)]

    started = [
        subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(4)
    ]

    said = [process.communicate(timeout=120)[0] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    assert sum("(0 étape" not in each for each in said) == 1, said


class TestNumbers:
    """RelStorage's file of the last number given to an object: two processes with one each give the same numbers."""

    @pytest.fixture
    def numbers(self, ini, clock, tmp_path) -> Path:
        with self.opened(ini, clock, tmp_path):
            return tmp_path / "database" / "oids.sqlite3"

    @staticmethod
    @contextmanager
    def opened(ini: dict[str, str], clock: Any, folder: Path) -> Iterator[Any]:
        app = make_app({**ini, "sevres.storage": f"embedded://{folder}/database"}, clock)
        with closing(app.registry._zodb_databases[""]) as database:
            yield database

    def test_held_by_another_process_stay_in_their_place(self, ini, clock, numbers, tmp_path, monkeypatch):
        monkeypatch.setattr(storage_module, "_PATIENCE", 0.1)
        with closing(sqlite3.connect(numbers, isolation_level=None)) as holder:
            holder.execute("BEGIN EXCLUSIVE")

            with (
                pytest.raises(sqlite3.OperationalError, match="locked"),
                self.opened(ini, clock, tmp_path),
            ):
                pass

            assert [each.name for each in numbers.parent.glob("oids*")] == [numbers.name]
        with self.opened(ini, clock, tmp_path) as database:
            assert database.new_oid()

    def test_that_cannot_be_read_are_not_taken_for_damaged(self, ini, clock, numbers, tmp_path):
        whole = numbers.rename(numbers.with_suffix(".aside"))
        numbers.mkdir()

        with pytest.raises(sqlite3.OperationalError, match="unable to open"), self.opened(ini, clock, tmp_path):
            pass

        numbers.rmdir()
        whole.rename(numbers)
        with self.opened(ini, clock, tmp_path) as database:
            assert database.new_oid()
        assert not numbers.with_suffix(".damaged").exists()

    @pytest.mark.parametrize(
        "damage",
        [lambda data: b"\xff" * len(data), lambda data: data[:47] + b"\x09" + data[48:], lambda data: data[:1000]],
        ids=["noise", "a format that there is not", "cut"],
    )
    def test_that_are_damaged_are_put_aside_and_made_from_the_database(self, ini, clock, numbers, tmp_path, damage):
        numbers.write_bytes(damage(numbers.read_bytes()))

        with closing(sqlite3.connect(numbers.with_name("main.sqlite3"))) as kept:
            ((greatest,),) = kept.execute("SELECT MAX(zoid) FROM object_state")

        with self.opened(ini, clock, tmp_path) as database:
            assert u64(database.new_oid()) > greatest
        assert numbers.with_suffix(".damaged").exists()


class TestAddress:
    def test_of_postgresql_goes_to_libpq_without_the_words_of_others(self):
        address = libpq_address(
            "postgresql://portail@base.example:5433/familles?passfile=/etc/p%20f&sslmode=verify-full"
            "&connection_cache_size=20000&cache_local_mb=50"
        )

        words = psycopg2.extensions.parse_dsn(address)
        assert words == {
            "user": "portail",
            "host": "base.example",
            "port": "5433",
            "dbname": "familles",
            "passfile": "/etc/p f",
            "sslmode": "verify-full",
            "connect_timeout": "10",
        }

    def test_without_a_host_is_that_of_debian_s_socket(self):
        address = libpq_address("postgresql:///familles?user=portail&connection_cache_size=20000")

        words = psycopg2.extensions.parse_dsn(address)
        assert words == {"dbname": "familles", "user": "portail", "connect_timeout": "10"}

    @pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
    def test_with_a_password_in_it_is_refused(self, ini, scheme):
        with pytest.raises(WrongSettings, match=r"sevres\.storage"):
            read_settings({**ini, "sevres.storage": f"{scheme}://portail:motdepasse@base.example/familles"}, {})

    def test_with_a_password_among_its_words_is_refused(self, ini):
        with pytest.raises(WrongSettings, match=r"sevres\.storage") as refused:
            read_settings({**ini, "sevres.storage": "postgresql://base.example/familles?password=motdepasse"}, {})

        assert "motdepasse" not in str(refused.value)

    def test_takes_the_password_from_its_file_alone(self, ini, clock, postgres, tmp_path):
        wrong = tmp_path / "passfile"
        wrong.write_text("*:*:*:portail:faux\n")
        wrong.chmod(0o600)
        with postgres.database() as address, pytest.raises(psycopg2.OperationalError, match="password"):
            make_app({**ini, "sevres.storage": address.replace(str(postgres.passfile), str(wrong))}, clock)


def test_while_postgresql_is_away_pages_say_so_and_come_back_by_themselves(ini, clock):
    with running_postgres() as server, server.database() as address:
        app = make_app({**ini, "sevres.storage": address}, clock)
        browser = browser_of(app)
        assert browser.get("/").status_int == 200

        server.control("stop", "-m", "immediate")
        away = browser.get("/connexion", expect_errors=True)
        server.restart()

        assert away.status_int == 503
        assert away.headers["Retry-After"]
        assert "momentanément indisponible" in away
        assert browser.get("/connexion").status_int == 200
        with suppress(NoTransaction):  # of the connection that could not be opened
            app.registry._zodb_databases[""].close()
