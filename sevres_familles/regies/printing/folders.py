"""The files of print runs: ``{var}/impressions/RUN``, which the service alone reads.

A folder is filled under a name that ends in ``.partiel``; it gets its own once the run is in the database.  So a run
that was killed leaves a folder that nobody takes for one to print, and the next command takes it away.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sevres_familles.regies.printing.pressing import sha256_of
from sevres_familles.regies.printing.resources import Printing

#: Passwords stand in these files in clear: they stay no longer than it takes to print them.
LIFE = timedelta(days=7)
MANIFEST = "manifeste.json"
_PARTIAL = ".partiel"


class PrintingRunning(Exception):
    """Another command of printing holds the lock."""


class Folders:
    """The folders of all runs."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def final(self, run: str) -> Path:
        """Name the folder of a run."""
        return self.root / run

    def partial(self, run: str) -> Path:
        """Name the folder of a run that is under way."""
        return self.root / f"{run}{_PARTIAL}"

    def begin(self, run: str) -> Path:
        """Make the folder of a run that begins."""
        folder = self.partial(run)
        folder.mkdir(mode=0o700)
        return folder

    def finish(self, run: str) -> Path:
        """Give the folder of a run that is in the database its own name."""
        final = self.final(run)
        self.partial(run).rename(final)
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return final

    def remove(self, run: str) -> None:
        """Take the files of a run away, finished or not."""
        for folder in (self.final(run), self.partial(run)):
            if folder.exists():
                shutil.rmtree(folder)

    def taken(self) -> set[str]:
        """Give the names that folders have."""
        return {folder.name.removesuffix(_PARTIAL) for folder in self._all()}

    def clean(self, printing: Printing, now: datetime) -> list[str]:
        """Take away what is to go, and give the names: confirmed, unknown, killed before their end, older than a week.

        A run that was killed between its commit and the renaming of its folder is finished.
        """
        gone = []
        for folder in self._all():
            name = folder.name.removesuffix(_PARTIAL)
            run = printing.runs.get(name)
            is_ours = run is not None and run.is_pending and self._is_of(folder, run.manifest)
            if not is_ours or now - run.made_at > LIFE:
                shutil.rmtree(folder)
                gone.append(name)
            elif folder.name.endswith(_PARTIAL):
                self.finish(name)
        return gone

    @staticmethod
    def _is_of(folder: Path, manifest: str) -> bool:
        path = folder / MANIFEST
        return path.exists() and sha256_of(path) == manifest

    def _all(self) -> list[Path]:
        return sorted(each for each in self.root.iterdir() if each.is_dir())


@contextmanager
def folders_in(state: Path) -> Iterator[Folders]:
    """Take the lock of printing, and give the folders.

    :raises PrintingRunning: when another command has the lock.
    """
    root = state / "impressions"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / "lock").open("w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise PrintingRunning from error
        yield Folders(root)
