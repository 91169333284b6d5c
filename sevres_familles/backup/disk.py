"""The disk: folders of our own, whose turn it is, and what is written there for good."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: What a workshop is for, and begins its name.
BACKUP, RESTORATION = "sauvegarde", "restauration"
#: How long a workshop waits, in seconds, while another one begins.
_BEGINNING = 60
#: Between two looks at a lock, in seconds.
_PAUSE = 0.2


@contextmanager
def workshop(var: Path, purpose: str, forget: Callable[[str], None]) -> Iterator[Path]:
    """Give a folder that only the service reads, for a block.  It may hold a whole database in clear.

    A process that was killed leaves its own: it goes when the next one begins, whatever that is for.  Each holds the
    lock of its folder while it lives, which tells one from the other.

    :param forget: removes what one that is left made elsewhere, by its name.
    """
    with alone_in(var, _BEGINNING):
        _clear(var, forget)
        folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=var))
        lock = _lock(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _clear(var: Path, forget: Callable[[str], None]) -> None:
    for left in (path for purpose in (BACKUP, RESTORATION) for path in var.glob(f"{purpose}-*")):
        try:
            with alone_in(left):
                forget(left.name)
                shutil.rmtree(left)
        except BlockingIOError:
            pass  # its process lives


@contextmanager
def alone_in(folder: Path, patience: float = 0) -> Iterator[None]:
    """Hold the lock of a folder for a block.

    :param patience: how many seconds to wait for it.
    :raises BlockingIOError: when another process keeps it longer.
    """
    lock = _lock(folder, patience)
    try:
        yield
    finally:
        os.close(lock)


def _lock(folder: Path, patience: float = 0) -> int:
    """Take the lock of a folder, which goes with the descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    give_up_at = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= give_up_at:
                    raise
                time.sleep(_PAUSE)
            else:
                return descriptor
    except BaseException:
        os.close(descriptor)
        raise


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
