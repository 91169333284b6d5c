"""Finding a family by an e-mail address, without the addresses standing readable in an index.

The index holds keyed hashes, and is a hint: what it finds is checked against what is known of the family now, so a
staged or an outdated line of it tells nothing.
"""

import hmac
from collections.abc import Callable, Iterable, Iterator

from BTrees.OOBTree import OOTreeSet
from persistent import Persistent


def canonical(email: str) -> str:
    """Give the form in which two addresses are compared: without case, without spaces around."""
    return email.strip().casefold()


class EmailIndex(Persistent):
    """Lines of (keyed hash of an address, family code)."""

    def __init__(self) -> None:
        self._lines: OOTreeSet = OOTreeSet()

    def note(self, key: bytes, code: str, emails: Iterable[str]) -> None:
        """Note the addresses of a family.  Old lines stay: reading checks."""
        self.note_lines(lines_of(key, code, emails))

    def note_lines(self, lines: Iterable[tuple[bytes, str]]) -> None:
        """Note lines, of many families perhaps; in their order they are written fastest."""
        for line in lines:
            self._lines.insert(line)

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Forget the lines of families that are gone: those of former addresses and former keys are only so found."""
        for line in [line for line in self._lines if is_gone(line[1])]:
            self._lines.remove(line)

    def codes(self, keys: Iterable[bytes], email: str, emails_of: Callable[[str], Iterable[str]]) -> Iterator[str]:
        """Find the codes of the families that use an address; ``emails_of`` gives those of a code.

        ``keys`` are the one in use and those before it, under which lines may stand still.
        """
        wanted = canonical(email)
        seen = set()
        for hashed in (_hash(key, email) for key in keys):
            for _, code in self._lines.keys(min=(hashed, ""), max=(hashed, "\U0010ffff")):
                if code not in seen and wanted in map(canonical, emails_of(code)):
                    seen.add(code)
                    yield code


def lines_of(key: bytes, code: str, emails: Iterable[str]) -> Iterator[tuple[bytes, str]]:
    """Make the lines of a family's addresses."""
    return ((_hash(key, email), code) for email in emails)


def _hash(key: bytes, email: str) -> bytes:
    return hmac.digest(key, canonical(email).encode(), "sha256")[:16]
