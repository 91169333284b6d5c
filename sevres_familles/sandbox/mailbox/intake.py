"""The SMTP door of the mailbox: it takes what comes."""

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from sevres_familles.sandbox.mailbox.folder import Folder
from sevres_familles.sandbox.serving import LOOPBACK


class Keep:
    """What is done with each mail: it is kept before its sender is told so."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    # aiosmtpd calls it by this name, with these three.
    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail, and answer its sender."""
        content = envelope.content or b""
        self._folder.add(envelope.mail_from or "", envelope.rcpt_tos, content if isinstance(content, bytes) else b"")
        return "250 Message kept"


def open_door(folder: Folder, port: int) -> Controller:
    """Listen for mails on the loopback, in a thread of its own; ``stop()`` ends it."""
    door = Controller(Keep(folder), hostname=LOOPBACK, port=port, ready_timeout=30)
    door.start()
    return door
