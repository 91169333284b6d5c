"""What of a family's way in is kept no longer: links and passwords that are too old, sessions that are over (I14)."""

from datetime import datetime
from typing import Any

from sevres_familles.identity.resources import Credentials


def drop_outdated(portal: Any, registry: Any, code: str, at: datetime) -> int:
    """Drop the links, the printed password and the sessions of a family that open nothing more; count them."""
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    if credentials is None:
        return 0
    settings = registry.settings_of_portal
    dropped = 0
    lives = {
        "reset": settings.reset_life,
        "confirmation": settings.confirmation_life,
        "printed": settings.printed_password_life,
    }
    for name, life in lives.items():
        held = getattr(credentials, name)
        if held is not None and not held.is_good(at, life):
            setattr(credentials, name, None)
            dropped += 1
    alive = {
        key: session
        for key, session in credentials.sessions.items()
        if at < session.opened_at + settings.session_absolute
    }
    if len(alive) < len(credentials.sessions):
        dropped += len(credentials.sessions) - len(alive)
        credentials.sessions = alive
    return dropped


def last_seen(portal: Any, code: str) -> datetime | None:
    """Tell when a family last came in, or was given a password that it may come in with."""
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    if credentials is None:
        return None
    issued = credentials.printed.issued_at if credentials.printed is not None else None
    return max((at for at in (credentials.seen_at, issued) if at is not None), default=None)


def forget_credentials(portal: Any, code: str) -> None:
    """Forget how a family came in."""
    portal.stores["credentials"].pop(code, None)


def forget_addresses_of_nobody(portal: Any, registry: Any) -> None:
    """Forget the lines of the index of addresses whose families are gone."""
    portal.stores["emails"].forget(lambda code: not registry.directory.exists(portal, code))
