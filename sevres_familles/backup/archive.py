"""What a backup holds: a tar of a signed manifest and of the files that it names, compressed, in the vault.

The manifest comes first, so that nothing is written to a disk before it is known who made it; each file is compared
with what it says of its size and its SHA-256.
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import IO, Any

from sevres_familles.backup.vault import BackupRefused, Key, drain, key_of, reading

FORMAT = 1
_MANIFEST, _SIGNATURE = "manifeste.json", "manifeste.signature"
_CHUNK = 1024 * 1024
#: A manifest is a few hundred bytes a file.
_MAX_MANIFEST = 4 * 1024 * 1024
#: Fast: what a database holds halves at any level.
_COMPRESSION = 1


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    ``kind`` is the storage's (``sqlite``, ``postgresql``); ``records`` counts the database's; ``ledger`` is the digest
    of the heads of the ledger, which are a file of the archive, and ``entries`` how many entries stand before them:
    neither is known of a quick backup.  ``files`` is (size, SHA-256) by name.
    """

    made_at: datetime
    version: str
    environment: str
    kind: str
    records: int
    journals: int | None
    entries: int | None
    ledger: str | None
    files: Mapping[str, tuple[int, str]]
    format: int = FORMAT

    def text(self) -> bytes:
        """Write it."""
        content = {**asdict(self), "made_at": self.made_at.isoformat()}
        return json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True).encode()

    @classmethod
    def read(cls, text: bytes) -> "Manifest":
        """Read it back: only what was signed comes here.

        :raises BackupRefused: when it is of a version that is not known.
        """
        content: dict[str, Any] = json.loads(text)
        if content["format"] != FORMAT:
            raise BackupRefused(f"sauvegarde de format {content['format']}, ce programme lit le format {FORMAT}")
        files = {name: (size, sha256) for name, (size, sha256) in content["files"].items()}
        return cls(**{**content, "made_at": datetime.fromisoformat(content["made_at"]), "files": files})


def measure(folder: Path) -> dict[str, tuple[int, str]]:
    """Give the size and the SHA-256 of every file under a folder, by its path within."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found[path.relative_to(folder).as_posix()] = (
                path.stat().st_size,
                hashlib.file_digest(file, "sha256").hexdigest(),
            )
    return found


def write_archive(archive: Path, manifest: Manifest, folder: Path, key: Key) -> None:
    """Write the files of a folder, as the manifest names them, to an archive."""

    def fill(writer: IO[bytes]) -> None:
        with (
            gzip.GzipFile(fileobj=writer, mode="wb", compresslevel=_COMPRESSION) as packed,
            tarfile.open(fileobj=packed, mode="w|") as tar,
        ):
            text = manifest.text()
            for name, content in ((_MANIFEST, text), (_SIGNATURE, key.sign(text).encode())):
                _add(tar, name, len(content), io.BytesIO(content), manifest)
            for name, (size, _) in manifest.files.items():
                with (folder / name).open("rb") as file:
                    _add(tar, name, size, file, manifest)

    archive.touch(mode=0o600, exist_ok=False)
    with archive.open("wb") as encrypted, reading(fill) as plain:
        key.encrypt(plain, encrypted)


def _add(tar: tarfile.TarFile, name: str, size: int, content: IO[bytes], manifest: Manifest) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = size, 0o600, int(manifest.made_at.timestamp())
    tar.addfile(member, content)


def read_archive(archive: Path, keys: Sequence[Key], folder: Path) -> Manifest:
    """Write the files of an archive to a folder, each being what its signed manifest says.

    :raises BackupRefused: when the archive is not whole, not ours, or of another key.
    """
    key = key_of(archive, keys)
    try:
        with (
            archive.open("rb") as file,
            reading(lambda writer: key.decrypt(file, writer)) as plain,
            gzip.GzipFile(fileobj=plain) as packed,
        ):
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                manifest = _read_manifest(tar, key)
                _read_files(tar, manifest, folder)
            drain(packed)
    except (tarfile.TarError, EOFError, ValueError, gzip.BadGzipFile) as error:
        raise BackupRefused(f"la sauvegarde est incomplète ou abîmée ({error})") from error
    return manifest


def _read_manifest(tar: tarfile.TarFile, key: Key) -> Manifest:
    text, signature = _small(tar, _MANIFEST), _small(tar, _SIGNATURE)
    if not compare_digest(key.sign(text), signature.decode("ascii", "replace")):
        raise BackupRefused("la signature n’est pas celle de la clé")
    return Manifest.read(text)


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.next()
    if member is None or member.name != name or member.size > _MAX_MANIFEST:
        raise BackupRefused("ce n’est pas une sauvegarde de ce portail")
    return _content(tar, member).read()


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise BackupRefused(f"{member.name} n’est pas un fichier")
    return content


def _read_files(tar: tarfile.TarFile, manifest: Manifest, folder: Path) -> None:
    missing = dict(manifest.files)
    while member := tar.next():
        expected = missing.pop(member.name, None)
        if expected is None:
            raise BackupRefused(f"{member.name} n’est pas au manifeste")
        path = folder / member.name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise BackupRefused(f"{member.name} sort du dossier")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _write(_content(tar, member), path) != expected:
            raise BackupRefused(f"{member.name} n’est pas ce que dit le manifeste")
    if missing:
        raise BackupRefused(f"il manque {', '.join(sorted(missing))}")


def _write(content: IO[bytes], path: Path) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        path.chmod(0o600)
        while chunk := content.read(_CHUNK):
            file.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    return size, digest.hexdigest()
