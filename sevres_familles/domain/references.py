"""References that people read on paper and type: unambiguous letters, and a check character.

The alphabet has 31 characters, without 0 O 1 I L.  31 is prime, so a sum weighted by position, modulo 31, tells every
single wrong character and every exchange of two neighbours, up to 30 characters.
"""

import re
import secrets
from typing import NamedTuple

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
_VALUES = {character: value for value, character in enumerate(ALPHABET)}

#: The printed password: 15 random characters (74 bits) and a check character, in four groups of four.
PASSWORD_LENGTH = 16
#: A payment's reference: ``P-``, 8 random characters (39 bits) and a check character.
PAYMENT_PREFIX = "P-"
PAYMENT_LENGTH = 9
#: No code d’accès is longer.
LONGEST_CODE = 20
_CODE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9-]{{0,{LONGEST_CODE - 1}}}")
#: The number of a receipt.
_RECEIPT = re.compile(r"([0-9]{4})-(.+)-([0-9]{6,})")


class ReceiptNumber(NamedTuple):
    """The number of a receipt, by year and régie: ``2026-SCO-000001``."""

    year: int
    code: str
    place: int

    def __str__(self) -> str:
        return f"{self.year}-{self.code}-{self.place:06d}"

    @classmethod
    def read(cls, text: str) -> "ReceiptNumber":
        """Read one as it is written.

        :raises ValueError: when it is none.
        """
        match = _RECEIPT.fullmatch(text)
        if match is None:
            raise ValueError(f"{text} is no number of a receipt")
        return cls(int(match[1]), match[2], int(match[3]))


def is_family_code(text: str) -> bool:
    """Tell whether a text has the shape of a code d’accès, as billing gives them: ``26719``, ``VAL-0042``."""
    return _CODE.fullmatch(text) is not None


def check_character(body: str) -> str:
    """Compute the character that closes a body of `ALPHABET` characters."""
    return ALPHABET[sum(place * _VALUES[each] for place, each in enumerate(body, start=1)) % len(ALPHABET)]


def is_closed(text: str) -> bool:
    """Tell whether a text of `ALPHABET` characters ends with its check character."""
    return check_character(text[:-1]) == text[-1]


def random_closed(length: int) -> str:
    """Draw a random text of a length, the check character being its last."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(length - 1))
    return body + check_character(body)


def random_payment_reference() -> str:
    """Draw the reference of a new payment: ``P-7KQ4M2XDN``."""
    return PAYMENT_PREFIX + random_closed(PAYMENT_LENGTH)


def random_printed_password() -> str:
    """Draw a printed password, in groups: ``K7MP-Q3XA-TRWD-9HF4``."""
    drawn = random_closed(PASSWORD_LENGTH)
    return "-".join(drawn[start : start + 4] for start in range(0, PASSWORD_LENGTH, 4))


def squeeze(typed: str) -> str:
    """Take spaces and dashes out of what was typed, and put it in capitals."""
    return "".join(each for each in typed.upper() if not each.isspace() and each not in "-‐‑–—")


def has_printed_shape(typed: str) -> bool:
    """Tell whether a text looks like a printed password, rightly copied or not.

    Sixteen characters, letters and digits, is the shape; characters out of the alphabet count as typing errors when
    the groups are there (``0`` for ``Q``…).
    """
    squeezed = squeeze(typed)
    if len(squeezed) != PASSWORD_LENGTH:
        return False
    if all(each in _VALUES for each in squeezed):
        return True
    return squeezed.isascii() and squeezed.isalnum() and typed.strip().count("-") == 3


def is_printed_password(typed: str) -> bool:
    """Tell whether a text is a printed password without a typing error."""
    squeezed = squeeze(typed)
    return len(squeezed) == PASSWORD_LENGTH and all(each in _VALUES for each in squeezed) and is_closed(squeezed)
