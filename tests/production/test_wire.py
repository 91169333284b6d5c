"""S34: whatever arrives on the wire, a request has one answer, and nobody's request is another's."""

import re
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from tests.production.corpus import HIDDEN, REFUSED, SMUGGLED
from tests.production.proxied import ProxiedTown
from tests.sandbox.running import PATIENCE, ask, wait_until

#: How long a server that keeps a connection open is listened to, in seconds.  A second answer that comes even later is
#: seen in the logs.
_SILENCE = 5.0
_STATUS = re.compile(rb"^HTTP/1\.[01] (\d{3})", re.MULTILINE)
#: What a worker writes of a request that no other test makes meanwhile.
_MARK = '"met": "readyz"'


def proxy(town: ProxiedTown) -> socket.socket:
    plain = socket.create_connection(("127.0.0.1", town.ports.https))
    return town.context().wrap_socket(plain, server_hostname="localhost")


def worker(town: ProxiedTown) -> socket.socket:
    return socket.create_connection(("127.0.0.1", town.ports.workers[0]))


def statuses(door: socket.socket, request: str, silence: float = _SILENCE) -> list[int]:
    """Send a request as it is, and give the statuses of the answers, until there are two, silence, or the end."""
    answers: list[int] = []
    with closing(door), suppress(OSError):  # silence, or a connection that was cut: what was heard before counts
        door.settimeout(silence)
        door.sendall(request.encode())
        heard = b""
        while len(answers) < 2 and (part := door.recv(65536)):
            heard += part
            answers = [int(each) for each in _STATUS.findall(heard) if each != b"100"]
    return answers


def statuses_of(town: ProxiedTown, door: Callable[[ProxiedTown], socket.socket], requests: Mapping[str, str]):
    """Send requests, several at once, each by a connection of its own."""
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(requests, pool.map(lambda each: statuses(door(town), each), requests.values()), strict=True))


def asked_in_secret(town: ProxiedTown) -> int:
    """Count how often the hidden page was asked for, once the logs hold what was asked before."""
    marks = town.logs.count(_MARK)
    for port in town.ports.workers:
        ask(f"http://127.0.0.1:{port}/readyz")
    wait_until(lambda: town.logs.count(_MARK) >= marks + len(town.ports.workers), "the workers have written their logs")
    return town.logs.count('"met": "healthz"')


DOORS = pytest.mark.parametrize("door", [proxy, worker], ids=["proxy and worker", "worker alone"])


@DOORS
def test_nothing_is_smuggled(proxied, door):
    before = asked_in_secret(proxied)

    answers = statuses_of(proxied, door, SMUGGLED)

    assert {name: each for name, each in answers.items() if len(each) > 1} == {}
    assert asked_in_secret(proxied) == before


@DOORS
def test_what_nobody_sends_is_refused(proxied, door):
    answers = statuses_of(proxied, door, REFUSED)

    taken = {name: each for name, each in answers.items() if [status for status in each if status < 400]}
    assert taken == {}
    assert all(len(each) <= 1 for each in answers.values())


@DOORS
def test_the_probe_is_no_illusion(proxied, door):
    """Two requests that are two have two answers, and the second is seen: so the others would have been."""
    before = asked_in_secret(proxied)

    both = f"GET /connexion HTTP/1.1\r\nHost: localhost\r\n\r\n{HIDDEN}"
    assert statuses(door(proxied), both, silence=PATIENCE) == [200, 200]
    assert asked_in_secret(proxied) == before + 1


def test_after_all_that_visitors_get_their_own_pages(proxied):
    for path, title in (("/connexion", "Connexion"), ("/aide/", "Aide")):
        with closing(proxy(proxied)) as door:
            host = urlsplit(proxied.url).netloc
            door.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            heard = b"".join(iter(lambda door=door: door.recv(65536), b"")).decode()
        assert f"<h1>{title}" in heard
