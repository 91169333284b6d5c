"""S34: whatever arrives on the wire, a request has one answer, and nobody's request is another's."""

import re
import socket
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.production.corpus import HIDDEN, REFUSED, SMUGGLED
from tests.production.proxied import ProxiedTown

#: How long a server may take to close what it does not keep, in seconds.
_SILENCE = 0.7


def proxy(town: ProxiedTown) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", town.ports.https))
    return town.context().wrap_socket(plain, server_hostname="localhost")


def worker(town: ProxiedTown) -> socket.socket:
    return socket.create_connection(("127.0.0.1", town.ports.workers[0]))


def statuses(door: socket.socket, request: str) -> list[int]:
    """Send a request as it is, and give the statuses of every answer."""
    with closing(door):
        door.settimeout(_SILENCE)
        heard = b""
        try:
            door.sendall(request.encode())
            while part := door.recv(65536):
                heard += part
        except OSError:
            pass  # silence, or a connection that was cut: what was heard before counts
    return [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", heard, re.MULTILINE) if status != b"100"]


def asked_in_secret(town: ProxiedTown) -> int:
    return town.logs.count('"met": "healthz"')


DOORS = pytest.mark.parametrize("door", [proxy, worker], ids=["proxy and worker", "worker alone"])


@DOORS
def test_nothing_is_smuggled(proxied, door):
    before = asked_in_secret(proxied)

    answers = {name: statuses(door(proxied), request) for name, request in SMUGGLED.items()}

    assert {name: each for name, each in answers.items() if len(each) > 1} == {}
    assert asked_in_secret(proxied) == before


@DOORS
def test_what_nobody_sends_is_refused(proxied, door):
    answers = {name: statuses(door(proxied), request) for name, request in REFUSED.items()}

    taken = {name: each for name, each in answers.items() if [status for status in each if status < 400]}
    assert taken == {}
    assert all(len(each) <= 1 for each in answers.values())


@DOORS
def test_the_probe_is_no_illusion(proxied, door):
    """Two requests that are two have two answers, and the second is seen: so the others would have been."""
    before = asked_in_secret(proxied)

    assert statuses(door(proxied), f"GET /connexion HTTP/1.1\r\nHost: localhost\r\n\r\n{HIDDEN}") == [200, 200]
    assert asked_in_secret(proxied) == before + 1


def test_after_all_that_visitors_get_their_own_pages(proxied):
    for path, title in (("/connexion", "Connexion"), ("/aide/", "Aide")):
        with closing(proxy(proxied)) as door:
            host = urlsplit(proxied.url).netloc
            door.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            heard = b"".join(iter(lambda door=door: door.recv(65536), b"")).decode()
        assert f"<h1>{title}" in heard
