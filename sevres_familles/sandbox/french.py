"""Write sums and moments as the French read them."""

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

#: Joins what must not be parted at the end of a line.
NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"

PARIS = ZoneInfo("Europe/Paris")


def euros(cents: int) -> str:
    """Write a sum of whole cents: 123456 is « 1 234,56 € »."""
    whole, part = divmod(cents, 100)
    thousands = f"{whole:,}".replace(",", NO_BREAK_SPACE)
    return f"{thousands},{part:02d}{NO_BREAK_SPACE}€"


def cents(text: str) -> int | None:
    """Read a sum typed in euros: « 12,50 » is 1250. None if it is not one."""
    match = re.fullmatch(r"([0-9]{1,7})(?:[,.]([0-9]{2}))?", text.strip().removesuffix("€").strip())
    return int(match[1]) * 100 + int(match[2] or 0) if match else None


def day(moment: float) -> str:
    """Write the day in Paris of a moment, in seconds since 1970: « 23/11/2026 »."""
    return _in_paris(moment).strftime("%d/%m/%Y")


def day_and_time(moment: float) -> str:
    """Write the day and time in Paris of a moment, in seconds since 1970."""
    return _in_paris(moment).strftime("%d/%m/%Y à %H:%M:%S")


def _in_paris(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC).astimezone(PARIS)
