"""How a mail leaves: pyramid_mailer's mailer, with messages that the standard library builds and sends.

What pyramid_mailer 0.15 with repoze.sendmail 4.5 does by itself was tried, and is not good enough for a town: its lines
end with a bare LF, which today's servers refuse; a NUL or a second address passes through the recipient; a PDF is
declared ``charset="us-ascii"``; a connection is left open when the server refuses; and a server that hangs up after it
accepted the mail makes it a failure.  So `Letter` and `Smtp` take the places of its message and of its SMTP mailer.
"""

import re
import smtplib
import ssl
from contextlib import suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr

from pyramid_mailer.mailer import Mailer
from pyramid_mailer.message import Message
from repoze.sendmail.mailer import SMTPMailer

from sevres_familles.domain.emails import is_email
from sevres_familles.web.settings import Settings

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

#: What a server answers to say that it is going away (RFC 5321, §3.8).
_SERVICE_NOT_AVAILABLE = 421
#: Where the codes of what is refused for good begin.
_REFUSED = 500


class WrongAddress(Exception):
    """A sender or a recipient is not one plain e-mail address."""


class WrongHeader(Exception):
    """A header holds a control character: a line end, a NUL."""


class Letter(Message):
    """A mail of plain text to one recipient, with its attachments.

    Its headers and encodings are `email.message`'s.  ``sender`` may carry a name: ``Espace familles <…>``.
    """

    def to_message(self) -> EmailMessage:
        """Build the message.

        :raises WrongAddress: when an address is not one.
        :raises WrongHeader: when a header holds what none may (requirements S24).
        """
        for each in (self.subject, *self.extra_headers.values()):
            if _CONTROL.search(each):
                raise WrongHeader
        made = EmailMessage(policy=SMTP)
        made["From"] = _named_address(self.sender)
        made["To"] = [_plain_address(each) for each in self.recipients]
        made["Subject"] = self.subject
        for name, value in self.extra_headers.items():
            made[name] = value
        made.set_content(self.body, charset="utf-8", cte="quoted-printable")
        for each in self.attachments:
            main, _, sub = each.content_type.partition("/")
            made.add_attachment(each.data, maintype=main, subtype=sub, filename=each.filename)
        return made


def _named_address(text: str) -> Address:
    """Read an address that may have a name: ``Espace familles <…>``.

    :raises WrongAddress: when there is no good address in it.
    """
    name, plain = parseaddr(text)
    return Address(name, addr_spec=_plain_address(plain).addr_spec)


def _plain_address(text: str) -> Address:
    if not is_email(text):
        raise WrongAddress
    return Address(addr_spec=text)


class Smtp(SMTPMailer):
    """A mailer that hands each mail to the SMTP server over a connection of its own.

    Under TLS the server's certificate is verified, name included: another's gets no mail and no password (S27).
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(hostname=settings.smtp_host, port=settings.smtp_port, no_tls=True)
        self.timeout = settings.smtp_timeout.total_seconds()
        self._security = settings.smtp_security
        self._authorities = settings.smtp_authorities_file
        self._user = settings.smtp_user
        self._password_file = settings.smtp_password_file

    def smtp_factory(self) -> smtplib.SMTP:
        """Connect to the server, which has so long for each of its answers, and sign in if need be.

        :raises OSError: when the server cannot be reached, is not who it should be, or refuses.
        """
        connection = self._connect()
        try:
            if self._security == "starttls":
                connection.starttls(context=self._context())
            if self._user and self._password_file is not None:
                connection.login(self._user, Settings.read_secret(self._password_file).decode())
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self) -> smtplib.SMTP:
        if self._security == "smtps":
            return smtplib.SMTP_SSL(self.hostname, self.port, timeout=self.timeout, context=self._context())
        return smtplib.SMTP(self.hostname, self.port, timeout=self.timeout)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def send(self, fromaddr: str, toaddrs: set[str], message: EmailMessage) -> None:
        """Hand a mail over.  Once the server took it, nothing that follows makes it a failure.

        :raises OSError: when the server cannot be reached, hangs up, or refuses (`smtplib.SMTPException`).
        """
        connection = self.smtp_factory()
        try:
            connection.sendmail(parseaddr(fromaddr)[1], list(toaddrs), message.as_bytes())
            with suppress(OSError):
                connection.quit()
        finally:
            connection.close()


def domain_of(sender: str) -> str:
    """Find the domain that a sender writes from.

    :raises WrongAddress: when the sender has no good address.
    """
    return _named_address(sender).domain


def make_mailer(settings: Settings) -> Mailer:
    """Make the mailer of the portal.  It is for the mail worker: a request only writes to the outbox."""
    return Mailer(smtp_mailer=Smtp(settings), default_sender=settings.mail_sender)


def is_out_of_reach(error: Exception) -> bool:
    """Tell whether a failure is of the server, which would refuse any mail now, rather than of the mail at hand."""
    if code_of(error) == _SERVICE_NOT_AVAILABLE or isinstance(error, smtplib.SMTPConnectError | smtplib.SMTPHeloError):
        return True
    if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError):
        return True
    refusals = smtplib.SMTPResponseException | smtplib.SMTPRecipientsRefused
    return isinstance(error, OSError) and not isinstance(error, refusals)


def is_refused_for_good(error: Exception) -> bool:
    """Tell whether the server takes nothing for that recipient, now or later (RFC 5321, §4.2.1)."""
    code = code_of(error) or 0
    return isinstance(error, smtplib.SMTPRecipientsRefused) and _REFUSED <= code < _REFUSED + 100


def error_name(error: Exception) -> str:
    """Name a failure without what the server said, which may repeat the address: ``SMTPRecipientsRefused 550``."""
    return f"{type(error).__name__} {code_of(error) or ''}".strip()


def code_of(error: Exception) -> int | None:
    """Find the code that the server answered."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return next((code for code, _ in error.recipients.values()), None)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else None
