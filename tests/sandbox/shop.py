"""A shop beside the bank: it makes forms, and hears notifications."""

import itertools
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, parse_qsl, urlsplit

from sevres_familles.sandbox.bank.signature import sign
from tests.sandbox.running import KEY, SITE_ID, Answered, Bank, ask, wait_until

ACCEPTED = "4970 1000 0000 0006"
CHALLENGED = "4970 1000 0000 0014"
REFUSED = "4970 1000 0000 0022"
LOST = "4970 1000 0000 0089"
UNNAMED_REFUSAL = "4970 1000 0000 0030"
EXPIRED_CARD = "4970 1000 0000 0048"
STOLEN = "4970 1000 0000 0055"
TECHNICAL = "4970 1000 0000 0063"
VERIFIED = "4970 1000 0000 0071"
LATE = "4970 1000 0000 0097"
TWICE = "4970 1000 0000 0105"
FORGED = "4970 1000 0000 0113"
HALVED = "4970 1000 0000 0121"
RETURN_FIRST = "4970 1000 0000 0139"
STRANDED = "4970 1000 0000 0147"
DISORDERED = "4970 1000 0000 0154"
UNAUTHENTICATED = "4970 1000 0000 0162"

#: A right number (Luhn) that is no trial card.
UNKNOWN = "4970 1000 0000 0170"

_ids = itertools.count(secrets.randbelow(100_000))


class Shop:
    """A shop that listens, and answers what it is told to answer."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        #: What was posted, message by message.
        self.heard: list[dict[str, str]] = []
        #: What browsers asked for.
        self.visits: list[str] = []
        #: What to answer next; 200 when nothing is left.
        self.answers: list[int] = []
        #: Set to let answers go; the shop hesitates while it is not.
        self.may_answer = threading.Event()
        self.may_answer.set()

    def form(self, **changes: str | None) -> dict[str, str]:
        """A signed form of 60,00 €; changes are made before it is signed, None leaves a field out."""
        number = next(_ids)
        fields = {
            "vads_action_mode": "INTERACTIVE",
            "vads_amount": "6000",
            "vads_ctx_mode": "TEST",
            "vads_currency": "978",
            "vads_order_id": f"P-{number}",
            "vads_page_action": "PAYMENT",
            "vads_payment_config": "SINGLE",
            "vads_return_mode": "GET",
            "vads_site_id": SITE_ID,
            "vads_trans_date": moment(),
            "vads_trans_id": f"{number:06d}",
            "vads_url_check": f"{self.url}/ipn",
            "vads_url_return": f"{self.url}/retour?langue=fr",
            "vads_version": "V2",
        }
        kept = {name: value for name, value in (fields | changes).items() if value is not None}
        return {**kept, "signature": sign(kept, KEY)}

    def wait_for_messages(self, count: int) -> list[dict[str, str]]:
        wait_until(lambda: len(self.heard) >= count, f"{count} messages")
        return self.heard


def moment(**since: float) -> str:
    return (datetime.now(UTC) + timedelta(**since)).strftime("%Y%m%d%H%M%S")


@contextmanager
def open_shop() -> Iterator[Shop]:
    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shop.visits.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(b"<!DOCTYPE html><html lang=fr><title>Boutique</title><h1>Boutique</h1>")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            shop.may_answer.wait(30)
            shop.heard.append(dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True)))
            status = shop.answers.pop(0) if shop.answers else 200
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{shop.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *values: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    shop = Shop(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        shop.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()


def opened(bank: Bank, form: dict[str, str]) -> str:
    """The address of the card page that a form opens."""
    answer = ask(bank.form_url, "POST", form)
    assert answer.status == 303, answer.text
    return answer.location


def typed(number: str, **changes: str) -> dict[str, str]:
    """What a payer types on the card page."""
    return {"numero": number, "mois": "12", "annee": "2045", "chiffres": "837", "courriel": "", **changes}


def paid(bank: Bank, form: dict[str, str], number: str, **changes: str) -> Answered:
    """The bank's answer to the card of a payer."""
    return ask(opened(bank, form), "POST", typed(number, **changes))


def link_back(ticket: Answered) -> str:
    """Where the browser goes by itself from a ticket."""
    delay, _, address = ticket.headers["Refresh"].partition("; url=")
    assert int(delay) >= 20
    return address


def fields_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query, keep_blank_values=True).items()}
