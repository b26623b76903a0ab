"""Signatures of requests and answers on port 8011, with a key that only the release's pods and its CronJobs have."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

HEADER = "X-Ha-Postgres-Mac"
VALID_S = 300.0
"""How far the clocks of the two sides may be apart, and so for how long a request has to be remembered."""
_PURPOSE = b"ha-postgres: backup requests"
_NONCE = re.compile(r"[0-9a-f]{32}")


class Refused(ValueError):
    """A request is not signed by someone who has the key, or is an old one; the message says which."""


def key_of(secret: bytes) -> bytes:
    """Return the key made of the Secret's entry. Raise ValueError if that is empty."""
    secret = secret.rstrip(b"\r\n")
    if not secret:
        raise ValueError("the key of the Secret is empty")
    return hmac.digest(secret, _PURPOSE, hashlib.sha256)


def request_mac(key: bytes, path: str, body: bytes) -> str:
    """Return the signature of a request."""
    return _mac(key, b"POST " + path.encode(), body)


def answer_mac(key: bytes, mac: str, body: bytes) -> str:
    """Return the signature of an answer. mac: of its request; body: all lines before the one with the signature."""
    return _mac(key, b"answer", mac.encode(), body)


def verify(key: bytes, path: str, body: bytes, mac: str, now: float, seen: Mapping[str, float]) -> dict[str, Any]:
    """Return the fields of a signed request. Raise Refused.

    now: seconds since the epoch; seen: the nonces of earlier requests. The caller adds this one's, and forgets each after 2 VALID_S.
    """
    if not hmac.compare_digest(request_mac(key, path, body), mac):
        raise Refused("the signature is wrong")
    try:
        fields = json.loads(body)
        sent, nonce = float(fields["time"]), str(fields["nonce"])
    except (ValueError, KeyError, TypeError):
        raise Refused("the request has no time and nonce") from None
    if not abs(sent - now) <= VALID_S:
        raise Refused(f"the request's time is {sent - now:+.0f} s off; set the clocks")
    if not _NONCE.fullmatch(nonce) or nonce in seen:
        raise Refused("the request was sent before")
    return dict(fields)


def _mac(key: bytes, *parts: bytes) -> str:
    return hmac.new(key, b"\n".join(parts), hashlib.sha256).hexdigest()
