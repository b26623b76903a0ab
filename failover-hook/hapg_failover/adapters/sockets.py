"""Listening sockets of the agent's servers."""

from __future__ import annotations

import socket


def listen(port: int) -> socket.socket:
    """Listen on IPv6 and IPv4, or on IPv4 only if the node has no IPv6."""
    try:
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError):
        return socket.create_server(("", port))
