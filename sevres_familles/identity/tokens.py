"""Tokens of the links that mails carry.

A token is computed from a random nonce with a key that stands in a file, not in the database: what waits in the outbox
(the nonce) and what a family's credentials keep (a hash of the token) open nothing without that file.  A nonce names
the key that it was drawn for, so that a mail that waits while the key is changed leaves with a link that opens.  A link
lives no longer than its key stands in the file: whoever took that key, and what waits in the outbox, has its token too.
"""

import hashlib
import hmac
import secrets
from enum import StrEnum

from sevres_familles.web.settings import Settings

KEY = "tokens.key"
#: Characters of a key's mark.
_MARK = 8


class Purpose(StrEnum):
    """What a link is for; a token of one opens nothing of the other."""

    RESET = "reset"
    EMAIL = "email"


def new_nonce(settings: Settings) -> str:
    """Draw a nonce of 128 bits, in hexadecimal, after the mark of the key in use."""
    return _mark(settings.secret(KEY)) + secrets.token_hex(16)


def token_for(settings: Settings, purpose: str, code: str, nonce: str) -> str:
    """Compute the token of a link: HMAC-SHA256, in hexadecimal."""
    message = "\0".join((purpose, code, nonce)).encode()
    keys = settings.secrets(KEY)
    key = next((each for each in keys if _mark(each) == key_of(nonce)), keys[0])
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def key_of(nonce: str) -> str:
    """Tell the mark of the key that a nonce was drawn for."""
    return nonce[:_MARK]


def is_honoured(settings: Settings, mark: str) -> bool:
    """Tell whether the key of a mark is still in the file."""
    return any(_mark(key) == mark for key in settings.secrets(KEY))


def _mark(key: bytes) -> str:
    """Name a key: 32 bits of its hash, which tell nothing of it."""
    return hashlib.sha256(b"mark\0" + key).hexdigest()[:_MARK]


def digest(secret: str) -> bytes:
    """Hash a token or a ticket as the database keeps it.  It is random and long, so a quick hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, kept: bytes) -> bool:
    """Tell whether a token is the one whose hash is kept, in constant time (requirements S35)."""
    return hmac.compare_digest(digest(secret), kept)
