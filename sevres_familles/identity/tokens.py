"""Tokens of the links that mails carry.

A token is computed from a random nonce with a key that stands in a file, not in the database: what waits in the outbox
(the nonce) and what a family's credentials keep (a hash of the token) open nothing without that file.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum

from sevres_familles.web.settings import Settings


class Purpose(StrEnum):
    """What a link is for; a token of one opens nothing of the other."""

    RESET = "reset"
    EMAIL = "email"


def new_nonce() -> str:
    """Draw a nonce of 128 bits, in hexadecimal."""
    return secrets.token_hex(16)


def token_for(settings: Settings, purpose: str, code: str, nonce: str) -> str:
    """Compute the token of a link: HMAC-SHA256, in hexadecimal."""
    message = "\0".join((purpose, code, nonce)).encode()
    return hmac.new(settings.secret("tokens.key"), message, hashlib.sha256).hexdigest()


def digest(secret: str) -> bytes:
    """Hash a token or a ticket as the database keeps it.  It is random and long, so a quick hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, kept: bytes) -> bool:
    """Tell whether a token is the one whose hash is kept, in constant time (requirements S35)."""
    return hmac.compare_digest(digest(secret), kept)
