"""Delivering the mails that are due: claim, compose, hand over, note.

Each step is a transaction of its own, and the SMTP server is spoken to between transactions.  A claim pushes the next
try away, so that a second worker leaves the mail alone; a worker that is killed leaves the claim to run out, and the
mail to the next one.  So a mail leaves at least once, and twice only if its worker died between the server's answer and
the noting of it, or took longer than the claim.
"""

import logging
import traceback
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import transaction
from transaction.interfaces import TransientError

from sevres_familles.families.delivery import BY_PORTAL, choose_delivery
from sevres_familles.identity.services import mail_address
from sevres_familles.notifications.letters import compose
from sevres_familles.notifications.resources import Mail, MailKind, Outbox
from sevres_familles.notifications.transport import Letter, error_name, is_out_of_reach, is_refused_for_good
from sevres_familles.web.root import Portal, portal_in
from sevres_familles.web.settings import Settings
from sevres_familles.web.watching import beat

log = logging.getLogger(__name__)

#: How long a claim lasts: much longer than a try.
CLAIM = timedelta(minutes=10)
#: How long to wait between tries at most, whatever the server said: mails leave within the hour of its return (F7).
AT_LAST = timedelta(minutes=50)
#: How long a mail is tried.
TRIED_FOR = timedelta(days=5)

_ATTEMPTS = 10
#: After so many mails what is due is read again: one in haste waits for no more of them.
_BATCH = 50


class ServerOutOfReach(Exception):
    """The SMTP server cannot be reached, or is going away."""


class Claim(NamedTuple):
    """A mail that this worker took: its key, how the log names it, how many tries began."""

    key: str
    name: str
    attempts: int


def deliver_due(registry: Any, is_stopping: Callable[[], bool] = lambda: False) -> int:
    """Try every mail that is due, and tell how many left.

    Ends early when told to stop, or when the server is out of reach: it would not take the others either.
    """
    manager = transaction.TransactionManager(explicit=True)
    with closing(registry._zodb_databases[""].open(transaction_manager=manager)) as connection:
        return Delivery(registry, manager, connection).run(is_stopping)


def lives_until(settings: Settings, mail: Mail) -> datetime:
    """Tell until when a mail is worth sending: one whose link is dead misleads."""
    lives = {MailKind.IDENTIFIERS: settings.reset_life, MailKind.EMAIL_CONFIRMATION: settings.confirmation_life}
    return mail.written_at + lives.get(mail.kind, TRIED_FOR)


def delay_after(settings: Settings, attempts: int) -> timedelta:
    """Tell how long to wait after so many tries."""
    return min(settings.mail_delays[attempts - 1], AT_LAST) if attempts <= len(settings.mail_delays) else AT_LAST


class Delivery:
    """One round over the mails that are due, over a database connection of its own."""

    def __init__(self, registry: Any, manager: Any, connection: Any) -> None:
        self._registry = registry
        self._settings: Settings = registry.settings_of_portal
        self._manager = manager
        self._connection = connection

    def run(self, is_stopping: Callable[[], bool]) -> int:
        """Try every mail that is due, none twice, and tell how many left."""
        beat(self._registry, "mail")
        sent = 0
        tried: set[str] = set()
        while batch := self._batch(tried):
            for key in batch:
                if is_stopping():
                    return sent
                beat(self._registry, "mail")
                tried.add(key)
                try:
                    sent += self._try(key)
                except ServerOutOfReach:
                    return sent
        return sent

    def _batch(self, tried: set[str]) -> list[str]:
        """Tidy, and read the next mails that are due, save those that this round tried."""
        self._tidy()
        with self._manager:
            return [key for key in self._outbox.due(self._now) if key not in tried][:_BATCH]

    @property
    def _now(self) -> datetime:
        moment: datetime = self._registry.clock.now()
        return moment

    @property
    def _portal(self) -> Portal:
        return portal_in(self._connection.root(), self._registry)

    @property
    def _outbox(self) -> Outbox:
        outbox: Outbox = self._portal.stores["outbox"]
        return outbox

    def _change(self, change: Callable[[Outbox], None]) -> None:
        """Change the outbox in one transaction, again when it meets another's."""
        for attempt in self._manager.attempts(_ATTEMPTS):
            with attempt:
                change(self._outbox)

    def _tidy(self) -> None:
        """Put away what was settled, and forget what is outdated, where there is any."""
        with self._manager:
            outbox = self._outbox
            untidy, outdated = outbox.untidy(self._now), outbox.outdated(self._now)
        if untidy:
            self._change(lambda outbox: outbox.put_away(untidy))
        if outdated:
            self._change(lambda outbox: outbox.drop(outdated))

    def _try(self, key: str) -> bool:
        """Try one mail, and tell whether it left.

        :raises ServerOutOfReach: when no mail can leave now.
        """
        try:
            claim = self._claim(key)
        except TransientError:  # another worker claimed it in the same instant
            self._manager.abort()
            return False
        if claim is None:
            return False
        try:
            self._registry.mailer.send_immediately(self._letter(key))
        except Exception as error:  # whatever one mail meets, the others go on
            self._note_failure(claim, error)
            if is_out_of_reach(error):
                raise ServerOutOfReach from error
            return False
        self._change(lambda outbox: outbox.mark_sent(key, self._now))
        log.info("%s: sent", claim.name)
        return True

    def _claim(self, key: str) -> Claim | None:
        """Take a mail for this worker, or give it up when it is too late for it.

        :raises TransientError: when another worker does so at the same time.
        """
        now = self._now
        with self._manager:
            outbox = self._outbox
            mail = outbox.waiting.get(key)
            if mail is None or mail.next_at > now:
                return None
            name = f"Mail {mail.kind} {mail.message_id}"
            is_too_late = now >= lives_until(self._settings, mail)
            if is_too_late:
                outbox.give_up(key, mail.error or "TooLate", now)
                self._have_printed_again(mail, now)
            else:
                mail.claim(until=now + CLAIM)
            claim = Claim(key, name, mail.attempts)
        if is_too_late:
            log.error("%s: given up", name)
            return None
        return claim

    def _have_printed_again(self, mail: Mail, now: datetime) -> None:
        """Let a family have paper again whose invoices could not be told, since its address is refused for good."""
        if mail.kind is not MailKind.INVOICES_ONLINE or not mail.is_refused:
            return
        families, code = self._portal["familles"], mail.context["code"]
        if code in families and mail_address(self._portal, self._registry, code) == mail.recipient:
            choose_delivery(self._portal, self._registry, families[code], electronic=False, at=now, by=BY_PORTAL)

    def _letter(self, key: str) -> Letter:
        with self._manager:
            return compose(self._registry, self._portal, self._outbox.waiting[key], self._now)

    def _note_failure(self, claim: Claim, error: Exception) -> None:
        """Note a failed try, and tell it without a word of the error's message, which may be personal."""
        name, next_at = error_name(error), self._now + delay_after(self._settings, claim.attempts)
        is_refused = is_refused_for_good(error)
        self._change(lambda outbox: outbox.mark_failed(claim.key, name, next_at, is_refused=is_refused))
        log.warning("%s: %s", claim.name, name)
        if not isinstance(error, OSError):
            log.error("%s: the fault is ours\n%s", claim.name, "".join(traceback.format_tb(error.__traceback__)))
