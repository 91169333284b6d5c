"""Keep the mails, each as an ``.eml`` file that any mail program opens.

The name of a file is the moment of its arrival, so that the order of the names is that of
the mails, and the folder needs no index. Whom it came from and for whom, as the sender told
the SMTP door, is written above its own headers: a blind copy is nowhere else.

Mails are read by the older of Python's two parsers (``compat32``): the newer one fails on
some broken addresses, and one broken mail would hide all others.
"""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from pathlib import Path

#: How many mails are kept; the oldest go first.
MOST_MAILS = 500

#: The headers that the mailbox adds.
SENDER_HEADER = "X-Mailbox-From"
RECIPIENT_HEADER = "X-Mailbox-To"

_NAME = re.compile(r"[0-9]{20}-[0-9]{4}")


@dataclass(frozen=True)
class Kept:
    """A mail in the folder: its name, and its headers or the whole of it."""

    name: str
    message: Message

    @property
    def recipients(self) -> str:
        """Return the addresses it was sent to, hidden ones included."""
        return header_of(self.message, RECIPIENT_HEADER)

    @property
    def sender(self) -> str:
        """Return who it says it is from."""
        return header_of(self.message, "From")

    @property
    def subject(self) -> str:
        """Return what it says it is about."""
        return header_of(self.message, "Subject")

    @property
    def arrived_at(self) -> float:
        """Return when it came, in seconds since 1970."""
        return int(self.name[:20]) / 1e9


def header_of(message: Message, name: str) -> str:
    """Return a header as one line for people, whatever is written there."""
    value = message.get(name, "")
    try:
        text = str(make_header(decode_header(value)))
    except (HeaderParseError, LookupError, ValueError):
        text = str(value)
    return " ".join(text.encode(errors="replace").decode().split())


class Folder:
    """The folder of the mails."""

    def __init__(self, path: Path, most: int = MOST_MAILS) -> None:
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        self._count = 0
        path.mkdir(parents=True, exist_ok=True)

    def add(self, sender: str, recipients: Sequence[str], content: bytes) -> str:
        """Keep a mail, whole or not at all, and return its name."""
        envelope = f"{SENDER_HEADER}: {sender}\r\n{RECIPIENT_HEADER}: {', '.join(recipients)}\r\n"
        with self._lock:
            self._count = (self._count + 1) % 10_000
            name = f"{time.time_ns():020d}-{self._count:04d}"
            being_written = self._path / f"{name}.part"
            being_written.write_bytes(envelope.encode() + content)
            being_written.replace(self._file(name))
            self._forget_the_oldest()
        return name

    def latest(self, most: int, recipient: str = "") -> list[Kept]:
        """Return the headers of the latest mails, the newest first.

        :param recipient: what the address of one of their recipients contains.
        """
        found: list[Kept] = []
        for name in reversed(self._names()):
            mail = self._headers(name)
            if mail is not None and recipient.lower() in mail.recipients.lower():
                found.append(mail)
                if len(found) == most:
                    break
        return found

    def content(self, name: str) -> bytes | None:
        """Return a mail as it came, none if there is no such one."""
        if not _NAME.fullmatch(name):
            return None
        try:
            return self._file(name).read_bytes()
        except FileNotFoundError:
            return None

    def mail(self, name: str) -> Kept | None:
        """Return a whole mail, none if there is no such one."""
        content = self.content(name)
        if content is None:
            return None
        return Kept(name, BytesParser().parsebytes(content))

    def _headers(self, name: str) -> Kept | None:
        try:
            with self._file(name).open("rb") as content:
                headers = BytesHeaderParser().parse(content)
        except FileNotFoundError:  # forgotten meanwhile
            return None
        return Kept(name, headers)

    def _names(self) -> list[str]:
        return sorted(file.stem for file in self._path.glob("*.eml"))

    def _file(self, name: str) -> Path:
        return self._path / f"{name}.eml"

    def _forget_the_oldest(self) -> None:
        for name in self._names()[: -self._most]:
            self._file(name).unlink(missing_ok=True)
