"""Clients that cost little: one asks for a page again and again, the other is a family that visits as families do."""

import http.client
import re
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from html import unescape
from typing import NamedTuple
from urllib.parse import urlencode, urlsplit

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)
_INPUT = re.compile(r"<input\b[^>]*>")
_ATTRIBUTE = re.compile(r'\b(name|value|type)="([^"]*)"')
#: A browser gives up after a while; nobody waits longer.
_PATIENCE = 60


def hammer(ports: Sequence[int], connections: int, request: bytes, seconds: float) -> int:
    """Ask each server for a page, over so many connections each, one answer after the other, and count the answers.

    :raises RuntimeError: when an answer is not 200.
    """
    stop = time.monotonic() + seconds
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda port=port: counts.append(_ask_until(stop, port, request)))
        for port in ports
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(counts) != len(threads):
        raise RuntimeError("an answer was not 200")
    return sum(counts)


def _ask_until(stop: float, port: int, request: bytes) -> int:
    count = 0
    with socket.create_connection(("127.0.0.1", port), _PATIENCE) as door:
        while time.monotonic() < stop:
            door.sendall(request)
            answer = door.recv(65536)
            head = answer.index(b"\r\n\r\n")
            length = _LENGTH.search(answer, 0, head + 2)
            if length is None or not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer[:head].decode())
            missing = head + 4 + int(length[1]) - len(answer)
            while missing > 0:
                missing -= len(door.recv(65536))
            count += 1
    return count


class Told(NamedTuple):
    """One answer: what was asked for, how long it took, its status (0: none came)."""

    kind: str
    seconds: float
    status: int


class Answer(NamedTuple):
    """A page."""

    status: int
    text: str
    path: str


def fields_of(page: str, within: str = "") -> dict[str, str]:
    """Read the hidden fields of a page, of the form that posts to an address if one is given."""
    if within:
        page = page[page.index(f'action="{within}"') :]
    page = page[: page.find("</form>")] if "</form>" in page else page
    found = [dict(_ATTRIBUTE.findall(field)) for field in _INPUT.findall(page)]
    return {unescape(each["name"]): unescape(each["value"]) for each in found if each.get("type") == "hidden"}


class Visitor:
    """A browser without scripts behind the proxy: it keeps its cookies, and notes how long each answer took.

    Each request has a connection of its own, as deploy/nginx makes them.
    """

    def __init__(self, port: int, host: str, address: str, told: list[Told]) -> None:
        self._door = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
        self._headers = {"Host": host, "X-Forwarded-For": address, "Connection": "close"}
        self._cookies: dict[str, str] = {}
        self._told = told

    def close(self) -> None:
        """Hang up."""
        self._door.close()

    def get(self, kind: str, path: str) -> Answer:
        """Read a page."""
        return self._ask(kind, "GET", path, None)

    def post(self, kind: str, path: str, form: Mapping[str, str]) -> Answer:
        """Post a form."""
        return self._ask(kind, "POST", path, urlencode(form))

    def _ask(self, kind: str, method: str, path: str, body: str | None) -> Answer:
        headers = dict(self._headers)
        if self._cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        started = time.perf_counter()
        try:
            self._door.request(method, path, body, headers)
            answer = self._door.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._told.append(Told(kind, time.perf_counter() - started, 0))
            self._door.close()
            return Answer(0, "", "")
        self._told.append(Told(kind, time.perf_counter() - started, answer.status))
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self._cookies[name] = value
        text = content.decode("utf-8", "replace") if b"<" in content[:1] else ""
        return Answer(answer.status, text, urlsplit(answer.headers.get("Location", "")).path)
