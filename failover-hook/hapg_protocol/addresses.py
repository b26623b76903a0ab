"""Addresses of servers as text."""

from __future__ import annotations


def with_port(host: str, port: int | str) -> str:
    """Return HOST:PORT; an IPv6 address in brackets, because it has colons itself (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
