"""Ports of 127.0.0.1 for servers of tests, none given twice while its server is still starting.

The kernel's own choice (port 0) may be given to another process, or to an outgoing connection, before the server binds it: two of pytest's
workers met about once in ten runs. These ports are below the kernel's ephemeral range (32768 and above) and below the Services' node ports,
and a process reserves each one for all others by a Unix socket in the abstract namespace, which ends with the process (unix(7)).
"""

from __future__ import annotations

import socket
from collections import deque
from itertools import cycle, islice

import pytest

PORTS = range(11000, 30000)
_next = cycle(PORTS)
_reserved: deque[socket.socket] = deque()
_KEPT = 100
"""So many reservations are kept: the servers of earlier ones have bound their ports by then."""


def free_port() -> int:
    """Return a port that nothing listens on, and that no other test was just given. Raise OSError if there is none."""
    for port in islice(_next, len(PORTS)):
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0hapg-test-port-{port}")
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection is no reason
                listener.bind(("127.0.0.1", port))
        except OSError:
            reservation.close()
            continue
        _reserved.append(reservation)
        if len(_reserved) > _KEPT:
            _reserved.popleft().close()
        return port
    raise OSError(f"no port of {PORTS.start} to {PORTS.stop - 1} is free")


def needs_ipv6() -> None:
    """Skip the test on a machine without IPv6."""
    try:
        with socket.socket(socket.AF_INET6) as listener:
            listener.bind(("::1", 0))
    except OSError:
        pytest.skip("there is no IPv6 on this machine")
