"""What is kept of imports: the report of each published lot, and what the one under way has touched."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from BTrees.IOBTree import IOBTree
from persistent import Persistent
from persistent.list import PersistentList


def lot_document(lot: int, name: str) -> str:
    """Name the document of an entry that an import wrote: its lot and its file."""
    return f"lot {lot}, {name}"


def lot_of(document: str) -> int:
    """Give the lot of such a document."""
    return int(document.partition(",")[0].removeprefix("lot "))


class ImportedFile(NamedTuple):
    """A file that was taken in."""

    name: str
    sha256: str
    kind: str
    rows: int


class ImportReport(Persistent):
    """What a published lot brought, for the back office.

    ``families`` and each régie of ``invoices`` and ``balances`` are counts and sums in cents, by the names of
    `comparing.Tally`; ``booked`` is how many entries it wrote for each régie, and their sum; ``at`` is when the import
    began, in UTC.
    """

    booked: Mapping[str, tuple[int, int]] = MappingProxyType({})

    def __init__(
        self,
        lot: int,
        at: datetime,
        *,
        files: tuple[ImportedFile, ...],
        families: dict[str, int],
        invoices: dict[str, dict[str, int]],
        balances: dict[str, dict[str, int]],
        booked: dict[str, tuple[int, int]],
    ) -> None:
        self.lot = lot
        self.at = at
        self.files = tuple(map(tuple, files))
        self.families = families
        self.invoices = invoices
        self.balances = balances
        self.booked = booked


class Imports(Persistent):
    """The reports by lot, and the staging journal of a lot that is not published yet.

    ``touched`` holds the family codes of each transaction that staged, written by that transaction itself: so what a
    killed run left is found without looking at every family.
    """

    def __init__(self) -> None:
        self.reports: IOBTree = IOBTree()
        self.touched: IOBTree = IOBTree()

    def touch(self, batch: int, codes: list[str]) -> None:
        """Note the families that a transaction writes to."""
        self.touched[batch] = PersistentList(codes)

    @property
    def is_under_way(self) -> bool:
        """Whether an import is writing, or died and the next one has not yet taken its remains away."""
        return bool(self.touched)

    def finish(self, report: ImportReport) -> None:
        """Keep the report of a lot that is published now, and forget what it touched."""
        self.reports[report.lot] = report
        self.touched = IOBTree()
