"""Ports of 127.0.0.1 for servers of tests, none given twice while its server is still starting.

A port of the kernel's ephemeral range (32768 and above) can be given to another worker, or to an outgoing connection, before
the server binds it: two workers met about once in ten runs. These are below that range and below the Services' node ports,
and each of pytest's workers has its own.
"""

from __future__ import annotations

import itertools
import os
import socket

_FIRST, _A_WORKER, _WORKERS = 11000, 2300, 8
_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_own = itertools.cycle(range(_FIRST + _worker * _A_WORKER, _FIRST + (_worker + 1) * _A_WORKER))


def free_port() -> int:
    """Return a port that nothing listens on. Raise OSError if this worker has none left."""
    for port in itertools.islice(_own, _A_WORKER):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: a closed connection is no reason
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"all ports from {_FIRST} of worker {_worker} are in use")
