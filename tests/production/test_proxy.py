"""The portal behind nginx, over TLS, with two workers (requirements S8, S9, S22, S23)."""

import re
import socket
import ssl
from typing import Any

import pytest
import requests
from playwright.sync_api import expect

from tests.journeys.browsing import browsing
from tests.journeys.settling import bill, email_of, settle
from tests.journeys.walking import come_back, go_to_the_bank, sign_in, type_card
from tests.production.proxied import ProxiedTown

HSTS = "max-age=31536000; includeSubDomains"


@pytest.fixture
def visitor(proxied: ProxiedTown) -> Any:
    with requests.Session() as session:
        session.trust_env = False  # a bundle of the environment would take the place of this one
        session.verify = str(proxied.authority)
        yield session


def test_a_family_signs_in_pays_and_has_its_receipt(proxied: ProxiedTown):
    code = settle(proxied, "40001", bill("9161", 6000))
    with browsing() as browser, browser.new_context(ignore_https_errors=True) as context:
        page = context.new_page()
        sign_in(page, proxied, code)
        expect(page.get_by_role("heading", level=1)).to_contain_text("DUPOND")
        banner = page.get_by_text("aucun paiement réel")
        expect(banner).to_be_visible()
        cookies = context.cookies()

        reference = go_to_the_bank(page, proxied, code)
        type_card(page, "4970100000000006")
        come_back(page, reference)
        expect(page.get_by_role("heading", level=1)).to_have_text("Merci, votre paiement est accepté")
        receipt = context.request.get(f"{proxied.url}paiements/{reference}/recu.pdf").body()

    assert "__Host-session" in {each["name"] for each in cookies}
    assert all(each["name"].startswith("__Host-") and each["secure"] and each["path"] == "/" for each in cookies)
    assert all(each["httpOnly"] for each in cookies)
    assert receipt[:5] == b"%PDF-"
    mail = proxied.mailbox.wait_for_mail(email_of(code))
    assert mail["Subject"].startswith("[Recette] ")
    assert proxied.faults() == ()


class TestTls:
    def test_is_vouched_for_and_speaks_http_2(self, proxied):
        context = proxied.context()
        context.set_alpn_protocols(["h2", "http/1.1"])

        plain = socket.create_connection(("127.0.0.1", proxied.ports.https))
        with context.wrap_socket(plain, server_hostname="localhost") as door:
            assert door.selected_alpn_protocol() == "h2"
            assert door.version() == "TLSv1.3"

    def test_other_names_get_no_certificate(self, proxied):
        context = proxied.context()
        context.check_hostname = False

        with socket.create_connection(("127.0.0.1", proxied.ports.https)) as plain, pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname="evil.example")

    def test_another_name_inside_is_not_answered(self, proxied, visitor):
        with pytest.raises(requests.ConnectionError):
            visitor.get(proxied.url, headers={"Host": "evil.example"})


class TestPlainHttp:
    def test_leads_pages_to_https(self, proxied, visitor):
        answer = visitor.get(f"http://localhost:{proxied.ports.http}/aide/?a=b", allow_redirects=False)

        assert (answer.status_code, answer.headers["Location"]) == (301, f"{proxied.url}aide/?a=b")

    @pytest.mark.parametrize("path", ["connexion", "paiements/notifications/systempay"])
    def test_takes_nothing_that_is_sent(self, proxied, visitor, path):
        answer = visitor.post(f"http://localhost:{proxied.ports.http}/{path}", {"a": "b"}, allow_redirects=False)

        assert answer.status_code == 403


class TestCertificate:
    """It is renewed while nginx has port 80: the authority's challenge is answered there, in plain http."""

    PATH = ".well-known/acme-challenge/"

    @pytest.fixture
    def challenge(self, proxied) -> str:
        place = proxied.folder / "html" / self.PATH
        place.mkdir(parents=True, exist_ok=True)
        (place / "token").write_text("token.thumbprint")
        (proxied.folder / "html" / "index.html").write_text("the machine's own page")
        return f"http://localhost:{proxied.ports.http}/{self.PATH}"

    def test_is_proven_over_plain_http(self, visitor, challenge):
        answer = visitor.get(f"{challenge}token", allow_redirects=False)

        assert (answer.status_code, answer.text) == (200, "token.thumbprint")
        assert answer.headers["Content-Type"] == "text/plain"

    def test_is_asked_for_no_other_file(self, proxied, visitor, challenge):
        assert visitor.get(f"{challenge}nothing", allow_redirects=False).status_code == 404
        assert visitor.get(challenge, allow_redirects=False).status_code == 403
        for path in ("", "index.html", ".well-known/security.txt", f"{self.PATH}../../index.html"):
            as_it_is = requests.Request("GET", challenge).prepare()
            as_it_is.url = f"http://localhost:{proxied.ports.http}/{path}"
            answer = visitor.send(as_it_is, allow_redirects=False)
            assert answer.status_code == 301, path
            assert answer.headers["Location"].startswith(proxied.url)

    def test_takes_nothing_that_is_sent(self, visitor, challenge):
        assert visitor.post(f"{challenge}token", {"a": "b"}, allow_redirects=False).status_code == 403


class TestHeaders:
    @pytest.mark.parametrize("path", ["", "nulle-part", "connexion", "familles/26719/", "readyz", "metrics"])
    def test_stay_on_https_and_no_version_is_told(self, proxied, visitor, path):
        answer = visitor.get(proxied.url + path, allow_redirects=False)

        assert answer.headers["Strict-Transport-Security"] == HSTS
        assert answer.headers["Server"] == "nginx"

    def test_once_each(self, proxied, visitor):
        raw = visitor.get(proxied.url).raw.headers

        assert len(raw.getlist("Strict-Transport-Security")) == 1
        assert len(raw.getlist("Content-Security-Policy")) == 1

    def test_files_are_kept_and_compressed_and_pages_are_not(self, proxied, visitor):
        page = visitor.get(proxied.url)
        sheet = re.search(r'href="(/static/\w+/look.css)"', page.text)
        file = visitor.get(proxied.url[:-1] + sheet[1])

        assert "Content-Encoding" not in page.headers
        assert file.headers["Content-Encoding"] == "gzip"
        assert "max-age=31536000" in file.headers["Cache-Control"]

    def test_a_body_too_large_for_the_proxy_is_refused(self, proxied, visitor):
        answer = visitor.post(f"{proxied.url}connexion", b"a" * 1_100_000)

        assert answer.status_code == 413
        assert answer.headers["Strict-Transport-Security"] == HSTS


class TestWhoAsks:
    """S22: only what the proxy says of the visitor is believed."""

    FORGED = ("X-Forwarded-For", "X-Real-IP", "Client-IP", "True-Client-IP", "X-Forwarded-By")

    @pytest.fixture
    def stranger(self, visitor) -> Any:
        """A visitor from another address, which may not notify."""
        visitor.mount("https://", _From("127.0.0.2"))
        return visitor

    def notify(self, visitor: Any, proxied: ProxiedTown, headers: dict[str, str]) -> str:
        address = f"{proxied.url}paiements/notifications/systempay"
        return str(visitor.post(address, {"vads_ctx_mode": "PRODUCTION"}, headers=headers).text)

    def test_is_known_by_the_address_of_the_connection(self, proxied, visitor, stranger):
        assert self.notify(stranger, proxied, {}) == "refused: source address"

    def test_the_bank_s_own_address_gets_further(self, proxied, visitor):
        assert self.notify(visitor, proxied, {}) == "refused: mode"

    @pytest.mark.parametrize("name", FORGED)
    def test_what_a_visitor_says_of_itself_is_not_believed(self, proxied, stranger, name):
        assert self.notify(stranger, proxied, {name: "127.0.0.1"}) == "refused: source address"

    def test_nor_what_it_says_of_the_proxies_before(self, proxied, stranger):
        forged = {"Forwarded": "for=127.0.0.1;proto=http;host=evil.example", "X-Forwarded-For": "127.0.0.1, 127.0.0.1"}

        assert self.notify(stranger, proxied, forged) == "refused: source address"

    @pytest.mark.parametrize("name", ["X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded"])
    def test_links_never_follow_it(self, proxied, visitor, name):
        answer = visitor.get(f"{proxied.url}familles/1/", headers={name: "evil.example"}, allow_redirects=False)

        assert answer.headers["Location"].startswith(f"{proxied.url}connexion")


class _From(requests.adapters.HTTPAdapter):
    """A way out by another address of this machine."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)
