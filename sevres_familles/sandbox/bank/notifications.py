"""Tell the shop what came of its payments, and tell it again until it has heard.

A few threads of their own take what is due from the store, so that a shop that does not
answer holds up nobody but its own payer. A notification counts as heard when the shop
answers 200 to 206 or 30x; else it is sent again after a quarter of an hour, four times
(the bank's rules). Redirects are not followed, and only the loopback is ever called.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlencode, urlsplit

from sevres_familles.sandbox.bank.forms import is_on_loopback
from sevres_familles.sandbox.bank.messages import notification
from sevres_familles.sandbox.bank.records import Attempt, Notification, NotificationState, Page, Source, Status
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import Store

log = logging.getLogger(__name__)

#: How long the bank, and the payer's ticket, wait for the shop's answer, in seconds.
LONGEST_ANSWER = 35.0

#: The bank's delays between a failure and the next try, in seconds.
QUARTERS_OF_AN_HOUR = (900.0, 900.0, 900.0, 900.0)

#: The answers after which the shop has heard.
HEARD = frozenset([*range(200, 207), *range(300, 309)])

#: How many shops may keep the bank waiting at once.
_THREADS = 4

#: The longest a thread sleeps without looking, in seconds: the clock may be set.
_LONGEST_SLEEP = 60.0

Clock = Callable[[], float]


class Courier:
    """Whoever brings the notifications to the shop."""

    def __init__(
        self,
        store: Store,
        shop: Shop,
        delays: Sequence[float] = QUARTERS_OF_AN_HOUR,
        clock: Clock = time.time,
    ) -> None:
        self._store = store
        self._shop = shop
        self._delays = tuple(delays)
        self._clock = clock
        #: Told whenever something is to be sent, or was.
        self._news = threading.Condition()
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"courier-{number}", daemon=True) for number in range(_THREADS)
        ]

    def start(self) -> None:
        """Begin to send what is due, and what becomes due."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop after what is being sent; the rest is in the store, for the next start."""
        with self._news:
            self._stopping = True
            self._news.notify_all()

    def wake(self) -> None:
        """Look at once at what is due."""
        with self._news:
            self._news.notify_all()

    def wait_for(self, notification_id: int, seconds: float = LONGEST_ANSWER) -> None:
        """Wait until a notification was sent and answered, or the time is over."""
        with self._news:
            self._news.wait_for(lambda: self._store.was_tried(notification_id), seconds)

    def _work(self) -> None:
        while (due := self._next()) is not None:
            try:
                self._bring(due)
            except Exception:  # the next one must leave all the same; this one does at the next start
                log.exception("notification %d", due.id)

    def _next(self) -> Notification | None:
        """Wait for the next notification that is due; none when it is time to stop."""
        with self._news:
            while not self._stopping:
                due = self._store.claim_notification(self._clock())
                if due is not None:
                    return due
                self._news.wait(self._time_to_sleep())
        return None

    def _time_to_sleep(self) -> float:
        due_at = self._store.next_due()
        if due_at is None:
            return _LONGEST_SLEEP
        return min(max(due_at - self._clock(), 0.0), _LONGEST_SLEEP)

    def _bring(self, due: Notification) -> None:
        at = self._clock()
        page, fields = self._written(due)
        answer, heard = post(page.notification_address, fields)
        state, due_at = self._what_next(due, heard)
        self._store.record_attempt(due, Attempt(at, answer), state, due_at)
        log.info("notification %d of %s: %s", due.id, page.order_id, answer)
        self.wake()

    def _written(self, due: Notification) -> tuple[Page, dict[str, str]]:
        if due.source is Source.BATCH:
            self._store.change(due.uuid, Status.UNDER_VERIFICATION, Status.AUTHORISED, self._clock())
        payment = self._store.payment(due.uuid)
        page = self._store.page(payment.token) if payment else None
        if payment is None or page is None:  # the store's foreign keys forbid it
            raise LookupError(due.uuid)
        source = Source.RETRY if due.attempts else due.source
        return page, notification(page, payment, source, self._shop, is_forged=due.is_forged)

    def _what_next(self, due: Notification, heard: bool) -> tuple[NotificationState, float]:
        now = self._clock()
        if heard:
            return NotificationState.DELIVERED, now
        # The merchant who asked for it sees the answer, and asks again if need be.
        delays = () if due.source is Source.BO else self._delays
        tries = len(due.attempts)
        if tries < len(delays):
            return NotificationState.WAITING, now + delays[tries]
        return NotificationState.GIVEN_UP, now


def post(address: str, fields: dict[str, str]) -> tuple[str, bool]:
    """Post fields to an address of this machine.

    :returns: what was answered, for people to read, and whether the shop heard.
    """
    if not is_on_loopback(address):
        return "adresse refusée", False
    parts = urlsplit(address)
    secure = parts.scheme == "https"
    door = (HTTPSConnection if secure else HTTPConnection)(parts.netloc, timeout=LONGEST_ANSWER)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        door.request(
            "POST",
            target,
            urlencode(fields),
            {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "Banque-demo"},
        )
        status = door.getresponse().status
    except TimeoutError:
        return f"pas de réponse en {LONGEST_ANSWER:.0f} secondes", False
    except (OSError, HTTPException) as error:
        return f"injoignable ({type(error).__name__})", False
    finally:
        door.close()
    return f"réponse {status}", status in HEARD
