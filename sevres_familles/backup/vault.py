"""The vault: a stream encrypted with age, and a signature of what it announces (decision 10).

The key is one secret, an age identity in a file of its own.  The recipient that is derived from it is never written
anywhere, so nobody without the key makes a file that opens with it; the manifest is signed besides, by HMAC.
``age --decrypt -i backup.key FILE | tar xz`` opens a backup without this program.
"""

import hashlib
import hmac
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, BinaryIO

import pyrage
from pyrage import x25519

_CHUNK = 1024 * 1024


class BackupRefused(Exception):
    """A backup is not made, or not restored: the words say why, and what to do."""


class Key:
    """A key: it encrypts, decrypts and signs."""

    def __init__(self, text: str) -> None:
        self._identity = x25519.Identity.from_str(text)
        self._signing = hashlib.blake2b(text.encode(), digest_size=32, person=b"sevres backup").digest()

    def sign(self, content: bytes) -> str:
        """Give the signature of a text, as hexadecimals."""
        return hmac.new(self._signing, content, hashlib.sha256).hexdigest()

    def encrypt(self, reader: BinaryIO, writer: BinaryIO) -> None:
        """Encrypt a stream."""
        pyrage.encrypt_io(reader, writer, [self._identity.to_public()])

    def decrypt(self, reader: BinaryIO, writer: BinaryIO) -> None:
        """Decrypt a stream: what is written was authenticated, 64 kB after 64 kB.

        :raises BackupRefused: when it was made with another key, changed, or cut.
        """
        try:
            pyrage.decrypt_io(reader, writer, [self._identity])
        except (pyrage.DecryptError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's or the pipe's own; age gives none to a stream that is not what was written
            raise BackupRefused(f"la sauvegarde est illisible : autre clé, fichier abîmé ou coupé ({error})") from error


def new_key() -> str:
    """Draw a key."""
    return str(x25519.Identity.generate())


def read_keys(path: Path) -> tuple[Key, ...]:
    """Read a file of keys, one a line: the first encrypts, each may decrypt, so that a key can be replaced.

    :raises BackupRefused: when there is none.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        keys = tuple(Key(line.strip()) for line in lines if line.strip() and not line.startswith("#"))
    except FileNotFoundError:
        keys = ()
    except (pyrage.IdentityError, UnicodeDecodeError) as error:
        raise BackupRefused(f"{path} n’est pas un fichier de clés : {error}") from error
    if not keys:
        raise BackupRefused(f"pas de clé de sauvegarde dans {path} : « sevres-backup INI --new-key » en tire une")
    return keys


def key_of(path: Path, keys: Sequence[Key]) -> Key:
    """Find the key that a backup was made with.

    :raises BackupRefused: when none of them opens it, or it is not there.
    """
    if not path.is_file():
        raise BackupRefused(f"{path} n’existe pas")
    refused = BackupRefused("aucune clé")
    for key in keys:
        try:
            _open(path, key)
        except BackupRefused as error:
            refused = error
        else:
            return key
    raise refused


def _open(path: Path, key: Key) -> None:
    """Read the beginning of a backup.

    :raises BackupRefused: when the key does not open it.
    """
    with path.open("rb") as file, reading(lambda writer: key.decrypt(file, writer)) as plain:
        plain.read(1)


@contextmanager
def reading(produce: Callable[[BinaryIO], None]) -> Iterator[BinaryIO]:
    """Read what a function writes, as it writes it, in a thread of its own.

    :raises Exception: that of the function, rather than what its cut stream leads the reader to.
    """
    receiver, sender = os.pipe()
    failures: list[Exception] = []

    def write() -> None:
        try:
            with os.fdopen(sender, "wb") as writer:
                produce(writer)
        except BrokenPipeError:
            pass  # the reader had enough
        except Exception as failure:
            failures.append(failure)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with os.fdopen(receiver, "rb") as reader:
            yield reader
    except Exception as consequence:
        thread.join()
        raise (failures or [consequence])[0] from consequence
    thread.join()
    if failures:
        raise failures[0]


def drain(reader: IO[bytes] | GzipFile) -> None:
    """Read to the end, so that a stream that was cut there is found out."""
    while reader.read(_CHUNK):
        pass
