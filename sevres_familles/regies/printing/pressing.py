"""The presses: processes that typeset letters, hash their passwords, and bind them for the printer.

Typesetting takes 10 ms a letter and hashing 18, so they take every processor there is; a run of a few letters stays in
one thread, since a process takes longer to start.
"""

import hashlib
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from io import BytesIO
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import pikepdf

from sevres_familles.domain.references import squeeze
from sevres_familles.identity.passwords import Passwords
from sevres_familles.web.documents import TypesettingFailed, typeset
from sevres_familles.web.settings import Settings

#: Points of a sheet.
_A4 = (595.28, 841.89)
#: What pages hold of a tagged document; links, too, say nothing to a printer.
_OF_TAGS = frozenset({"/StructParents", "/Tabs", "/Annots"})
#: Letters under this number are typeset without processes.
FEW = 60


class Letter(NamedTuple):
    """An invoice to typeset: its file's name, its data, and the password to hash, empty when there is none to."""

    file: str
    data: Any
    secret: str


class Pressed(NamedTuple):
    """A letter that was typeset: SHA-256 and size of its file, and the slow hash of its password, if any."""

    file: str
    sha256: str
    size: int
    hashed: str


class Bound(NamedTuple):
    """A file for the printer: SHA-256, size, and the pages of each letter in it."""

    file: str
    sha256: str
    size: int
    pages: tuple[int, ...]


@contextmanager
def presses(settings: Settings, letters: int) -> Iterator[tuple[Executor, int]]:
    """Start presses for a number of letters, and give them with how many there are; they stop at the end."""
    if letters < FEW:
        with ThreadPoolExecutor(1, initializer=start, initargs=(settings,)) as thread:
            yield thread, 1
        return
    count = os.cpu_count() or 1
    # Spawned: what this process holds open (the database, its caches) is no business of theirs.
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=start, initargs=(settings,)) as pool:
        try:
            yield pool, count
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


_passwords: Passwords


def start(settings: Settings) -> None:
    """Make this process, or this thread, a press."""
    global _passwords  # noqa: PLW0603 - one a process, as the executor wants it
    _passwords = Passwords(settings)
    parent = parent_process()
    if parent is not None:
        # A run that is killed tells nobody: its presses would wait for ever.
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def press(folder: Path, letters: Sequence[Letter]) -> list[Pressed]:
    """Typeset letters into a folder, each a tagged PDF/UA-1.

    :raises sevres_familles.web.documents.TypesettingFailed: naming the file.
    """
    return [_press(folder, letter) for letter in letters]


def _press(folder: Path, letter: Letter) -> Pressed:
    try:
        pdf = typeset("invoice", letter.data)
    except TypesettingFailed as error:
        raise TypesettingFailed(f"{letter.file}: {error}") from error
    write_private(folder / letter.file, pdf)
    hashed = _passwords.hash(squeeze(letter.secret)) if letter.secret else ""
    return Pressed(letter.file, hashlib.sha256(pdf).hexdigest(), len(pdf), hashed)


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that its owner alone can read.

    :raises FileExistsError: when it is there already.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def bind(folder: Path, files: Sequence[str], target: str, *, duplex: bool) -> Bound:
    """Bind letters into one file for the printer, without their tags.

    :param duplex: begin each letter on a new sheet, so that none is printed on the back of another family's.
    """
    pages = []
    with ExitStack() as letters, pikepdf.new() as bound:
        for name in files:
            # In memory: each stays open until all is written, and a process may not open that many files.
            letter = letters.enter_context(pikepdf.open(BytesIO((folder / name).read_bytes())))
            bound.pages.extend(letter.pages)
            pages.append(len(letter.pages))
            if duplex and pages[-1] % 2:
                bound.add_blank_page(page_size=_A4)
        for page in bound.pages:
            for key in _OF_TAGS & set(page.obj.keys()):
                del page.obj[key]
        path = folder / target
        path.touch(mode=0o600, exist_ok=False)
        bound.save(path, object_stream_mode=pikepdf.ObjectStreamMode.generate, deterministic_id=True)
    return Bound(target, sha256_of(path), path.stat().st_size, tuple(pages))


def sha256_of(path: Path) -> str:
    """Compute the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
