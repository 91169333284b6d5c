"""What identity announces; `sevres_familles.notifications` tells people.

Events are announced with ``request.registry.notify`` in the transaction of the act, so what a listener writes is
committed with it or not at all.  A link's token is never in an event: its nonce is, from which `tokens.token_for` makes
it with a key that is not in the database.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple


class ResetLink(NamedTuple):
    """A link to choose a new password, for one family code."""

    code: str
    nonce: str


@dataclass(frozen=True, kw_only=True)
class ResetAsked:
    """Someone asked for forgotten identifiers, and families use that address."""

    portal: Any
    email: str
    links: tuple[ResetLink, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class PasswordChanged:
    """A family's own password was set or changed; ``emails`` are to be told."""

    portal: Any
    code: str
    emails: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class EmailReplaced:
    """A family confirmed another address than the one it was written to; ``emails``, its others, are to be told."""

    portal: Any
    code: str
    emails: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class NewDeviceSeen:
    """A family signed in by its own password from a device that was not known; ``emails`` are to be told.

    ``device`` says which kind: « Firefox sous Windows ».
    """

    portal: Any
    code: str
    device: str
    emails: tuple[str, ...]
    at: datetime


@dataclass(frozen=True, kw_only=True)
class EmailConfirmationAsked:
    """A family gave an address, which a link is to confirm."""

    portal: Any
    code: str
    email: str
    nonce: str
    at: datetime
