"""The bank's clock: the machine's, plus the days that the merchant's page added."""

import time
from datetime import UTC, datetime

from sevres_familles.sandbox.bank.store import Store

A_DAY = 86_400.0

_AHEAD = "clock ahead"


class Clock:
    """A clock that can be put forward, and stays so when the bank starts again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ahead = store.number(_AHEAD) or 0.0

    def __call__(self) -> float:
        """Return the moment at the bank, in seconds since 1970."""
        return time.time() + self._ahead

    @property
    def days_ahead(self) -> int:
        """Return how many days it is ahead of the machine's."""
        return round(self._ahead / A_DAY)

    def advance(self) -> None:
        """Put it a day forward."""
        self._ahead += A_DAY
        self._store.keep_number(_AHEAD, self._ahead)


def day_of(moment: float) -> int:
    """Return the number of the UTC day of a moment, counted from 1970."""
    return int(moment // A_DAY)


def written(day: int) -> str:
    """Write a day as the bank does: 20261123."""
    return datetime.fromtimestamp(day * A_DAY, UTC).strftime("%Y%m%d")
