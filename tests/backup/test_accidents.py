"""What goes wrong around backups: damaged databases, commands that are killed, servers that are away."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from persistent.mapping import PersistentMapping

from sevres_familles.backup import scripts
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.disk import BACKUP, RESTORATION, workshop
from sevres_familles.web.storage import embedded_folder, libpq_address
from tests.backup.conftest import Place
from tests.conftest import portal_stored
from tests.journeys.town import BIN
from tests.sandbox.running import PATIENCE, wait_until

ON_SQLITE = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)
ON_POSTGRESQL = pytest.mark.parametrize("storage", ["postgresql"], indirect=True)
PAGE = 4096


def families(place: Place) -> list[str]:
    with place.portal() as request, portal_stored(request.registry) as portal:
        return list(portal["familles"])


def spoil(place: Place, content: bytes, at: int = 0) -> None:
    """Write something else into the file of the database.

    From another process: to close the file here would let the locks go that this one has on it.
    """
    file = embedded_folder(place.storage) / "main.sqlite3"
    words = ["dd", f"of={file}", "bs=1", f"seek={at}", "conv=notrunc", "status=none"]
    subprocess.run(words, input=content, check=True)


@ON_SQLITE
class TestDamagedDatabase:
    """The very day that backups are made for."""

    @pytest.mark.parametrize(
        ("content", "at"),
        [(bytes(100), 0), (os.urandom(PAGE - 100), 100), (os.urandom(8 * PAGE), 0)],
        ids=["a header of zeros", "noise in the first page", "noise"],
    )
    def test_is_replaced_and_kept(self, place, capsys, content, at):
        archive = place.backup()
        spoil(place, content, at)

        assert place.run(scripts.restore, archive, "--replace") == 0

        assert "La base d’avant est gardée" in capsys.readouterr().out
        assert families(place) == ["26719"]

    def test_is_not_replaced_while_a_process_works_on_it(self, place, capsys):
        archive = place.backup()
        with place.portal() as request, portal_stored(request.registry) as portal:
            assert list(portal["familles"]) == ["26719"]
            spoil(place, bytes(100))

            assert place.run(scripts.restore, archive, "--replace") == 1

        assert "arrêtez d’abord le portail" in capsys.readouterr().out
        assert place.run(scripts.restore, archive, "--replace") == 0


@pytest.fixture
def large(place) -> Place:
    """A database that takes a moment to save and to restore."""
    with place.portal() as request, portal_stored(request.registry) as portal:
        noise = {number: PersistentMapping({"noise": os.urandom(2_000_000)}) for number in range(10)}
        portal.stores["spare"] = PersistentMapping(noise)
    return place


class TestKilled:
    """Nothing of the database is left in clear."""

    def databases(self, place: Place, postgres) -> list[str]:
        """List the databases that were made of a backup."""
        name = psycopg2.extensions.parse_dsn(libpq_address(place.storage))["dbname"] if "@" in place.storage else "none"
        return [each for (each,) in postgres.execute("SELECT datname FROM pg_database") if each.startswith(f"{name}_")]

    def in_clear(self, place: Place, postgres) -> list[object]:
        """List what a backup or a restoration under way has written of the database."""
        written = [*place.var.glob("sauvegarde-*/main.sqlite3"), *place.var.glob("sauvegarde-*/base.pgdump")]
        written += place.var.glob("restauration-*/base/main.sqlite3")
        return [*written, *self.databases(place, postgres)]

    def end(self, place: Place, postgres, number: signal.Signals, command: str, *words: str | Path) -> int:
        """End a command while the database is there in clear, and give its status."""
        process = subprocess.Popen([BIN / command, place.ini, *words], stdout=subprocess.DEVNULL)
        wait_until(lambda: self.in_clear(place, postgres), f"{command} writes the database")
        process.send_signal(number)
        return process.wait(PATIENCE)

    def test_a_backup_leaves_nothing_once_the_next_is_made(self, large, postgres):
        assert self.end(large, postgres, signal.SIGKILL, "sevres-backup", large.backups) == -signal.SIGKILL
        assert list(large.var.glob("sauvegarde-*")) != []

        large.backup()

        assert self.in_clear(large, postgres) == []
        assert list(large.var.glob("sauvegarde-*")) == []
        assert [path.suffix for path in large.backups.iterdir()] == [".age"]

    def test_a_restoration_leaves_nothing_once_the_next_backup_is_made(self, large, postgres):
        archive = large.backup()
        assert self.end(large, postgres, signal.SIGKILL, "sevres-restore", archive, "--check") == -signal.SIGKILL
        assert self.in_clear(large, postgres) != []

        assert large.run(scripts.restore, archive, "--check") == 0

        assert self.in_clear(large, postgres) == []
        assert list(large.var.glob("restauration-*")) == []

    def test_what_is_told_to_stop_leaves_nothing(self, large, postgres):
        archive = large.backup()

        status = self.end(large, postgres, signal.SIGTERM, "sevres-restore", archive, "--check")

        assert status == 128 + signal.SIGTERM
        assert self.in_clear(large, postgres) == []
        assert list(large.var.glob("restauration-*")) == []


def test_a_workshop_that_is_in_use_is_left_alone(tmp_path):
    forgotten = []
    with workshop(tmp_path, RESTORATION, forgotten.append) as first, workshop(tmp_path, BACKUP, forgotten.append):
        assert first.is_dir()

    assert forgotten == []
    assert list(tmp_path.iterdir()) == []


@ON_POSTGRESQL
class TestServer:
    def test_a_database_that_is_not_there_is_refused_in_words(self, place, capsys):
        archive = place.backup()
        text = place.ini.read_text(encoding="utf-8").replace(place.storage, place.storage.replace("?", "_absente?"))
        place.ini.write_text(text, encoding="utf-8")

        assert place.run(scripts.restore, archive) == 1

        assert "n’existe pas : que son administrateur la crée" in capsys.readouterr().out

    def test_one_that_does_not_answer_is_told_in_words(self, place, capsys):
        archive = place.backup()
        text = place.ini.read_text(encoding="utf-8").replace("?host=", "?host=/nowhere")
        place.ini.write_text(text, encoding="utf-8")

        assert place.run(scripts.restore, archive) == 1

        assert "PostgreSQL n’ouvre pas la base" in capsys.readouterr().out

    def test_a_connection_that_is_about_to_close_is_no_use(self, place, postgres):
        database = database_at(place.storage)
        with ThreadPoolExecutor(1) as pool, closing(psycopg2.connect(libpq_address(place.storage))) as connection:
            assert database._connections() == 1
            told = pool.submit(database.is_used)
            connection.close()
            assert told.result() is False

    def test_one_that_stays_open_is_a_use(self, place, postgres):
        with closing(psycopg2.connect(libpq_address(place.storage))):
            assert database_at(place.storage).is_used()
        assert not database_at(place.storage).is_used()
