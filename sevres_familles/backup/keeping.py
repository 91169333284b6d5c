"""Which backups are kept: the name of each says when it was made."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

_NAME = re.compile(r"espace-familles-(\d{8}T\d{6}Z)\.age")
_STAMP = "%Y%m%dT%H%M%SZ"


class Keeping(NamedTuple):
    """How long backups are kept: all for some hours, then the last of each day, then the last of each month."""

    hours: int
    days: int
    months: int


def stamp(moment: datetime) -> str:
    """Write a moment as names have it: ``20261123T143500Z``."""
    return moment.astimezone(UTC).strftime(_STAMP)


def name_of(moment: datetime) -> str:
    """Name a backup."""
    return f"espace-familles-{stamp(moment)}.age"


def backups_in(folder: Path) -> dict[datetime, Path]:
    """Find the backups of a folder, by moment, the oldest first."""
    named = [(match[1], path) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name))]
    return {datetime.strptime(text, _STAMP).replace(tzinfo=UTC): path for text, path in sorted(named)}


def forgotten(moments: Iterable[datetime], keeping: Keeping, now: datetime) -> set[datetime]:
    """Tell which may go.  The newest never does, whatever the clock says."""
    ordered = sorted(moments)
    last_of_day = {moment.date(): moment for moment in ordered}
    last_of_month = {(moment.year, moment.month): moment for moment in ordered}
    kept = set(ordered[-1:])
    kept |= {moment for moment in ordered if moment > now - timedelta(hours=keeping.hours)}
    kept |= {moment for moment in last_of_day.values() if moment > now - timedelta(days=keeping.days)}
    kept |= {moment for moment in last_of_month.values() if moment > now - timedelta(days=31 * keeping.months)}
    return set(ordered) - kept
