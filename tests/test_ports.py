"""The ports of what the tests start are nobody else's."""

import socket
from pathlib import Path

from tests.ports import EACH, LOWEST, PROCESSES, free_ports


def test_they_lie_below_those_of_outgoing_connections():
    lowest_of_others = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])

    assert 1024 < LOWEST < LOWEST + PROCESSES * EACH <= lowest_of_others


def test_none_is_given_twice_soon():
    given = [free_ports(4) for _ in range(EACH // 8)]

    assert len({first + place for first in given for place in range(4)}) == len(given) * 4


def test_one_that_somebody_listens_on_is_left_out():
    first = free_ports(2)
    with socket.create_server(("127.0.0.1", first + 1)):
        assert first not in [free_ports(2) for _ in range(EACH // 4 - 1)]
