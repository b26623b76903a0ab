"""HTTP requests and responses (RFC 9112), to the extent that kubelet, Prometheus and the agents need: one request per connection.

Pure functions. The sizes of a request's head and body are limited.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

LONGEST_HEAD = 16384
_MOST_HEADERS = 100
_WORDS = 3
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"[0-9]{1,9}")


@dataclass(frozen=True)
class Request:
    """A complete request. headers: by lower-case name, empty if no body is expected."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(frozen=True)
class Response:
    """A response. headers: without Content-Length."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the response as sent on the wire."""
        headers = {**self.headers, "Content-Length": str(len(self.body))}
        lines = [f"HTTP/1.0 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


def parse(received: bytes, longest_body: int) -> Request | HTTPStatus | None:
    """Return the request received, None if it is incomplete, or the status to reject it with.

    longest_body: in bytes; 0: headers and body are ignored, because no answer depends on them.
    """
    end = _END_OF_HEAD.search(received)
    if end is None:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if len(received) > LONGEST_HEAD else None
    lines = received[: end.start()].split(b"\n")
    words = lines[0].decode("latin-1").split()
    if len(lines) > 1 + _MOST_HEADERS:
        return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
    if len(words) != _WORDS:
        return HTTPStatus.BAD_REQUEST
    if not longest_body:
        return Request(words[0], words[1], {}, b"")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines[1:])}
    length = headers.get(b"content-length", b"")
    if not _LENGTH.fullmatch(length) or int(length) > longest_body:
        return HTTPStatus.BAD_REQUEST
    body = received[end.end() : end.end() + int(length)]
    return Request(words[0], words[1], headers, body) if len(body) == int(length) else None
