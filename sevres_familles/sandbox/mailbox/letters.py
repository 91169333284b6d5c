"""Read a mail for people: its text with its links, and what is attached to it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from itertools import islice

#: An address that a reader may follow. What ends a sentence does not end an address.
_LINK = re.compile(r"https?://[^\s<>\"'«»]+[^\s<>\"'«».,;:!?)]")


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail."""

    number: int
    name: str
    kind: str
    size: int


def text_of(message: Message) -> str:
    """Return the plain text of a mail; empty when it has none."""
    return next((decoded(part) for part in leaves(message) if _is_text(part)), "")


def pieces_of(text: str) -> list[tuple[str, bool]]:
    """Part a text into what is an address to follow (true) and what is not."""
    pieces: list[tuple[str, bool]] = []
    start = 0
    for link in _LINK.finditer(text):
        pieces += [(text[start : link.start()], False), (link.group(), True)]
        start = link.end()
    return [*pieces, (text[start:], False)]


def attachments_of(message: Message) -> list[Attachment]:
    """Return what is attached to a mail, in its order."""
    return [_about(part, number) for number, part in enumerate(_attached(message))]


def attachment(message: Message, number: int) -> tuple[Attachment, bytes] | None:
    """Return one attached file and its content, none if there is no such one."""
    part = next(islice(_attached(message), number, None), None)
    return (_about(part, number), content_of(part)) if part is not None else None


def leaves(message: Message) -> Iterator[Message]:
    """Yield the parts that hold something. A mail within a mail is one such part."""
    if message.get_content_maintype() != "multipart":
        yield message
        return
    payload = message.get_payload()
    for part in payload if isinstance(payload, list) else ():
        if isinstance(part, Message):
            yield from leaves(part)


def _is_text(part: Message) -> bool:
    return part.get_content_type() == "text/plain" and part.get_content_disposition() != "attachment"


def _attached(message: Message) -> Iterator[Message]:
    return (part for part in leaves(message) if part.get_content_disposition() == "attachment")


def _about(part: Message, number: int) -> Attachment:
    return Attachment(number, name_of(part, number), part.get_content_type(), len(content_of(part)))


def name_of(part: Message, number: int) -> str:
    """Return the name of an attached file, harmless as a name on any disk."""
    name = re.sub(r"[^\w. ()°-]", "_", part.get_filename() or "").strip(" .")
    return name[:100] or f"piece-{number + 1}"


def content_of(part: Message) -> bytes:
    """Return the bytes of an attached file."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else part.as_string().encode(errors="replace")


def decoded(part: Message) -> str:
    """Return the text of a part, whatever it claims its alphabet is."""
    content = content_of(part)
    try:
        return content.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")
