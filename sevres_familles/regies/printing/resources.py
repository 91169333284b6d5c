"""What is kept of print runs: their counts, what each waits to hand out, and which invoices were printed."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple

from BTrees.OOBTree import OOBTree
from persistent import Persistent


class Counts(NamedTuple):
    """What a run holds.

    Invoices on paper, their pages, the sum that they ask for, the passwords drawn for them; and the invoices that go on
    line alone.
    """

    invoices: int
    pages: int
    cents: int
    passwords: int
    electronic: int


class Confirmed(NamedTuple):
    """What the confirmation of a run did, from its beginning, however often it was begun again.

    Letters handed out; passwords that open something now; families that keep the password of a younger letter; families
    told by mail; invoices of families that wanted no paper and want some by now: they reached nobody yet.
    """

    letters: int = 0
    passwords: int = 0
    kept: int = 0
    told: int = 0
    left: int = 0

    def plus(self, other: "Confirmed") -> "Confirmed":
        """Add what another part of the confirmation did."""
        return Confirmed(*(one + more for one, more in zip(self, other, strict=True)))


class PrintRun(Persistent):
    """A print run: what it printed, and until it is confirmed, what its confirmation hands out.

    ``letters`` holds, by family code, the names of the invoices that were printed, and the slow hash of the password
    that stands on them, empty for a family with its own.  The password opens nothing before the confirmation, which
    takes letters away as it goes.  ``online`` holds, alike, the invoices of families that want no paper.
    """

    confirmed_at: datetime | None = None
    #: Whether some letters were handed out already.
    is_begun: bool = False
    #: What its confirmation did up to now, as `Confirmed` counts it.
    done: tuple[int, ...] = ()

    def __init__(self, regie: str, lot: str, *, issued_on: date, made_at: datetime) -> None:
        self.regie = regie
        self.lot = lot
        self.issued_on = issued_on
        self.made_at = made_at
        self.counts: tuple[int, ...] = (0, 0, 0, 0, 0)
        #: The SHA-256 of the manifest: the folder with that one is the run's.
        self.manifest = ""
        self.letters: OOBTree = OOBTree()
        self.online: OOBTree = OOBTree()

    @property
    def is_pending(self) -> bool:
        """Whether it waits to be confirmed."""
        return self.confirmed_at is None

    def note(self, done: Confirmed) -> None:
        """Note what a part of its confirmation did."""
        self.is_begun = True
        self.done = tuple(Confirmed(*self.done).plus(done))

    def invoices(self) -> Iterator[str]:
        """Go through the names of the invoices that it waits to hand out."""
        for names, _ in self.letters.values():
            yield from names
        for names in self.online.values():
            yield from names


class Printing(Persistent):
    """The print runs by name, and for each régie the invoices that were printed or announced, with the run's name.

    ``last`` is the name given last: letters of an abandoned run may lie about, and its name is given to no other.
    """

    last: str = ""

    def __init__(self) -> None:
        self.runs: OOBTree = OOBTree()
        self.printed: OOBTree = OOBTree()

    def add(self, name: str, run: PrintRun) -> None:
        """Keep a run."""
        self.runs[name] = run
        self.last = name

    def pending(self) -> list[tuple[str, PrintRun]]:
        """List the runs that wait to be confirmed, by name."""
        return [(name, run) for name, run in self.runs.items() if run.is_pending]

    def printed_of(self, regie: str) -> OOBTree:
        """Find the invoices of a régie that were printed, for reading."""
        return self.printed.get(regie, OOBTree())

    def mark(self, regie: str, names: tuple[str, ...], run: str) -> None:
        """Note that invoices were printed, or announced."""
        if regie not in self.printed:
            self.printed[regie] = OOBTree()
        self.printed[regie].update(dict.fromkeys(names, run))
