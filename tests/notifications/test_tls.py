"""S27: mails travel under TLS to who the relay says it is, and to nobody else."""

import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from sevres_familles.notifications.transport import Smtp, is_out_of_reach
from tests.notifications.test_transport import letter
from tests.ports import free_ports

PASSWORD = "a relay's password"


class Relay:
    """What a relay noted: how it was spoken to, who signed in, what it took."""

    def __init__(self) -> None:
        self.taken: list[bool] = []
        self.users: list[tuple[bytes, bytes]] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        self.taken.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.users.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def relay() -> Relay:
    return Relay()


def context_for(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def knock(port: int) -> None:
    """Ask a relay under TLS whether it is there, whoever it says it is: aiosmtpd's own way fails since Python 3.10."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as door:
        door.recv(1024)


@pytest.fixture
def smtp(registry: Any, relay: Relay, authority: trustme.CA, tmp_path: Path) -> Iterator[Callable[..., Smtp]]:
    """Start a relay, and give the mailer that the settings make for it."""
    with ExitStack() as stack:

        def make(security: str, *, certificate: trustme.LeafCert, **settings: Any) -> Smtp:
            port = free_ports()
            options: dict[str, Any] = {"authenticator": relay.authenticate, "auth_require_tls": True}
            if security == "starttls":
                options["tls_context"] = context_for(certificate)
            elif security == "smtps":
                options["ssl_context"] = context_for(certificate)
                options["auth_require_tls"] = False
            controller = Controller(relay, hostname="127.0.0.1", port=port, ready_timeout=30, **options)
            stack.callback(controller.stop)
            if security == "smtps":
                controller._trigger_server = lambda: knock(port)
            controller.start()
            authorities = tmp_path / "authorities.pem"
            authority.cert_pem.write_to_path(str(authorities))
            changes = {"smtp_authorities_file": authorities, "smtp_host": "127.0.0.1", "smtp_port": port, **settings}
            return Smtp(replace(registry.settings_of_portal, **{"smtp_security": security, **changes}))

        yield make


def send(mailer: Smtp) -> None:
    mailer.send("portail@ville.example", {"dupond@free.fr"}, letter().to_message())


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    path = tmp_path / "smtp.password"
    path.touch(mode=0o600)
    path.write_text(f"{PASSWORD}\n")
    return path


@pytest.mark.parametrize("security", ["starttls", "smtps"])
class TestUnderTls:
    def test_a_relay_that_is_who_it_says_takes_mails(self, smtp, relay, authority, security):
        send(smtp(security, certificate=authority.issue_cert("127.0.0.1")))

        assert relay.taken == [True]

    def test_it_is_given_the_password(self, smtp, relay, authority, security, password_file):
        user = {"smtp_user": "portail", "smtp_password_file": password_file}

        send(smtp(security, certificate=authority.issue_cert("127.0.0.1"), **user))

        assert relay.users == [(b"portail", PASSWORD.encode())]
        assert relay.taken == [True]

    @pytest.mark.parametrize("fault", ["another authority", "another name"])
    def test_another_gets_neither_mail_nor_password(self, smtp, relay, authority, security, fault, password_file):
        good = authority.issue_cert("relais.evil.example")
        certificate = trustme.CA().issue_cert("127.0.0.1") if fault == "another authority" else good
        user = {"smtp_user": "portail", "smtp_password_file": password_file}

        with pytest.raises(ssl.SSLCertVerificationError) as error:
            send(smtp(security, certificate=certificate, **user))

        assert (relay.taken, relay.users) == ([], [])
        assert is_out_of_reach(error.value)

    def test_a_wrong_password_waits_for_a_better_one(self, smtp, relay, authority, security, password_file):
        password_file.write_text("another")
        user = {"smtp_user": "portail", "smtp_password_file": password_file}

        with pytest.raises(smtplib.SMTPAuthenticationError) as error:
            send(smtp(security, certificate=authority.issue_cert("127.0.0.1"), **user))

        assert relay.taken == []
        assert is_out_of_reach(error.value)


def test_a_relay_that_knows_no_tls_gets_nothing(smtp, relay, authority):
    """Nor does one between us and it, who hides that it does."""
    certificate = authority.issue_cert("127.0.0.1")

    with pytest.raises(smtplib.SMTPNotSupportedError) as error:
        send(smtp("none", certificate=certificate, smtp_security="starttls"))

    assert relay.taken == []
    assert is_out_of_reach(error.value)


def test_a_connection_that_is_refused_is_left_open_to_nobody(smtp, relay, authority):
    mailer = smtp("starttls", certificate=trustme.CA().issue_cert("127.0.0.1"))

    with pytest.raises(ssl.SSLCertVerificationError), closing(mailer.smtp_factory()):
        pass
