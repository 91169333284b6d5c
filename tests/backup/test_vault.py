"""The vault: only what was written with the key, whole, comes out."""

import io
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sevres_familles.backup.archive import Manifest, measure, read_archive, write_archive
from sevres_familles.backup.vault import BackupRefused, Key, new_key, read_keys

TEXT = new_key()
#: Several chunks of age, which are of 64 kB.
CONTENT = secrets.token_bytes(300_000)


@pytest.fixture
def key() -> Key:
    return Key(TEXT)


def manifest_of(folder: Path, **changes: object) -> Manifest:
    words = {
        "made_at": datetime(2026, 11, 23, 14, 35, tzinfo=UTC),
        "version": "0.1.0",
        "environment": "development",
        "kind": "sqlite",
        "records": 3,
        "journals": None,
        "entries": None,
        "ledger": None,
        "files": measure(folder),
    }
    return Manifest(**{**words, **changes})


@pytest.fixture
def archive(tmp_path: Path, key: Key) -> Path:
    folder = tmp_path / "saved"
    (folder / "configuration").mkdir(parents=True)
    (folder / "main.sqlite3").write_bytes(CONTENT)
    (folder / "configuration" / "ville.toml").write_text("nom = 'Sainte-Église'\n", encoding="utf-8")
    write_archive(tmp_path / "one.age", manifest_of(folder), folder, key)
    return tmp_path / "one.age"


@pytest.fixture
def restore(tmp_path: Path, key: Key) -> Callable[[Path], Manifest]:
    """Read an archive into an empty folder."""

    def read(archive: Path, *keys: Key) -> Manifest:
        folder = tmp_path / "restored"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return read_archive(archive, keys or (key,), folder)

    return read


def test_what_was_saved_comes_back(archive, restore, tmp_path):
    manifest = restore(archive)

    assert (tmp_path / "restored" / "main.sqlite3").read_bytes() == CONTENT
    assert "Sainte-Église" in (tmp_path / "restored" / "configuration" / "ville.toml").read_text(encoding="utf-8")
    assert measure(tmp_path / "restored") == dict(manifest.files)
    assert (tmp_path / "restored" / "main.sqlite3").stat().st_mode & 0o777 == 0o600
    assert archive.stat().st_mode & 0o777 == 0o600


def test_nothing_of_it_is_in_clear(archive):
    assert b"ville.toml" not in archive.read_bytes()


def test_another_key_is_refused(archive, restore):
    with pytest.raises(BackupRefused, match="autre clé"):
        restore(archive, Key(new_key()))


def test_a_key_that_was_replaced_still_opens_what_it_made(archive, restore, tmp_path):
    keys = tmp_path / "backup.key"
    keys.write_text(f"# depuis novembre\n{new_key()}\n{TEXT}\n")

    assert restore(archive, *read_keys(keys)).records == 3


@pytest.mark.parametrize("content", ["", "# rien\n", "AGE-SECRET-KEY-1FAUX\n", "motdepasse\n", "clé\n"])
def test_a_file_without_a_key_is_refused(tmp_path, content):
    path = tmp_path / "backup.key"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(BackupRefused):
        read_keys(path)


def test_one_flipped_bit_is_refused_wherever_it_is(archive, restore, tmp_path):
    whole = archive.read_bytes()
    damaged = tmp_path / "damaged.age"
    # The header byte by byte, then the chunks here and there, the last bytes included.
    places = [*range(0, 400, 3), *range(400, len(whole), len(whole) // 60), *range(len(whole) - 20, len(whole), 4)]

    for place in places:
        content = bytearray(whole)
        content[place] ^= 1 << (place % 8)
        damaged.write_bytes(content)
        with pytest.raises(BackupRefused):
            restore(damaged)


def test_a_file_that_was_cut_is_refused_wherever_that_was(archive, restore, tmp_path):
    whole = archive.read_bytes()
    cut = tmp_path / "cut.age"

    for length in (0, 1, 100, 400, 65_000, 65_953, 131_000, len(whole) // 2, len(whole) - 17, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(BackupRefused):
            restore(cut)


def test_a_file_with_more_behind_it_is_refused(archive, restore):
    with archive.open("ab") as file:
        file.write(b"more")

    with pytest.raises(BackupRefused):
        restore(archive)


def test_a_file_that_is_not_there_is_refused(restore, tmp_path):
    with pytest.raises(BackupRefused, match="n’existe pas"):
        restore(tmp_path / "absent.age")


class TestForged:
    """Archives that open with the key, and yet are not what it signed."""

    def forge(self, key: Key, archive: Path, members: list[tuple[str, bytes]]) -> Path:
        plain = io.BytesIO()
        with tarfile.open(fileobj=plain, mode="w:gz") as tar:
            for name, content in members:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        plain.seek(0)
        with archive.open("wb") as file:
            key.encrypt(plain, file)
        return archive

    def signed(self, key: Key, manifest: Manifest) -> list[tuple[str, bytes]]:
        text = manifest.text()
        return [("manifeste.json", text), ("manifeste.signature", key.sign(text).encode())]

    def test_an_unsigned_manifest_is_refused(self, key, restore, tmp_path):
        text = manifest_of(tmp_path / "none").text()
        members = [("manifeste.json", text), ("manifeste.signature", Key(new_key()).sign(text).encode())]

        with pytest.raises(BackupRefused, match="signature"):
            restore(self.forge(key, tmp_path / "forged.age", members))

    def test_another_content_under_the_name_is_refused(self, key, restore, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "main.sqlite3").write_bytes(b"right")
        members = [*self.signed(key, manifest_of(tmp_path / "folder")), ("main.sqlite3", b"wrong")]

        with pytest.raises(BackupRefused, match="manifeste"):
            restore(self.forge(key, tmp_path / "forged.age", members))

    def test_a_file_more_or_less_is_refused(self, key, restore, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder" / "main.sqlite3").write_bytes(b"right")
        signed = self.signed(key, manifest_of(tmp_path / "folder"))

        for members in (signed, [*signed, ("main.sqlite3", b"right"), ("other", b"")]):
            with pytest.raises(BackupRefused, match=r"manque|n’est pas au manifeste"):
                restore(self.forge(key, tmp_path / "forged.age", members))

    def test_a_name_that_leaves_the_folder_is_refused(self, key, restore, tmp_path):
        manifest = manifest_of(tmp_path / "none", files={"../escaped": (1, "00")})

        with pytest.raises(BackupRefused, match="sort du dossier"):
            restore(self.forge(key, tmp_path / "forged.age", [*self.signed(key, manifest), ("../escaped", b"x")]))

        assert not (tmp_path / "escaped").exists()

    def test_what_is_no_backup_is_refused(self, key, restore, tmp_path):
        with pytest.raises(BackupRefused, match="n’est pas une sauvegarde"):
            restore(self.forge(key, tmp_path / "forged.age", [("autre", b"x")]))

    def test_a_format_to_come_is_refused(self, key, restore, tmp_path):
        manifest = manifest_of(tmp_path / "none", format=2)

        with pytest.raises(BackupRefused, match="format 2"):
            restore(self.forge(key, tmp_path / "forged.age", self.signed(key, manifest)))


def test_age_itself_opens_it(archive, tmp_path):
    """A backup outlives this program."""
    (tmp_path / "key").write_text(TEXT)
    plain = subprocess.run(["age", "-d", "-i", tmp_path / "key", archive], capture_output=True, check=True).stdout

    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames()[0] == "manifeste.json"
