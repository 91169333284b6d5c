"""Read a mail for people: its text with its links, and what is attached to it."""

import re
from dataclasses import dataclass
from email.message import EmailMessage

#: An address that a reader may follow. What ends a sentence does not end an address.
_LINK = re.compile(r"https?://[^\s<>\"'«»]+[^\s<>\"'«».,;:!?)]")


@dataclass(frozen=True)
class Attachment:
    """A file that came with a mail."""

    number: int
    name: str
    kind: str
    size: int


def text_of(message: EmailMessage) -> str:
    """Return the plain text of a mail; empty when it has none."""
    body = message.get_body(("plain",))
    return decoded(body) if isinstance(body, EmailMessage) else ""


def pieces_of(text: str) -> list[tuple[str, bool]]:
    """Part a text into what is an address to follow (true) and what is not."""
    pieces: list[tuple[str, bool]] = []
    start = 0
    for link in _LINK.finditer(text):
        pieces += [(text[start : link.start()], False), (link.group(), True)]
        start = link.end()
    return [*pieces, (text[start:], False)]


def attachments_of(message: EmailMessage) -> list[Attachment]:
    """Return what is attached to a mail, in its order."""
    return [
        Attachment(number, name_of(part, number), part.get_content_type(), len(content_of(part)))
        for number, part in enumerate(message.iter_attachments())
    ]


def attachment(message: EmailMessage, number: int) -> tuple[Attachment, bytes] | None:
    """Return one attached file and its content, none if there is no such one."""
    for found, part in enumerate(message.iter_attachments()):
        if found == number:
            content = content_of(part)
            return Attachment(number, name_of(part, number), part.get_content_type(), len(content)), content
    return None


def name_of(part: EmailMessage, number: int) -> str:
    """Return the name of an attached file, harmless as a name on any disk."""
    name = re.sub(r"[^\w. ()°-]", "_", part.get_filename() or "").strip(" .")
    return name[:100] or f"piece-{number + 1}"


def content_of(part: EmailMessage) -> bytes:
    """Return the bytes of an attached file."""
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else part.as_bytes()


def decoded(part: EmailMessage) -> str:
    """Return the text of a part, whatever it claims its alphabet is."""
    content = content_of(part)
    try:
        return content.decode(part.get_content_charset("utf-8"))
    except (LookupError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")
