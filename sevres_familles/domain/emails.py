"""Which e-mail addresses are written to."""

import re

#: The longest address that SMTP carries (RFC 5321, §4.5.3.1.3), and its longest local part.
MOST_CHARACTERS = 254
MOST_LOCAL_CHARACTERS = 64

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@{_LABEL}(?:\.{_LABEL})+")


def is_email(text: str) -> bool:
    """Tell whether a text is one plain e-mail address, safe to write in a header (requirements S24).

    The plain form of RFC 5322, in ASCII, with a dot in the domain: no name, no comment, no quotes, no line end or NUL.
    An encoded word (RFC 2047, ``=?utf-8?q?…?=``) is made of allowed characters, but some readers see another address
    in it: refused.
    """
    if len(text) > MOST_CHARACTERS or "=?" in text:
        return False
    match = _ADDRESS.fullmatch(text)
    return match is not None and len(match["local"]) <= MOST_LOCAL_CHARACTERS
