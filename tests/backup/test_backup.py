"""Backing a portal up while it serves, and restoring it, on each storage."""

import hashlib
import subprocess
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from BTrees.OOBTree import OOBTree
from persistent.mapping import PersistentMapping

from sevres_familles.backup import scripts
from sevres_familles.backup.databases import database_at
from sevres_familles.backup.disk import alone_in
from sevres_familles.backup.heads import lost_heads, write_heads
from sevres_familles.backup.keeping import backups_in
from sevres_familles.backup.vault import BackupRefused, new_key
from sevres_familles.payments.checking import verify_portal
from sevres_familles.web.scripts import init
from sevres_familles.web.town import read_town
from tests.backup.conftest import Place, pay
from tests.conftest import portal_stored
from tests.journeys.town import BIN
from tests.sandbox.running import PATIENCE, wait_until

#: An address without a password, of a kind that has no backup of ours.
MEMORY = "memory://"
#: What has nothing to do with the kind of storage.
ON_ONE = pytest.mark.parametrize("storage", ["sqlite"], indirect=True)


def families(place: Place) -> list[str]:
    with place.portal() as request, portal_stored(request.registry) as portal:
        assert verify_portal(portal).faults == ()
        return list(portal["familles"])


def open_files(process: int) -> set[Path]:
    found = set()
    for each in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(each.readlink())
    return found


def settle(place: Place, *codes: str) -> None:
    with place.portal() as request:
        for code in codes:
            pay(request.registry, code, f"u{code}")


class TestDrill:
    """What a town does every month, and on the day it must (requirements R9)."""

    def test_a_backup_is_verified_beside_what_serves_and_touches_nothing(self, place, capsys):
        archive = place.backup()
        settle(place, "30001")

        status = place.run(scripts.restore, archive, "--check")

        said = capsys.readouterr().out
        assert status == 0
        assert "Restauration vérifiée : " in said
        assert "1 compte, 2 écritures, 1 paiement ; aucune anomalie." in said
        assert families(place) == ["26719", "30001"]

    def test_a_restored_portal_is_what_it_was_and_what_it_replaced_is_kept(self, place, capsys):
        archive = place.backup("--check")
        settle(place, "30001")

        assert place.run(scripts.restore, archive) == 1
        assert "il y a déjà une base" in capsys.readouterr().out.lower()
        assert place.run(scripts.restore, archive, "--replace") == 0

        said = capsys.readouterr().out
        assert "La base d’avant est gardée : " in said
        assert place.run(init) == 0
        assert families(place) == ["26719"]
        # Numbers of new objects go on after those that are there.
        settle(place, "30002", "30003")
        assert families(place) == ["26719", "30002", "30003"]

    def test_a_folder_stands_for_its_newest_backup(self, place, capsys):
        (place.backups / "espace-familles-20200101T000000Z.age").touch()
        (place.backups / "zzz.age").touch()
        place.backup()

        assert place.run(scripts.restore, place.backups, "--check") == 0
        assert "Restauration vérifiée" in capsys.readouterr().out

    def test_an_empty_place_needs_no_leave_to_be_filled(self, place, tmp_path, postgres):
        archive = place.backup()
        with self.empty_place(place, tmp_path / "new", postgres) as there:
            assert there.run(scripts.restore, archive, "--key", place.key_file) == 0
            assert there.run(init) == 0
            assert families(there) == ["26719"]

    @contextmanager
    def empty_place(self, place: Place, folder: Path, postgres):
        (folder / "var").mkdir(parents=True)
        address = f"embedded://{folder}/var/database"
        text = place.ini.read_text(encoding="utf-8")
        with postgres.database() as database:
            if place.storage.startswith("postgresql"):
                address = database
            (folder / "new.ini").write_text(text.replace(place.storage, address), encoding="utf-8")
            place._patch.setenv("VAR", str(folder / "var"))
            yield Place(folder / "new.ini", folder, folder / "backups", address, place._patch)

    def test_a_portal_that_serves_is_not_replaced(self, place, capsys):
        archive = place.backup()
        with place.portal() as request, portal_stored(request.registry) as portal:
            assert list(portal["familles"]) == ["26719"]

            assert place.run(scripts.restore, archive, "--replace") == 1

        assert "arrêtez d’abord le portail" in capsys.readouterr().out
        assert families(place) == ["26719"]


@ON_ONE
class TestFaults:
    def test_a_damaged_backup_replaces_nothing(self, place, capsys):
        archive = place.backup()
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 4
        archive.write_bytes(content)

        for options in (["--check"], ["--replace"]):
            assert place.run(scripts.restore, archive, *options) == 1
            assert "illisible" in capsys.readouterr().out
        assert families(place) == ["26719"]

    def test_a_folder_without_a_backup_is_refused(self, place, capsys):
        assert place.run(scripts.restore, place.backups, "--check") == 1
        assert "Aucune sauvegarde dans" in capsys.readouterr().out

    def test_without_the_key_nothing_is_saved_nor_restored(self, place, capsys):
        archive = place.backup()
        place.key_file.unlink()

        assert place.run(scripts.backup, place.backups) == 1
        assert place.run(scripts.restore, archive, "--check") == 1
        assert capsys.readouterr().out.count("Pas de clé de sauvegarde") == 2

    def test_a_backup_of_faulty_books_says_so_and_is_put_in_place_on_demand_alone(self, place, capsys):
        with place.portal() as request, portal_stored(request.registry) as portal:
            account = portal["familles"]["26719"]["comptes"]["scolaire"]
            account["2026-9161"].payments = {}
        archive = place.backup()
        old = place.backups / "espace-familles-20200101T000000Z.age"
        old.touch()

        assert place.run(scripts.backup, place.backups, "--check", "--keep", "48", "35", "12") == 1
        assert old.exists()
        assert place.run(scripts.restore, archive, "--check") == 1
        assert "Restauration en défaut" in capsys.readouterr().out
        assert place.run(scripts.restore, archive, "--replace") == 1
        assert "rien n’a été remplacé" in capsys.readouterr().out.lower()
        assert place.run(scripts.restore, archive, "--replace", "--despite-faults") == 0

    def test_heads_show_entries_that_are_no_longer_there(self, place, tmp_path):
        heads = tmp_path / "heads"
        with place.portal() as request, portal_stored(request.registry) as portal:
            told = write_heads(portal, heads)
            account = portal["familles"]["26719"]["comptes"]["scolaire"]
            assert (told.journals, told.entries) == (2, 2)
            assert list(lost_heads(portal, heads)) == []

            account.cash._set_lines(())
            assert len(list(lost_heads(portal, heads))) == 1
            portal["familles"].remove("26719")
            assert len(list(lost_heads(portal, heads))) == 2


def test_a_backup_made_while_families_pay_is_of_one_moment(place):
    stop = threading.Event()
    written = []

    def write() -> None:
        with place.portal() as request:
            while not stop.is_set():
                pay(request.registry, str(40000 + len(written)), f"w{len(written)}")
                written.append(1)

    writer = threading.Thread(target=write)
    archives = []
    writer.start()
    try:
        while len(archives) < 3:
            if len(written) > 2 * len(archives):
                archives.append(place.backup())
                # Names are of a second.
                name = f"{len(archives)}.age"
                place._patch.setattr("sevres_familles.backup.saving.name_of", lambda at, name=name: name)
    finally:
        stop.set()
        writer.join()

    for archive in archives:
        assert place.run(scripts.restore, archive, "--check") == 0


class TestPack:
    def test_what_nothing_refers_to_leaves_and_all_else_stays(self, place, capsys):
        settle(place, "30001", "30002")
        with place.portal() as request, portal_stored(request.registry) as portal:
            portal.stores["spare"] = OOBTree({str(number): PersistentMapping() for number in range(50)})
        with place.portal() as request, portal_stored(request.registry) as portal:
            del portal.stores["spare"]
        database = database_at(place.storage)
        before = database.records()

        assert place.run(scripts.pack_database, place.backups) == 0

        assert database.records() <= before - 51
        assert "aucune anomalie" in capsys.readouterr().out
        assert len(list(place.backups.iterdir())) == 1
        assert families(place) == ["26719", "30001", "30002"]


@ON_ONE
class TestCommand:
    def test_the_key_is_drawn_once_for_the_service_alone(self, place, capsys):
        place.key_file.unlink()

        assert place.run(scripts.backup, "--new-key") == 0
        assert place.key_file.stat().st_mode & 0o777 == 0o600
        drawn = place.key_file.read_text()
        assert drawn not in capsys.readouterr().out
        assert place.run(scripts.backup, "--new-key") == 1
        assert place.key_file.read_text() == drawn

    def test_old_backups_go_when_asked(self, place, capsys):
        old = place.backups / "espace-familles-20200101T000000Z.age"
        old.touch()

        place.backup("--keep", "48", "35", "12")

        assert not old.exists()
        assert "1 ancienne sauvegarde effacée." in capsys.readouterr().out

    def test_secrets_are_not_in_it(self, place, tmp_path):
        from sevres_familles.backup.archive import read_archive
        from sevres_familles.backup.vault import read_keys

        (tmp_path / "out").mkdir()
        manifest = read_archive(place.backup(), read_keys(place.key_file), tmp_path / "out")

        content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
        for name in ("session.key", "tokens.key", "bank.key", "backup.key"):
            assert (place.var / "secrets" / name).read_bytes().strip() not in content
        assert {"tetes.txt", "configuration/journey.ini", "configuration/ville.toml"} < set(manifest.files)
        heads = (tmp_path / "out" / "tetes.txt").read_bytes()
        assert manifest.ledger == hashlib.sha256(heads).hexdigest()

    def test_the_theme_goes_with_the_town_file_and_comes_back_with_it(self, place, tmp_path, capsys):
        archive, written = place.backup(), tmp_path / "configuration"

        assert place.run(scripts.restore, archive, "--check", "--configuration", written) == 0

        town = read_town(written / "ville.toml")
        assert town.emblem.read_text(encoding="utf-8").startswith("<svg")
        assert (town.theme / "accueil.svg").exists()
        assert (written / "journey.ini").read_bytes() == place.ini.read_bytes()
        assert place.run(scripts.restore, archive, "--check", "--configuration", written) == 1
        assert "dossier nouveau" in capsys.readouterr().out

    def test_a_second_one_waits_for_the_first(self, place):
        with alone_in(place.backups):
            second = subprocess.Popen([BIN / "sevres-backup", place.ini, place.backups])
            wait_until(lambda: place.backups in open_files(second.pid), "the second asks for its turn")
            assert backups_in(place.backups) == {}

        assert second.wait(PATIENCE) == 0
        assert len(backups_in(place.backups)) == 1

    def test_a_second_one_does_not_wait_for_ever(self, place, capsys):
        place._patch.setattr(scripts, "PATIENCE", 0)

        with alone_in(place.backups):
            assert place.run(scripts.backup, place.backups) == 1

        assert "une autre sauvegarde est en cours" in capsys.readouterr().out.lower()

    @pytest.mark.parametrize("command", [scripts.restore, scripts.backup], ids=["restore", "new-key"])
    def test_wrong_settings_and_an_ini_that_is_not_there_are_refused_in_words(self, place, capsys, command):
        words = ["--new-key"] if command is scripts.backup else [place.backups, "--check"]
        place.ini.write_text(place.ini.read_text(encoding="utf-8").replace("sevres.public_url", "sevres.address"))

        assert place.run(command, *words) == 1
        assert "Réglages refusés" in capsys.readouterr().out
        place.ini.unlink()
        assert place.run(command, *words) == 1
        assert f"{place.ini} n’existe pas" in capsys.readouterr().out

    def test_a_folder_that_is_not_there_is_refused(self, place, capsys):
        assert place.run(scripts.backup, place.backups / "absent") == 1
        assert f"créez-le d’abord (mkdir -m 700 {place.backups / 'absent'})" in capsys.readouterr().out

    def test_a_quick_one_leaves_the_heads_out(self, place, capsys):
        archive = place.backup("--quick")

        assert place.run(scripts.restore, archive, "--check") == 0
        assert "compte" not in capsys.readouterr().out.splitlines()[0]


def test_another_kind_of_storage_is_refused_by_name():
    with pytest.raises(BackupRefused, match="memory"):
        database_at(MEMORY)


def test_a_backup_of_one_kind_is_not_restored_into_another(place, tmp_path, capsys):
    archive = place.backup()
    other = MEMORY.replace("memory", "embedded") + str(tmp_path / "elsewhere")
    if place.storage.startswith("embedded"):
        other = "postgresql://portail@/essai?host=/nowhere"
    text = place.ini.read_text(encoding="utf-8").replace(place.storage, other)
    place.ini.write_text(text, encoding="utf-8")

    assert place.run(scripts.restore, archive, "--check") == 1
    assert "les réglages disent" in capsys.readouterr().out
    assert new_key() != new_key()
