"""Servers to measure: a bare hello and the portal, each in a process of its own, on waitress, on the loopback."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

from tests.ports import free_ports

_HELLO = """
import sys, waitress
def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]
waitress.serve(hello, listen="localhost:" + sys.argv[1], threads=4, ident=None, _quiet=True)
"""


class Server(NamedTuple):
    """A server under measure."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def cpu(self) -> float:
        """CPU seconds that its threads have used, to the nanosecond."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    @property
    def memory_mb(self) -> float:
        """Resident memory, in MB."""
        match = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return int(match[1]) / 1024 if match else 0.0


@contextmanager
def hello() -> Iterator[Server]:
    """Serve a bare WSGI hello."""
    port = free_ports()
    with _running([sys.executable, "-c", _HELLO, str(port)], port, {}) as server:
        yield server


@contextmanager
def portal(var: Path) -> Iterator[Server]:
    """Serve the portal on a folder of state, by ``pserve development.ini``."""
    with served(Path("development.ini"), free_ports(4), VAR=str(var)) as server:
        yield server


@contextmanager
def served(ini: Path, port: int, **environ: str) -> Iterator[Server]:
    """Serve a portal by its ini."""
    command = [str(Path(sys.executable).with_name("pserve")), str(ini)]
    with _running(command, port, {"PORT": str(port), **environ}) as server:
        yield server


@contextmanager
def _running(command: list[str], port: int, environ: dict[str, str]) -> Iterator[Server]:
    process = subprocess.Popen(
        command, env={**os.environ, **environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, process)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("localhost", port), 1):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the server did not start")


class Visitor:
    """A browser without scripts that keeps its connection and its cookies."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("localhost", port, timeout=60)
        self._host = f"localhost:{port}"
        self._cookies: dict[str, str] = {}

    @property
    def cookies(self) -> str:
        """What it sends as its cookies."""
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())

    def get(self, path: str) -> bytes:
        """Read a page.

        :raises RuntimeError: when it is not there.
        """
        status, body, _ = self._ask("GET", path)
        if status != http.client.OK:
            raise RuntimeError(f"{path}: {status}")
        return body

    def sign_in(self, code: str, password: str) -> None:
        """Sign in by the page."""
        page = self.get("/connexion").decode()
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        if token is None:
            raise RuntimeError("no token on the page")
        form = {"csrf_token": token[1], "code": code, "mdp": password}
        status, _, location = self._ask("POST", "/connexion", urlencode(form))
        if status != http.client.SEE_OTHER or f"/familles/{code}" not in location:
            raise RuntimeError(f"signing in: {status}")

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes, str]:
        headers = {"Host": self._host}
        if self._cookies:
            headers["Cookie"] = self.cookies
        if body is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"http://{self._host}/"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = cookie.split(";", 1)[0].partition("=")
            self._cookies[name] = value
        return answer.status, content, answer.headers.get("Location", "")


def cpu_a_request(server: Server, visitor: Visitor, path: str, requests: int) -> float:
    """Measure the CPU seconds of one request of a page, over many."""
    before = server.cpu
    for _ in range(requests):
        visitor.get(path)
    return (server.cpu - before) / requests
