"""What is kept of a family's way in: hashes of its passwords, its open sessions, the links it was sent.

`Credentials` have no address: they stand in ``portal.stores["credentials"]``, by family code, made when first needed.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from persistent import Persistent

from sevres_familles.identity.tokens import digest

#: Sessions kept for a family; a further sign-in ends the oldest.
MOST_SESSIONS = 20
#: Credentials of nobody: many, so that requests at once do not conflict on them.
DECOYS = 64
#: How long a session is good for what else asks for the password again.
FRESH = timedelta(minutes=15)


class Scope(StrEnum):
    """What a session opens: everything of the family, or the choice of a password alone."""

    FAMILY = "family"
    ACTIVATION = "activation"


class Session(NamedTuple):
    """An open session."""

    opened_at: datetime
    scope: Scope
    #: Which kind of device, in a few words: « Firefox sous Windows ».
    device: str = ""

    def is_fresh(self, at: datetime) -> bool:
        """Tell whether a password was typed a few minutes ago."""
        return at < self.opened_at + FRESH


class PrintedPassword(NamedTuple):
    """The provisional password that stands on an invoice: its slow hash, and whether it served.

    It is drawn when its letter is made, and issued, when its life begins, once that is printed.
    """

    hashed: str
    drawn_at: datetime
    issued_at: datetime
    spent: bool = False

    def is_good(self, at: datetime, life: timedelta) -> bool:
        """Tell whether it still opens something."""
        return not self.spent and at < self.issued_at + life


class SentLink(NamedTuple):
    """A link that was sent to ``email``: the hash of its token.

    ``password`` is the hash of the password hash of that moment, so that a link dies with the password that stood then:
    who changes it because someone else came in leaves him no link.  ``key`` is the mark of the key that made the token.
    """

    digest: bytes
    email: str
    sent_at: datetime
    password: bytes
    key: str

    def is_good(self, at: datetime, life: timedelta) -> bool:
        """Tell whether it is young enough."""
        return at < self.sent_at + life


class Credentials(Persistent):
    """A family's passwords, sessions and links."""

    #: The family's own password, as Argon2 writes it; none until it chose one.
    password: str | None = None
    printed: PrintedPassword | None = None
    #: The address that the family confirmed.
    email: str | None = None
    #: What makes the tokens of devices good for this family alone, until its password changes.
    device_key: str = ""
    #: The last links that were sent, to choose a password and to confirm an address.
    reset: SentLink | None = None
    confirmation: SentLink | None = None
    #: When it last came in.
    seen_at: datetime | None = None
    #: Open sessions, by hash of their ticket.
    sessions: Mapping[bytes, Session]

    def __init__(self, code: str) -> None:
        self.code = code
        self.sessions = {}

    @property
    def password_digest(self) -> bytes:
        """What a link is bound to: it changes with the password."""
        return digest(self.password or "")

    def open_session(self, ticket: str, session: Session, life: timedelta) -> None:
        """Keep a new session, and drop those that are over."""
        self.seen_at = session.opened_at
        alive = [(key, each) for key, each in self.sessions.items() if session.opened_at < each.opened_at + life]
        self.sessions = dict([*alive, (digest(ticket), session)][-MOST_SESSIONS:])

    def session(self, ticket: str, at: datetime, life: timedelta) -> Session | None:
        """Find the session of a ticket; none when it was ended, or is too old."""
        session = self.sessions.get(digest(ticket))
        return session if session is not None and at < session.opened_at + life else None

    def end_session(self, ticket: str) -> None:
        """End one session."""
        self.sessions = {key: each for key, each in self.sessions.items() if key != digest(ticket)}

    def end_sessions(self) -> None:
        """End all sessions."""
        self.sessions = {}

    def open_sessions(self, at: datetime, life: timedelta) -> list[tuple[str, Session]]:
        """List the sessions that are open, the newest first, each with the name by which `end_named` ends it."""
        alive = [(key, each) for key, each in self.sessions.items() if at < each.opened_at + life]
        return [(_name_of(key), each) for key, each in reversed(alive)]

    def name_of(self, ticket: str) -> str:
        """Give the name of a ticket's session.  It opens nothing."""
        return _name_of(digest(ticket))

    def end_named(self, name: str) -> bool:
        """End the session of a name, and tell whether there was one."""
        kept = {key: each for key, each in self.sessions.items() if _name_of(key) != name}
        was_there = len(kept) < len(self.sessions)
        if was_there:
            self.sessions = kept
        return was_there

    def end_others(self, ticket: str) -> None:
        """End every session but one, and know no device any more."""
        self.sessions = {key: each for key, each in self.sessions.items() if key == digest(ticket)}
        self.forget_devices()

    def forget_devices(self) -> None:
        """Know no device any more."""
        self.device_key = secrets.token_hex(8)

    def set_password(self, hashed: str) -> None:
        """Set the family's own password.

        The printed one has served, the links sent before are dead, every session ends, and devices are unknown
        (requirements I5, I6, I11).
        """
        self.password = hashed
        if self.printed is not None:
            self.printed = self.printed._replace(spent=True)
        self.reset = self.confirmation = None
        self.end_sessions()
        self.forget_devices()

    def confirm_email(self, email: str) -> None:
        """Write to an address from now on.  The links sent before are dead: the former address may hold one."""
        self.email = email
        self.reset = self.confirmation = None


def _name_of(key: bytes) -> str:
    return key[:8].hex()
