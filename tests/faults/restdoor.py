"""The bank's REST services on a socket of this machine, answering well or in every bad way there is.

with open_door() as door:
    door.behave = door.says(answer)      # or door.hangs, door.half, door.status(500)...
    ...door.url, door.asked
"""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

Behaviour = Callable[[socket.socket, str], None]

UNKNOWN = {"status": "ERROR", "answer": {"errorCode": "PSP_010", "errorMessage": "Order not found"}}


def _response(body: bytes, status: str = "200 OK", length: int | None = None, more: str = "") -> bytes:
    size = len(body) if length is None else length
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n{more}Connection: close"
    return f"{head}\r\n\r\n".encode() + body


class Door:
    """What listens: it notes each question, and behaves as a test told it."""

    def __init__(self, listening: socket.socket, context: ssl.SSLContext | None) -> None:
        self.port = listening.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/api/V4/"
        #: Orders asked about, and when (seconds of a clock that only goes on).
        self.asked: list[tuple[str, float]] = []
        self.behave: Behaviour = self.closes
        self.closing = threading.Event()
        self._listening, self._context = listening, context

    def serve(self) -> None:
        while not self.closing.is_set():
            with suppress(OSError):
                connection, _ = self._listening.accept()
                with self._opened(connection) as opened:
                    self._answer(opened)

    def _opened(self, connection: socket.socket) -> socket.socket:
        connection.settimeout(10)
        try:
            return self._context.wrap_socket(connection, server_side=True) if self._context else connection
        except OSError:
            connection.close()
            raise

    def _answer(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as read:
            length = 0
            if not read.readline():
                return
            while (line := read.readline().strip().lower()) != b"":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            order = json.loads(read.read(length))["orderId"]
        self.asked.append((order, time.monotonic()))
        self.behave(connection, order)

    def says(self, tell: Callable[[str], dict[str, Any] | None]) -> Behaviour:
        """Answer as the bank does: what it knows of an order, or that it knows nothing."""

        def behave(connection: socket.socket, order: str) -> None:
            known = tell(order)
            told = UNKNOWN if known is None else {"status": "SUCCESS", "answer": known}
            connection.sendall(_response(json.dumps(told).encode()))

        return behave

    def writes(self, body: bytes, status: str = "200 OK", length: int | None = None, more: str = "") -> Behaviour:
        """Answer these very bytes."""
        return lambda connection, order: connection.sendall(_response(body, status, length, more))

    def closes(self, connection: socket.socket, order: str) -> None:
        """Hang up without a word."""

    def hangs(self, connection: socket.socket, order: str) -> None:
        """Say nothing until the other hangs up."""
        with suppress(OSError):
            connection.recv(1)

    def babbles(self, connection: socket.socket, order: str) -> None:
        """Answer something that is not HTTP."""
        connection.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")


@contextmanager
def open_door(context: ssl.SSLContext | None = None) -> Iterator[Door]:
    """Listen on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        door = Door(listening, context)
        thread = threading.Thread(target=door.serve, daemon=True)
        thread.start()
        try:
            yield door
        finally:
            door.closing.set()
            # Wakes the one that waits for a visitor.
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", door.port), timeout=1).close()
            thread.join(10)
