"""What is kept of the bank's journals."""

import hashlib
import zlib
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from persistent import Persistent

from sevres_familles.domain.money import Money
from sevres_familles.payments.gateways.port import JournalKind
from sevres_familles.web.root import Portal


class Verdict(StrEnum):
    """What a row of a journal turned out to be."""

    POINTED = "pointée"
    LOST_NOTICE = "notification perdue, appliquée"
    DIFFERENT = "montant différent"
    UNKNOWN = "inconnue chez nous, en compte d’attente"
    UNCONFIRMED = "inconnue chez nous, non confirmée par la banque"
    REFUND = "remboursement"
    VOID = "annulation"
    CHARGEBACK = "impayé"
    ASIDE = "mise de côté"
    REPEATED = "ligne en double"
    NO_MONEY = "sans mouvement d’argent"


#: What somebody must look at.
TROUBLES = frozenset({Verdict.DIFFERENT, Verdict.UNKNOWN, Verdict.UNCONFIRMED, Verdict.ASIDE, Verdict.REPEATED})


class Judged(NamedTuple):
    """A row and what it turned out to be."""

    line: int
    reference: str
    amount: Money
    verdict: Verdict


class Absent(NamedTuple):
    """Money that we booked, of days whose journals we have, and that none of them shows."""

    reference: str
    transaction: str
    at: datetime


class Report(NamedTuple):
    """What came of a journal: how many rows of each kind, those that are not simply pointed, what is absent.

    ``counts`` are by `Verdict`, in the order in which they were met; ``at`` is when it was taken, in UTC.
    """

    name: str
    sha256: str
    gateway: str
    kind: JournalKind
    day: date
    at: datetime
    counts: tuple[tuple[Verdict, int], ...]
    told: tuple[Judged, ...]
    absent: tuple[Absent, ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(count for _, count in self.counts)

    @property
    def is_done(self) -> bool:
        """Whether nothing is left that taking it again could mend."""
        return Verdict.UNCONFIRMED not in dict(self.counts)

    @property
    def has_troubles(self) -> bool:
        """Whether somebody must look at it."""
        return bool(self.absent or TROUBLES & dict(self.counts).keys())


class KeptJournal(Persistent):
    """A journal that was taken in: the very bytes of its file, and what came of it."""

    def __init__(self, content: bytes, report: Report) -> None:
        self.packed = zlib.compress(content)
        self.report = report

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        return zlib.decompress(self.packed)


def sha256_of(content: bytes) -> str:
    """Hash a file as it is kept."""
    return hashlib.sha256(content).hexdigest()


def kept_reports(portal: Portal) -> list[Report]:
    """List what came of the journals that were taken, the newest day first."""
    reports = (each.report for each in portal.stores["journals"].values())
    return sorted(reports, key=lambda each: (each.day, each.kind), reverse=True)
