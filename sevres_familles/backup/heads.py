"""The heads of the ledger: how far each journal went, and the hash of its last entry.

Kept with a backup and compared with what is restored, or with what serves, they show entries that were cut off or
written anew, however well the new chain holds together (requirements R8).
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from sevres_familles.domain.ledger import Entry
from sevres_familles.regies.resources import accounts_of
from sevres_familles.web.root import Portal

#: How many families are looked at before memory is given back.
_BATCH = 500


class Heads(NamedTuple):
    """What was read of the ledger: how many journals and entries, and the digest of all the heads."""

    journals: int
    entries: int
    digest: str


class _Chain(NamedTuple):
    """One journal: its name, how many of its first entries were purged, and those that are there."""

    name: str
    purged: int
    entries: tuple[Entry, ...]


def write_heads(portal: Portal, file: Path) -> Heads:
    """Write the heads, one a line: journal, sequence, hash."""
    journals = entries = 0
    with file.open("w", encoding="utf-8") as lines:
        for chain in _chains(portal):
            journals += 1
            entries += len(chain.entries)
            if chain.entries:
                lines.write(f"{chain.name} {chain.entries[-1].sequence} {chain.entries[-1].digest.hex()}\n")
    with file.open("rb") as content:
        return Heads(journals, entries, hashlib.file_digest(content, "sha256").hexdigest())


def lost_heads(portal: Portal, file: Path) -> Iterator[str]:
    """Tell, in words, of each head that the ledger no longer goes through."""
    heads = {line.rsplit(" ", 2)[0]: line for line in file.read_text(encoding="utf-8").splitlines()}
    for chain in _chains(portal):
        head = heads.pop(chain.name, None)
        if head is None:
            continue
        sequence, digest = head.rsplit(" ", 2)[1:]
        place = int(sequence) - chain.purged - 1
        if place >= len(chain.entries) or (place >= 0 and chain.entries[place].digest.hex() != digest):
            yield f"{chain.name} : l’écriture {sequence} n’est plus celle qui était là"
    yield from (f"{name} : journal disparu" for name in heads)


def _chains(portal: Portal) -> Iterator[_Chain]:
    for number, family in enumerate(portal["familles"].values(), start=1):
        for account in accounts_of(family):
            for kind in ("billing", "cash"):
                journal = getattr(account, kind)
                if journal is not None:
                    purged = journal.opening.sequence if journal.opening is not None else 0
                    yield _Chain(f"{family.code}/{account.__name__}/{kind}", purged, journal.counted(account.lots))
        if number % _BATCH == 0:
            portal._p_jar.cacheGC()
    for gateway, suspense in portal.stores["suspense"].items():
        yield _Chain(f"attente/{gateway}", 0, suspense.entries())
