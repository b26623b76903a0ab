"""Requests and responses of the little of HTTP that kubelet, Prometheus and the members' agents speak (RFC 9112): one for a connection.

Nothing here waits or keeps anything. What a client says is bounded: its head, and a body where one is expected at all.
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
    """A whole request. headers: by lower-case name, none where no body is expected; body: as long as the request says."""

    method: str
    path: str
    headers: Mapping[bytes, bytes]
    body: bytes


@dataclass(frozen=True)
class Response:
    """An answer. headers: beside the length of the body."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return it as it is sent."""
        headers = {**self.headers, "Content-Length": str(len(self.body))}
        lines = [f"HTTP/1.0 {self.status.value} {self.status.phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode("latin-1") + self.body


def parse(received: bytes, longest_body: int) -> Request | HTTPStatus | None:
    """Return the request that was received, None if there is more of it to come, or the status with which it is refused.

    longest_body: in bytes; 0: no answer depends on headers or body, so they are passed over.
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
