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
    """A row and what it turned out to be; one that was odd says why, and has no amount."""

    line: int
    reference: str
    amount: Money | None
    verdict: Verdict
    why: str = ""


class Absent(NamedTuple):
    """Money that we booked, of days whose journals we have, and that none of them shows; old once it was told."""

    reference: str
    transaction: str
    at: datetime
    is_new: bool


class MissingDay(NamedTuple):
    """A day between two others whose journal was not taken; old once it was told."""

    day: date
    is_new: bool


class Report(NamedTuple):
    """What came of a journal: how many rows of each kind, those that are not simply pointed, what is absent.

    ``counts`` are by `Verdict`, in the order in which they were met; ``at`` is when it was taken, in UTC.  What is
    absent and the days that are missing are told again with each journal, and are troubles the first time alone.
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
    missing: tuple[MissingDay, ...]

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
        has_news = any(each.is_new for each in self.absent) or any(each.is_new for each in self.missing)
        return has_news or bool(TROUBLES & dict(self.counts).keys())


class JournalFile(Persistent):
    """The very bytes of a journal, apart from what came of it: reports are read often, files hardly ever."""

    def __init__(self, content: bytes) -> None:
        self._packed = zlib.compress(content)

    @property
    def content(self) -> bytes:
        """The bytes of the file."""
        return zlib.decompress(self._packed)


class KeptJournal(Persistent):
    """A journal that was taken in: its file, and what came of it."""

    def __init__(self, content: bytes, report: Report) -> None:
        self.file = JournalFile(content)
        self.report = report


def sha256_of(content: bytes) -> str:
    """Hash a file as it is kept."""
    return hashlib.sha256(content).hexdigest()


def keep_journal(portal: Portal, content: bytes, report: Report) -> None:
    """Keep a journal, by its hash, and note that its day was taken."""
    portal.stores["journals"][report.sha256] = KeptJournal(content, report)
    if report.kind is JournalKind.TRANSACTIONS:
        portal.stores["journal_days"].insert((report.gateway, report.day))


def forget_journals(portal: Portal, before: date) -> int:
    """Forget the journals of the days before one, and count them."""
    old = [name for name, kept in portal.stores["journals"].items() if kept.report.day < before]
    for name in old:
        del portal.stores["journals"][name]
    days = portal.stores["journal_days"]
    for each in [each for each in days if each[1] < before]:
        days.remove(each)
    return len(old)


def days_taken(portal: Portal, gateway: str) -> list[date]:
    """List the days whose journal of operations was taken, the oldest first."""
    return [day for _, day in portal.stores["journal_days"].keys((gateway, date.min), (gateway, date.max))]


def kept_reports(portal: Portal) -> list[Report]:
    """List what came of the journals that were taken, the newest day first."""
    reports = (each.report for each in portal.stores["journals"].values())
    return sorted(reports, key=lambda each: (each.day, each.kind), reverse=True)
