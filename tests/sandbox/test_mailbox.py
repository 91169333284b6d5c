"""The mailbox: what comes by SMTP is kept, and shown safely."""

import smtplib
from email import message_from_bytes
from email.message import EmailMessage
from pathlib import Path

import pytest

from sevres_familles.sandbox.mailbox.folder import Folder
from sevres_familles.sandbox.mailbox.letters import pieces_of
from tests.sandbox.running import Mailbox, ask, running_mailbox

MULTIPART = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"


def mail(to: str, subject: str = "Votre reçu", text: str = "Bonjour\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Espace familles <portail@ville.example>"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(text)
    return message


def send(mailbox: Mailbox, message: EmailMessage, *recipients: str) -> str:
    """Send a mail by SMTP, and return the address of its page."""
    host, _, port = mailbox.smtp.partition(":")
    with smtplib.SMTP(host, int(port)) as door:
        door.send_message(message, to_addrs=recipients or None)
    return f"{mailbox.url}courriers/{Folder(mailbox.folder).latest(1)[0].name}"


def test_keeps_each_mail_as_a_file(mailbox: Mailbox):
    send(mailbox, mail("keeps@exemple.fr", "Reçu n° 1"))

    newest = max(mailbox.folder.glob("*.eml"))
    message = message_from_bytes(newest.read_bytes())
    assert message["To"] == "keeps@exemple.fr"
    assert not list(mailbox.folder.glob("*.part"))


def test_shows_the_newest_first(mailbox: Mailbox):
    send(mailbox, mail("order@exemple.fr", "Premier"))
    send(mailbox, mail("order@exemple.fr", "Second"))

    page = ask(mailbox.url).text

    assert page.index("Second") < page.index("Premier")
    assert [str(one["Subject"]) for one in mailbox.mails("order@exemple.fr")] == ["Second", "Premier"]


def test_finds_the_mails_of_a_recipient_even_a_hidden_one(mailbox: Mailbox):
    send(mailbox, mail("shown@exemple.fr", "Caché"), "shown@exemple.fr", "hidden@exemple.fr")
    send(mailbox, mail("someone@exemple.fr", "Autre"))

    page = ask(f"{mailbox.url}?destinataire=HIDDEN%40exemple").text

    assert "Caché" in page
    assert "Autre" not in page
    assert "Aucun courrier pour cette adresse" in ask(f"{mailbox.url}?destinataire=personne").text


def test_shows_the_text_with_links_to_follow(mailbox: Mailbox):
    text = "Suivez http://localhost:6543/mot-de-passe/A?b=1&c=2. Merci.\n"

    page = ask(send(mailbox, mail("links@exemple.fr", text=text))).text

    address = "http://localhost:6543/mot-de-passe/A?b=1&amp;c=2"
    assert f'<a href="{address}" rel="noreferrer">{address}</a>. Merci.' in page


def test_parts_a_text_without_losing_any_of_it():
    text = "a «http://x.example/y», (https://z.example) javascript:alert(1) http://"

    pieces = pieces_of(text)

    assert "".join(piece for piece, _ in pieces) == text
    assert [piece for piece, is_link in pieces if is_link] == ["http://x.example/y", "https://z.example"]


def test_shows_a_mail_whose_alphabet_is_unknown(mailbox: Mailbox):
    message = mail("alphabet@exemple.fr")
    message.replace_header("Content-Type", 'text/plain; charset="klingon"')

    assert "Bonjour" in ask(send(mailbox, message)).text


def test_gives_attachments_to_download_and_never_to_show(mailbox: Mailbox):
    message = mail("attached@exemple.fr")
    message.add_attachment(b"%PDF-1.7", maintype="application", subtype="pdf", filename="reçu 12.pdf")
    message.add_attachment("<script>alert(1)</script>", subtype="html", filename='../"x.html')
    address = send(mailbox, message)

    page = ask(address).text
    pdf, html = (ask(f"{address}/pieces/{number}") for number in (0, 1))

    assert "reçu 12.pdf" in page
    assert "(application/pdf, 8 octets)" in page
    assert pdf.body == b"%PDF-1.7"
    assert pdf.headers["Content-Disposition"] == "attachment; filename*=UTF-8''re%C3%A7u%2012.pdf"
    for given in (pdf, html):
        assert given.headers["Content-Type"] == "application/octet-stream"
        assert given.headers["Content-Disposition"].startswith("attachment; ")
    assert "/" not in html.headers["Content-Disposition"].removeprefix("attachment; filename*=UTF-8''")
    assert ask(f"{address}/pieces/2").status == 404


def test_escapes_what_a_mail_says(mailbox: Mailbox):
    evil = "<script>alert(1)</script>"
    message = mail("evil@exemple.fr", evil, f'{evil} http://x.example/"onclick="alert(1)\n')
    message.replace_header("From", f'"{evil}" <a@exemple.fr>')

    address = send(mailbox, message)

    for page in (ask(address), ask(mailbox.url), ask(f"{mailbox.url}?destinataire={'%3Cscript%3E'}")):
        assert "<script" not in page.text
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert '<a href="http://x.example/" rel' in ask(address).text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\r\n",
        b"Subject: caf\xe9\r\nTo: \xe9\r\nFrom: <\r\n\r\n\xe9",
        b"Content-Type: multipart/mixed\r\n\r\nx",
        b"Subject: x\r\nFrom: a@\r\n [@To:)(;<\r\nTo: undisclosed@;)\r\n\r\n",
        MULTIPART + b"Content-Disposition: attachment; filename=\xe9\r\n\r\n\r\n--b--",
        b"Content-Type: text/plain; charset=\xe9\r\nContent-Transfer-Encoding: base64\r\n\r\n????",
        MULTIPART + b"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\n--b--",
    ],
)
def test_shows_even_a_broken_mail(mailbox: Mailbox, content: bytes):
    with smtplib.SMTP("127.0.0.1", mailbox.smtp_port) as door:
        door.sendmail("a@exemple.fr", ["broken@exemple.fr"], content)
    address = f"{mailbox.url}courriers/{Folder(mailbox.folder).latest(1)[0].name}"

    for place in (mailbox.url, address, f"{address}/source", f"{address}/pieces/0"):
        assert ask(place).status in {200, 404}


def test_gives_the_mail_as_it_came(mailbox: Mailbox):
    source = ask(send(mailbox, mail("source@exemple.fr")) + "/source")

    assert source.headers["Content-Type"] == "application/octet-stream"
    assert b"To: source@exemple.fr" in source.body


@pytest.mark.parametrize("place", ["courriers/x", "courriers/..%2f..%2flog", "courriers/x/pieces/0", "rien", "%ff"])
def test_finds_nothing_else(mailbox: Mailbox, place: str):
    assert ask(mailbox.url + place).status in {400, 404}


def test_is_read_only(mailbox: Mailbox):
    assert ask(mailbox.url, "POST", {}).status == 405


def test_cannot_be_given_another_name(mailbox: Mailbox):
    assert ask(mailbox.url, headers={"Host": "exemple.fr"}).status == 403


def test_says_how_it_is(mailbox: Mailbox):
    assert ask(f"{mailbox.url}sante").text == '{"status": "ok"}'


def test_survives_a_restart_and_ends_cleanly(tmp_path: Path):
    with running_mailbox(tmp_path) as mailbox:
        send(mailbox, mail("restart@exemple.fr", "Toujours là"))
        assert mailbox.stop() == 0

    with running_mailbox(tmp_path) as mailbox:
        assert "Toujours là" in ask(mailbox.url).text
    assert "Traceback" not in mailbox.log


def test_keeps_no_more_than_it_was_told(tmp_path: Path):
    folder = Folder(tmp_path, most=3)

    for number in range(5):
        folder.add("a@exemple.fr", ["b@exemple.fr"], f"Subject: {number}\r\n\r\nx".encode())

    assert [kept.subject for kept in folder.latest(10)] == ["4", "3", "2"]
