"""The texts in which the database keeps what the domain knows.

A record, an invoice or an entry is stored as one line of JSON rather than as the objects it is made of: pickling those
took four fifths of the time of an import, and each of their classes would be a name that the database holds us to.
"""

import json
from typing import Any

#: Write a value: lists, texts, whole numbers, none.  What is equal is written alike.
pack = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def unpack(text: str) -> Any:
    """Read a value back; tuples come back as lists."""
    return json.loads(text)
