"""Turns: what books money on one machine waits for its turn, instead of meeting others at the receipt's number.

The database refuses the second of two bookings that wrote the same, and it is tried again: that alone keeps the books
right, whoever books, wherever.  But every booking of a régie writes its last receipt number, and of a hundred that come
at once, each tries ten times and some give up (decision 11).  The turn spares them that; it guards nothing.
"""

import fcntl
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO

from pyramid.request import Request

from sevres_familles.web.settings import Settings

#: How long to wait for one's turn, in seconds: after that one goes without, lest a process that hangs hold up the rest.
_PATIENCE = 5.0
_PAUSE = 0.002


@contextmanager
def booking_turn(settings: Settings) -> Iterator[None]:
    """Wait for one's turn to book, and keep it until the block ends.  The transaction must begin inside."""
    give_up_at = time.monotonic() + _PATIENCE
    with (settings.var / "booking.lock").open("ab") as lock:
        while not _is_taken(lock) and time.monotonic() < give_up_at:
            time.sleep(secrets.SystemRandom().uniform(_PAUSE, 2 * _PAUSE))
        yield


def take_turn(request: Request) -> None:
    """Wait for one's turn to book, and keep it until the end of a request, whose transaction begins anew.

    What it wrote before is lost.
    """
    stack = ExitStack()
    request.add_finished_callback(lambda _: stack.close())
    stack.enter_context(booking_turn(request.portal_settings))
    request.tm.abort()
    request.tm.begin()


def _is_taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
