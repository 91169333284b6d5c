"""Sign what the bank sends, and check what it is sent.

The rule, from the bank's guide to its payment form: the values of the fields whose names
start with ``vads_``, in the order of their names, joined by ``+``, then ``+`` and the key;
of that, in UTF-8, the HMAC-SHA-256 with the same key, in base64.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping


def sign(fields: Mapping[str, str], key: str) -> str:
    """Return the signature of the ``vads_`` fields."""
    names = sorted(name for name in fields if name.startswith("vads_"))
    signed = "+".join([*(fields[name] for name in names), key])
    digest = hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def signed(fields: Mapping[str, str], key: str) -> dict[str, str]:
    """Return the fields with their signature."""
    return {**fields, "signature": sign(fields, key)}


def is_signed(fields: Mapping[str, str], key: str) -> bool:
    """Tell, in constant time, whether the fields bear their right signature."""
    given = fields.get("signature", "")
    return hmac.compare_digest(given.encode(), sign(fields, key).encode())
