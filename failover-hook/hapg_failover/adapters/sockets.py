"""Listening sockets and threads of the agent's servers."""

from __future__ import annotations

import socket
import threading
from socketserver import BaseServer

_NEVER_POLL_S = 86400.0


def listen(port: int) -> socket.socket:
    """Listen on IPv6 and IPv4, or on IPv4 alone where the node has no IPv6."""
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError):
        return socket.create_server(("", port))


def serve(server: BaseServer, name: str) -> None:
    """Serve in a thread of that name until the process ends. Nobody shuts a server down, so that its loop needn't look for it."""
    threading.Thread(target=server.serve_forever, args=(_NEVER_POLL_S,), name=name, daemon=True).start()
