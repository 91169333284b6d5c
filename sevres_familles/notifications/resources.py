"""The outbox: the mails that wait, and for a month those that do not any more."""

import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from BTrees.OOBTree import OOBTree
from persistent import Persistent

from sevres_familles.domain.emails import is_email

#: How long a mail is known after it left or was given up (requirements I14).
KEPT_FOR = timedelta(days=30)
#: How long a settled mail may still stand among those that requests write.
TIDY_AFTER = timedelta(minutes=1)


class MailKind(StrEnum):
    """What a mail is about: the name of its template in ``templates/mail``."""

    IDENTIFIERS = "identifiers"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a name
    EMAIL_CONFIRMATION = "email_confirmation"
    RECEIPT = "receipt"
    MONEY_RETURNED = "money_returned"
    DELIVERY_CHOSEN = "delivery_chosen"
    INVOICES_ONLINE = "invoices_online"
    NEW_DEVICE = "new_device"
    EMAIL_REPLACED = "email_replaced"


#: Kinds that carry a link which dies, the shortest-lived first: they leave before all others.
IN_HASTE = (MailKind.IDENTIFIERS, MailKind.EMAIL_CONFIRMATION)


class Mail(Persistent):
    """One mail to one address.

    ``context`` is what its words are made from: texts, numbers, lists and mappings of them, a nonce at most, never a
    token or a password.  ``message_id`` is the same at every try: by it a mail that leaves twice is known to be one.
    ``attempts`` counts the tries that began; ``error`` names what the last one met, and holds nothing personal;
    ``is_refused`` says that it met a server that takes nothing for this recipient, now or later.
    """

    attempts: int = 0
    error: str = ""
    is_refused: bool = False
    sent_at: datetime | None = None
    given_up_at: datetime | None = None

    def __init__(
        self, kind: MailKind, recipient: str, context: Mapping[str, Any], *, message_id: str, at: datetime
    ) -> None:
        self.kind = kind
        self.recipient = recipient
        self.context = dict(context)
        self.message_id = message_id
        self.written_at = at
        self.next_at = at

    @property
    def rank(self) -> int:
        """Its place in the row: those in haste first."""
        return IN_HASTE.index(self.kind) if self.kind in IN_HASTE else len(IN_HASTE)

    @property
    def settled_at(self) -> datetime | None:
        """When it was sent or given up; nothing while it waits."""
        return self.sent_at or self.given_up_at

    def claim(self, until: datetime) -> None:
        """Begin a try, and keep other workers away until a moment."""
        self.attempts += 1
        self.next_at = until


class Waiting(Mapping[str, Mail]):
    """The mails that wait, among those that were written."""

    def __init__(self, written: Mapping[str, Mail]) -> None:
        self._written = written

    def __getitem__(self, key: str) -> Mail:
        mail = self._written[key]
        if mail.settled_at is not None:
            raise KeyError(key)
        return mail

    def __iter__(self) -> Iterator[str]:
        return (key for key, mail in self._written.items() if mail.settled_at is None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Outbox(Persistent):
    """The mails: ``written``, by a random key, and ``settled`` (sent or given up), by the moment and that key.

    Requests write in the first, workers in the second.  Two that add to a tree at once do not meet, unlike one that
    adds and one that takes away: so a mail that is settled is marked, and is put away with others later (decision 19).
    Random keys spread writers over the tree, and never over a counter.
    """

    def __init__(self) -> None:
        self.written: OOBTree = OOBTree()
        self.settled: OOBTree = OOBTree()

    @property
    def waiting(self) -> Waiting:
        """The mails that wait, by key."""
        return Waiting(self.written)

    def write(self, kind: MailKind, recipient: str, context: Mapping[str, Any], *, domain: str, at: datetime) -> None:
        """Write a mail, in the transaction of what it tells.  ``domain`` is that of its Message-ID.

        An address that cannot be one is refused (requirements S24) without undoing the act: the mail is listed as
        given up, and the text that was no address is not kept.
        """
        key = secrets.token_hex(16)
        is_good = is_email(recipient)
        mail = Mail(kind, recipient if is_good else "", context, message_id=f"<{key}@{domain}>", at=at)
        self.written[key] = mail
        if not is_good:
            self.give_up(key, "WrongAddress", at)

    def due(self, now: datetime) -> list[str]:
        """List the keys of the mails to be tried now: those in haste, then those that wait longest."""
        due = ((mail.rank, mail.next_at, key) for key, mail in self.waiting.items() if mail.next_at <= now)
        return [key for _, _, key in sorted(due)]

    def oldest(self) -> datetime | None:
        """Tell since when the oldest waiting mail waits."""
        return min((mail.written_at for mail in self.waiting.values()), default=None)

    def last_sent(self, since: datetime) -> datetime | None:
        """Tell when the last mail left, if any did since a moment."""
        settled = reversed(self.settled.values(min=(since, "")))
        return next((mail.sent_at for mail in settled if mail.sent_at is not None), None)

    def mark_sent(self, key: str, at: datetime) -> None:
        """Note that a mail left.  What its words were made from is dropped."""
        mail = self.waiting.get(key)
        if mail is None:
            return  # another worker noted it, the claim of this one having run out
        mail.sent_at, mail.context, mail.error = at, {}, ""
        self.settled[at, key] = mail

    def mark_failed(self, key: str, error: str, next_at: datetime, *, is_refused: bool = False) -> None:
        """Note that a try failed, and when the next one is due."""
        mail = self.waiting.get(key)
        if mail is not None:
            mail.error, mail.next_at, mail.is_refused = error, next_at, is_refused

    def give_up(self, key: str, error: str, at: datetime) -> None:
        """Note that a mail will not be tried again."""
        mail = self.waiting.get(key)
        if mail is not None:
            mail.given_up_at, mail.error = at, error
            self.settled[at, key] = mail

    def given_up(self) -> list[Mail]:
        """List the mails that were given up, the oldest first."""
        return [mail for mail in self.settled.values() if mail.given_up_at is not None]

    def untidy(self, now: datetime) -> list[str]:
        """List the keys of all settled mails that still stand among the written, once one has for long enough."""
        settled = [(mail.settled_at, key) for key, mail in self.written.items() if mail.settled_at is not None]
        if not settled or min(settled)[0] > now - TIDY_AFTER:
            return []
        return [key for _, key in settled]

    def put_away(self, keys: list[str]) -> None:
        """Take settled mails out of the written."""
        for key in keys:
            self.written.pop(key, None)

    def outdated(self, now: datetime) -> list[tuple[datetime, str]]:
        """List the keys of settled mails that are known for long enough."""
        return list(self.settled.keys(max=(now - KEPT_FOR, "")))

    def drop(self, keys: list[tuple[datetime, str]]) -> None:
        """Forget settled mails."""
        for key in keys:
            self.settled.pop(key, None)
