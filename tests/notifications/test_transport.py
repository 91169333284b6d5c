"""How a mail looks on the wire, and what the SMTP server may do with it."""

import smtplib

import pytest
from pyramid_mailer.message import Attachment

from sevres_familles.notifications.transport import (
    Letter,
    WrongAddress,
    WrongHeader,
    domain_of,
    error_name,
    is_out_of_reach,
)

SENDER = "Espace familles de Sèvres <portail@ville.example>"


def letter(**overrides):
    options = {
        "subject": "Reçu de 60,00\u00a0€ - Espace familles de Sèvres",
        "sender": SENDER,
        "recipients": ["dupond@free.fr"],
        "body": "Bonjour,\n\nVoilà 60,00\u00a0€.\n.\n" + "é" * 2000 + "\n",
        "extra_headers": {"Message-ID": "<1@ville.example>"},
    }
    return Letter(**{**options, **overrides})


@pytest.fixture
def mailer(registry):
    return registry.mailer


class TestOnTheWire:
    def test_names_subject_and_text_arrive_as_they_were_written(self, mailer, server):
        mailer.send_immediately(letter())

        (received,) = server.received
        message = received.message
        assert (received.sender, received.recipients) == ("portail@ville.example", ["dupond@free.fr"])
        assert str(message["From"]) == SENDER
        assert str(message["To"]) == "dupond@free.fr"
        assert str(message["Subject"]) == "Reçu de 60,00\u00a0€ - Espace familles de Sèvres"
        assert message.get_content().replace("\r\n", "\n") == letter().body

    def test_lines_are_those_of_smtp(self, mailer, server):
        mailer.send_immediately(
            letter(subject="é" * 500, attachments=[Attachment("a.pdf", "application/pdf", b"\n" * 99)])
        )

        raw = server.received[0].raw
        assert raw.count(b"\n") == raw.count(b"\r\n")
        assert max(map(len, raw.split(b"\r\n"))) <= 78
        assert raw.isascii()

    def test_an_attachment_arrives_byte_for_byte(self, mailer, server):
        content = bytes(range(256)) * 20
        mailer.send_immediately(letter(attachments=[Attachment("recu.pdf", "application/pdf", content)]))

        (part,) = server.messages[0].iter_attachments()
        assert (part.get_content_type(), part.get_filename()) == ("application/pdf", "recu.pdf")
        assert part.get_content() == content
        assert part["Content-Type"] == "application/pdf"


class TestHostileHeaders:
    @pytest.mark.parametrize(
        "recipient",
        [
            "dupond@free.fr\r\nBcc: autre@example.org",
            "dupond@free.fr\x00",
            "dupond@free.fr, autre@example.org",
            "=?utf-8?q?autre=40example.org=2C?= <dupond@free.fr>",
            "=?utf-8?q?autre=40example.org?=@free.fr",
            "<dupond@free.fr>",
            "dupond",
            "",
        ],
    )
    def test_a_recipient_that_is_not_one_plain_address_is_refused(self, mailer, server, recipient):
        with pytest.raises(WrongAddress):
            mailer.send_immediately(letter(recipients=[recipient]))

        assert server.received == []

    @pytest.mark.parametrize("subject", ["Reçu\r\nBcc: autre@example.org", "Reçu\nX: y", "Reçu\x00", "Reçu\x1b[0m"])
    def test_a_subject_with_a_control_character_is_refused(self, mailer, server, subject):
        with pytest.raises(WrongHeader):
            mailer.send_immediately(letter(subject=subject))

        assert server.received == []

    def test_an_encoded_word_in_a_subject_is_text(self, mailer, server):
        mailer.send_immediately(letter(subject="=?utf-8?q?Bcc=3A_autre?="))

        assert server.messages[0]["Bcc"] is None

    def test_a_sender_without_an_address_is_refused(self):
        with pytest.raises(WrongAddress):
            domain_of("Espace familles")


class TestAfterTheServerTookIt:
    def test_a_server_that_hangs_up_at_the_end_makes_no_failure(self, mailer, server):
        async def hang_up(smtp, session, envelope):
            smtp.transport.abort()
            return ""

        server.handle_QUIT = hang_up

        mailer.send_immediately(letter())

        assert len(server.received) == 1


class TestErrors:
    @pytest.mark.parametrize(
        ("error", "out_of_reach", "name"),
        [
            (ConnectionRefusedError(111, "refused"), True, "ConnectionRefusedError"),
            (TimeoutError(), True, "TimeoutError"),
            (smtplib.SMTPServerDisconnected("gone"), True, "SMTPServerDisconnected"),
            (smtplib.SMTPConnectError(554, b"no"), True, "SMTPConnectError 554"),
            (smtplib.SMTPHeloError(550, b"no"), True, "SMTPHeloError 550"),
            (smtplib.SMTPDataError(421, b"closing"), True, "SMTPDataError 421"),
            (smtplib.SMTPRecipientsRefused({"dupond@free.fr": (421, b"closing")}), True, "SMTPRecipientsRefused 421"),
            (smtplib.SMTPRecipientsRefused({"dupond@free.fr": (550, b"dupond?")}), False, "SMTPRecipientsRefused 550"),
            (smtplib.SMTPSenderRefused(553, b"no", "p@v.example"), False, "SMTPSenderRefused 553"),
            (smtplib.SMTPDataError(451, b"later"), False, "SMTPDataError 451"),
            (WrongAddress(), False, "WrongAddress"),
            (KeyError("P-1"), False, "KeyError"),
        ],
    )
    def test_are_told_apart_and_named_without_an_address(self, error, out_of_reach, name):
        assert is_out_of_reach(error) is out_of_reach
        assert error_name(error) == name
