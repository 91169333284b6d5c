"""The clock service: the one place where the time comes from, so that tests can set it."""

from datetime import UTC, date, datetime
from typing import Protocol

from pyramid.config import Configurator
from pyramid.request import Request

from sevres_familles.domain.french import local


class Clock(Protocol):
    """Whatever tells the time."""

    def now(self) -> datetime:
        """Tell the moment, aware, in UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        """Tell the moment, aware, in UTC."""
        return datetime.now(UTC)


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
