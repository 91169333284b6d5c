"""What machines that watch the portal are told of mails."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sevres_familles.notifications.resources import Outbox
from sevres_familles.web.root import Portal
from sevres_familles.web.watching import Measure, silence_of

#: Mails wait that nobody tried, and none left for so long: the worker, or the relay, does not do its work.
_LONGEST_WAIT = timedelta(minutes=15)


def measures_of_mails(portal: Portal, registry: Any, now: datetime) -> Iterator[Measure]:
    """Measure what waits in the outbox, and the worker that sends it.

    A mail that one address keeps refusing is no fault of the portal, nor is a long row from which mails leave: what
    counts are mails that nobody tried while none leaves.
    """
    outbox: Outbox = portal.stores["outbox"]
    waiting = list(outbox.waiting.values())
    untried = min((mail.written_at for mail in waiting if not mail.attempts), default=None)
    stands_since = (outbox.last_sent(untried) or untried) if untried else None
    yield Measure("mails_waiting", "Mails that wait.", len(waiting))
    yield Measure("mails_oldest_seconds", "For how long the oldest waits, in seconds.", _age(outbox.oldest(), now))
    words = "For how long mails that were never tried wait while none leaves, in seconds."
    yield Measure("mails_untried_seconds", words, _age(stands_since, now), _LONGEST_WAIT.total_seconds())
    yield silence_of(portal, "mail", now)


def _age(moment: datetime | None, now: datetime) -> float:
    return (now - moment).total_seconds() if moment else 0.0
