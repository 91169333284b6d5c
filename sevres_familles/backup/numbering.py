"""Receipts after a restoration: no number that the lost database may have given is given again (decision 10)."""

from collections.abc import Sequence
from datetime import datetime

from sevres_familles.backup.vault import BackupRefused
from sevres_familles.domain import french
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.regies.resources import ReceiptGap
from sevres_familles.web.root import Portal

#: How many numbers of a régie and year are left out where nobody says which was given last: more than the receipts of a
#: day, whatever the town, and few of the million that a year has.
MARGIN = 10_000


def leave_out_lost(
    portal: Portal, made_at: datetime, last_given: Sequence[ReceiptNumber], *, at: datetime, by: str
) -> tuple[ReceiptGap, ...]:
    """Leave out the numbers that may have been given between a backup and its restoration, and give the gaps.

    :param last_given: the last one of a régie and year, where that is known.
    :raises BackupRefused: for one that is before what the backup holds, or is of no régie or year.
    """
    known = {(number.code, number.year): number for number in last_given}
    years = range(french.local(made_at).year, french.local(max(made_at, at)).year + 1)
    gaps: list[ReceiptGap] = []
    for regie in portal["regies"].values():
        for year in years:
            held = ReceiptNumber(year, regie.description.code, regie.receipts.get(year, 0))
            last = known.pop((held.code, year), held._replace(place=held.place + MARGIN))
            if last < held:
                raise BackupRefused(f"la sauvegarde va jusqu’au reçu {held}, après {last} : donnez le dernier numéro")
            before = len(regie.receipt_gaps)
            why = f"restauration de la sauvegarde du {french.moment_text(made_at)}"
            regie.leave_out_receipts(year, last.place, at=at, by=by, why=why)
            gaps += regie.receipt_gaps[before:]
    if known:
        strangers = ", ".join(map(str, known.values()))
        raise BackupRefused(f"{strangers} : pas d’une régie, ou d’une année depuis la sauvegarde")
    return tuple(gaps)
