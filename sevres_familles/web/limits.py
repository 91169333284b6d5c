"""Pages that cost much, such as PDFs, are given so many times a minute (requirements S21).

A view declares itself by ``costly=True``.  Whoever asks beyond the measure gets a page with 429 and a Retry-After.  Two
buckets are drawn from: that of the family, and that of the address, which is larger, since a school or a telephone
network may stand behind one.

The buckets stand in the memory of each process: a GET writes nothing, so that with several workers the measure is that
of each.  It bounds what one visitor makes a worker compute; attempts on passwords are counted in the database
(`sevres_familles.identity.throttle`).
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from math import ceil
from threading import Lock
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPTooManyRequests
from pyramid.request import Request
from pyramid.response import Response

MINUTE = timedelta(minutes=1)
#: How many times the measure of a family an address has.
BEHIND_AN_ADDRESS = 10
#: Buckets kept: the one that was used longest ago gives way, full again by then.
MOST_BUCKETS = 10_000


class Buckets:
    """Buckets by name: each holds so many draws, and fills again within a minute."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._levels: OrderedDict[str, tuple[float, datetime]] = OrderedDict()
        self._lock = Lock()

    def draw(self, name: str, now: datetime) -> timedelta:
        """Draw from a bucket, or tell how long until it gives."""
        with self._lock:
            left, at = self._levels.pop(name, (float(self._size), now))
            # A clock that was set back empties no bucket.
            left = min(self._size, left + max(timedelta(), now - at) / MINUTE * self._size)
            wait = timedelta() if left >= 1 else (1 - left) / self._size * MINUTE
            self._levels[name] = (left if wait else left - 1, now)
            if len(self._levels) > MOST_BUCKETS:
                self._levels.popitem(last=False)
        return wait


def costly_view(view: Any, info: Any) -> Any:
    """Guard a view that is declared ``costly`` (a view deriver)."""
    if not info.options.get("costly"):
        return view

    def guarded(context: Any, request: Request) -> Response:
        wait = _draw(request)
        if wait:
            seconds = ceil(wait.total_seconds())
            refusal = HTTPTooManyRequests(
                "Vous avez demandé beaucoup de documents en peu de temps. "
                f"Attendez {seconds} seconde{'s' if seconds > 1 else ''}, puis recommencez."
            )
            refusal.headers["Retry-After"] = str(seconds)
            raise refusal
        return view(context, request)

    return guarded


def _draw(request: Request) -> timedelta:
    """Draw from both buckets, or tell how long until both give."""
    families, addresses = request.registry.costly_buckets
    family: str | None = request.authenticated_userid
    wait: timedelta = families.draw(family, request.now) if family else timedelta()
    return wait or addresses.draw(request.remote_addr or "", request.now)


costly_view.options = ("costly",)  # type: ignore[attr-defined]


def includeme(config: Configurator) -> None:
    """Add the option to views."""
    measure = config.registry.settings_of_portal.documents_per_minute
    config.registry.costly_buckets = (Buckets(measure), Buckets(measure * BEHIND_AN_ADDRESS))
    config.add_view_deriver(costly_view)
