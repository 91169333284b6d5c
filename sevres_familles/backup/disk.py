"""The disk: folders of our own, and what is written there for good."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def workshop(var: Path, purpose: str) -> Iterator[Path]:
    """Give a folder that only the service reads, for a block.  It may hold a whole database in clear."""
    folder = Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=var))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
