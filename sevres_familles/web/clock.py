"""The clock service: the one place where the time comes from, so that tests can set it."""

import ctypes
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import inf, nan
from typing import Protocol

from pyramid.config import Configurator
from pyramid.request import Request

from sevres_familles.domain.french import local

#: What the kernel says of a clock that nobody keeps, in microseconds (its NTP_PHASE_LIMIT).
_NOBODY_KEEPS_IT = 16_000_000


def told_by_the_kernel() -> int:
    """Ask the kernel for the greatest error of its clock, in microseconds; some sandboxes let nobody ask."""
    # struct ntptimeval: the time in two, the greatest error, the likely one, TAI, four in reserve.
    told = (ctypes.c_long * 9)()
    ask = getattr(ctypes.CDLL(None), "ntp_gettimex", None)
    return told[2] if ask is not None and ask(told) != -1 else _NOBODY_KEEPS_IT


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """Tell the moment, aware, in UTC."""
        ...

    def error(self) -> float:
        """Tell by how many seconds at most it may be wrong: ``nan`` when nobody knows."""
        ...


class SystemClock:
    """The clock of the machine."""

    def __init__(self, greatest_error: Callable[[], int] = told_by_the_kernel) -> None:
        self._greatest_error = greatest_error
        self._was_kept = False

    def now(self) -> datetime:
        """Tell the moment, aware, in UTC."""
        return datetime.now(UTC)

    def error(self) -> float:
        """Tell by how many seconds at most it may be wrong: ``nan`` when nobody knows.

        The kernel adds to it (500 µs a second) until chrony or timesyncd compares the clock again.
        """
        microseconds = self._greatest_error()
        if microseconds < _NOBODY_KEEPS_IT:
            self._was_kept = True
            return microseconds / 1e6
        return inf if self._was_kept else nan


def now(request: Request) -> datetime:
    """Tell when the request came: one moment for all that it does."""
    moment: datetime = request.registry.clock.now()
    return moment


def today(request: Request) -> date:
    """Tell the day of the request in the town's time."""
    return local(request.now).date()


def includeme(config: Configurator) -> None:
    """Add ``request.now`` and ``request.today``; keep a clock that a test has set."""
    if getattr(config.registry, "clock", None) is None:
        config.registry.clock = SystemClock()
    config.add_request_method(now, reify=True)
    config.add_request_method(today, reify=True)
