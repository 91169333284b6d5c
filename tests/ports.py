"""Ports of the loopback for what the tests start, seconds before it listens.

They lie below those that the kernel gives to outgoing connections, or one of these could take a port between its choice
and its use.  Each process of a run draws from a range of its own, and gives no port twice before it has given them all.
"""

import itertools
import os
import socket
from contextlib import ExitStack
from random import Random

#: The ports of each process, from the lowest on: twenty processes stay below 32768, where Linux begins by itself.
LOWEST, EACH, PROCESSES = 10_000, 1_000, 20
#: The most that are asked for in a row.
_ROW = 4

_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
#: Two runs at once on one machine begin at different places.
_rows = itertools.count(Random().randrange(EACH))


def free_ports(count: int = 1) -> int:
    """Find ports that nobody listens on, four in a row at most, and give the first."""
    for _ in range(EACH // _ROW):
        first = LOWEST + _process % PROCESSES * EACH + next(_rows) * _ROW % EACH
        if _are_free(range(first, first + count)):
            return first
    raise AssertionError(f"none of {EACH} ports is free")


def _are_free(ports: range) -> bool:
    with ExitStack() as stack:
        try:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
