"""The texts in which the database keeps what the domain knows.

A record, an invoice or an entry is stored as one line of JSON rather than as the objects it is made of: pickling those
took four fifths of the time of an import, and each of their classes would be a name that the database holds us to.
"""

import json
from json.encoder import c_make_encoder, encode_basestring  # type: ignore[attr-defined]
from typing import Any, NoReturn


def _refuse(value: Any) -> NoReturn:
    raise TypeError(f"not to be packed: {value!r}")


# What json.JSONEncoder makes anew at each call, which is two thirds of its time for values as small as ours.
_encode = c_make_encoder(None, _refuse, encode_basestring, None, ":", ",", False, False, True)


def pack(value: Any) -> str:
    """Write a value: lists, texts, whole numbers, none.  What is equal is written alike."""
    return "".join(_encode(value, 0))


def unpack(text: str) -> Any:
    """Read a value back; tuples come back as lists."""
    return json.loads(text)
