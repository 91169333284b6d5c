"""A scanner for what must never be written: card numbers, passwords, keys (requirements S28, P2).

    python -m tests.leaks.scanning FOLDER      # what a run left: logs, databases, mails
    python -m tests.leaks.scanning             # what the repository holds

A card number is 13 to 19 digits in one row, or in the groups that cards have, that begin as cards do and close by
Luhn's digit.  A SQLite file is read twice: as it lies on the disk, deleted rows included, and value by value, since a
long one is cut in pieces there.
"""

import base64
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from tests.machine import ROOT, tracked

_CARD = re.compile(rb"[2-6]\d{3}(?:\d{9,15}|([ -])\d{4}\1\d{4}\1\d{4}|[ -]\d{6}[ -]\d{5})")
#: What stands beside digits that are part of something longer: a hash, a fraction, an escape, a boundary of a mail's
#: parts.  No hyphen: in SQLite's files it stands before every text of 16 characters, as its length.
_BEFORE, _AFTER = re.compile(rb"(?:[\w%]|\d\.|===)\Z"), re.compile(rb"[\w%]|\.\d")
#: How far back the beginning of a pickled text is looked for.
_TEXT = 4096
#: How the numbers of cards begin: Visa, Mastercard, American Express, Discover, Diners, JCB.
_ISSUERS = re.compile(r"4|5[1-5]|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)|3[47]|6011|65|36|38|35(?:2[89]|[3-8]\d)")
_LENGTHS = {"4": (13, 16, 19), "3": (14, 15, 16)}

#: What keys look like, whoever made them, and words without which there is none: to look for these is quick.
KEYS = {
    "private key": ((b"PRIVATE KEY",), re.compile(rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----")),
    "age key": ((b"AGE-SECRET-KEY",), re.compile(rb"AGE-SECRET-KEY-1[0-9A-Z]{20,}")),
    "token of a forge": (
        (b"ghp_", b"gho_", b"ghs_", b"github_pat_", b"glpat-"),
        re.compile(rb"\b(?:gh[pos]_\w{30,}|github_pat_\w{30,}|glpat-[\w-]{20,})"),
    ),
    "token of a registry": ((b"pypi-AgEI", b"npm_"), re.compile(rb"\b(?:pypi-AgEI[\w-]{20,}|npm_\w{30,})")),
    "key of a service": (
        (b"AKIA", b"AIza", b"k_live_", b"xoxb-", b"xoxp-"),
        re.compile(rb"\b(?:AKIA[0-9A-Z]{16}|AIza[\w-]{35}|xox[bp]-[\w-]{10,}|[rs]k_live_\w{16,})"),
    ),
    "signed token": ((b".eyJ",), re.compile(rb"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{10,}")),
    "address with a password": (
        (b"://",),
        re.compile(rb"[a-z][a-z0-9+]{1,20}://[\w.-]+:[^\s/@{}$<>'\"*]{3,}@[\w.-]+"),
    ),
}

#: Files that are secrets themselves: where they belong.
SECRET_FILES = re.compile(r"(?:^|/)secrets/|\.(?:key|password|age|pem)$|(?:^|/)(?:key|rest-password|passfile)$")
_SKIPPED = re.compile(r"\.(?:pyc|png|jpg|woff2|pdf|whl|gz|zip|pt\.py)$|(?:^|/)\.git/")


class Leak(NamedTuple):
    """Something that must not stand where it stands.  What it is, is not repeated whole."""

    file: str
    what: str
    shown: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}: {self.shown}"


def is_card(digits: str) -> bool:
    """Tell whether digits are the number of a card, by its issuer, its length and its last digit (Luhn)."""
    if not _ISSUERS.match(digits) or len(digits) not in _LENGTHS.get(digits[0], (16,)) or len(set(digits)) < 2:
        return False
    doubled = [int(each) * 2 for each in digits[-2::-2]]
    return (sum(map(int, digits[-1::-2])) + sum(each - 9 if each > 9 else each for each in doubled)) % 10 == 0


def cards_in(content: bytes) -> Iterator[str]:
    """Find the numbers of cards in a content."""
    for found in _CARD.finditer(content):
        start, end = found.span()
        digits = re.sub(r"\D", "", found[0].decode())
        if not is_card(digits) or _BEFORE.search(content[max(0, start - 3) : start]):
            continue
        if not _AFTER.match(content[end : end + 2]) or _ends_a_pickled_text(content, end):
            yield digits


def _ends_a_pickled_text(content: bytes, end: int) -> bool:
    """Tell whether a text of a pickle ends there, after « X » and its length: the « q » that follows is not of it."""
    starts = (end - len(text) for text in re.findall(rb"(?s)(?=X.{4}(.*))", content[max(0, end - _TEXT) : end]))
    return any(int.from_bytes(content[start - 4 : start], "little") == end - start for start in starts)


def forms_of(secret: str) -> dict[str, bytes]:
    """Give the forms in which a secret may have been written."""
    plain = secret.encode()
    whole = len(plain) - len(plain) % 3
    return {
        "plain": plain,
        "UTF-16": secret.encode("utf-16-le"),
        "hexadecimal": plain.hex().encode(),
        # Base64 of a text that stands at the beginning, or after one or two other bytes.
        "Base64": base64.b64encode(plain[:whole]),
        "Base64, shifted once": base64.b64encode(b"\0\0" + plain)[4:-4],
        "Base64, shifted twice": base64.b64encode(b"\0" + plain)[4:-4],
        "quoted": secret.replace(" ", "+").encode(),
    }


def contents_of(path: Path) -> Iterator[bytes]:
    """Give what a file holds: as it lies there, and the values of its tables if it is SQLite's."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return  # it went since it was listed: nothing leaks any more
    yield content
    if content.startswith(b"SQLite format 3\0"):
        yield b"\n".join(_values_of(path))


def _values_of(path: Path) -> Iterator[bytes]:
    try:
        with closing(sqlite3.connect(f"file:{path}?immutable=1", uri=True)) as database:
            database.text_factory = bytes
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in database.execute(f'SELECT * FROM "{table.decode()}"'):
                    yield from (each if isinstance(each, bytes) else str(each).encode() for each in row if each)
    except sqlite3.DatabaseError:
        return  # cut or torn on purpose, by the tests of faults: its bytes were read


def leaks_in(path: Path, name: str, secrets: Iterable[str], allowed_cards: frozenset[str]) -> Iterator[Leak]:
    """Find what leaks in a file.

    :param name: how it is told.
    :param secrets: what must stand in no file, in whatever form.
    """
    for content in contents_of(path):
        for digits in cards_in(content):
            if digits not in allowed_cards:
                yield Leak(name, "card number", f"{digits[:6]}…{digits[-4:]}")
        for what, (words, pattern) in KEYS.items():
            if any(word in content for word in words):
                yield from (Leak(name, what, f"{found[0][:12]!r}…") for found in pattern.finditer(content))
        for secret in secrets:
            for form, written in forms_of(secret).items():
                if len(written) >= 8 and written in content:
                    yield Leak(name, f"secret ({form})", f"{secret[:3]}…")


def scan_folder(folder: Path, secrets: Iterable[str] = ()) -> list[Leak]:
    """Scan all that a run left in a folder: for the given secrets, and for a portal's own in what stands beside it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    own: dict[Path, list[str]] = {}
    for path in files:
        if path.parent.name == "secrets":
            secret = path.read_text(encoding="utf-8", errors="replace").strip()
            if 16 <= len(secret) < 500:
                own.setdefault(_home_of(path), []).append(secret)
    leaks = set()
    for path in files:
        name = path.relative_to(folder).as_posix()
        if not SECRET_FILES.search(name) and not _SKIPPED.search(name):
            beside = [secret for parent in path.parents for secret in own.get(parent, ())]
            leaks.update(leaks_in(path, name, (*secrets, *beside), frozenset()))
    return sorted(leaks)


def _home_of(secret: Path) -> Path:
    """Give the folder of the portal whose secret a file is: ``secrets`` stands in it, or in its ``var``."""
    _, folder, above, *_ = secret.parents
    return above if folder.name == "var" else folder


def scan_repository(allowed_cards: frozenset[str], allowed: re.Pattern[str]) -> list[Leak]:
    """Scan what git holds.

    :param allowed_cards: numbers of the demonstration.
    :param allowed: leaks that are none, as they are told.
    """
    names = [name for name in tracked() if (ROOT / name).is_file() and not _SKIPPED.search(name)]
    leaks = {leak for name in names for leak in leaks_in(ROOT / name, name, (), allowed_cards)}
    return sorted(leak for leak in leaks if not allowed.search(str(leak)))


def main() -> None:
    """Scan a folder, or the repository, and tell."""
    from tests.leaks.known import ALLOWED, DEMONSTRATION_CARDS, SECRETS

    given = sys.argv[1:]
    leaks = scan_folder(Path(given[0]), SECRETS) if given else scan_repository(DEMONSTRATION_CARDS, ALLOWED)
    print("\n".join(map(str, leaks)) or "Nothing leaks.")
    sys.exit(1 if leaks else 0)


if __name__ == "__main__":
    main()
