"""Whether the other side of a connection is still there."""

from __future__ import annotations

import select
import socket

_CLOSED = select.POLLRDHUP | select.POLLHUP | select.POLLERR | select.POLLNVAL


def is_closed(connection: socket.socket) -> bool:
    """True once the other side has closed the connection. Doesn't wait."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return any(events & _CLOSED for _, events in poll.poll(0))
