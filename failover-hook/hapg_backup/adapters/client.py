"""The client of port 8011, for CronJobs and for `kubectl exec`."""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ..core.signing import HEADER, answer_mac, request_mac

PORT = 8011
_SILENCE_S = 30.0


class Failed(Exception):
    """There is no whole answer. is_final: another try would fail, too."""

    def __init__(self, text: str, is_final: bool = False) -> None:
        super().__init__(text)
        self.is_final = is_final


def request(url: str, key: bytes, path: str, fields: Mapping[str, Any], tell: Callable[[str], None]) -> int:
    """Send a signed request; return the exit code of its answer. tell: gets each line. Raise Failed."""
    body = json.dumps({**fields, "time": time.time(), "nonce": secrets.token_hex(16)}).encode()
    mac = request_mac(key, path, body)
    split = urlsplit(url)
    connection = http.client.HTTPConnection(split.hostname or "", split.port or PORT, timeout=_SILENCE_S)
    try:
        connection.request("POST", path, body, {HEADER: mac, "Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != HTTPStatus.OK:
            text = answer.read(1000).decode("utf-8", "replace").strip()
            raise Failed(f"{answer.status} {answer.reason}: {text}", is_final=answer.status == HTTPStatus.FORBIDDEN)
        return _read(answer, key, mac, tell)
    except (OSError, http.client.HTTPException) as error:
        raise Failed(f"{url}: {str(error) or type(error).__name__}") from error
    finally:
        connection.close()


def _read(answer: http.client.HTTPResponse, key: bytes, mac: str, tell: Callable[[str], None]) -> int:
    received = b""
    for line in answer:
        try:
            found = json.loads(line)
        except ValueError:
            raise Failed("the answer is malformed") from None
        if "exit" in found:
            if not hmac.compare_digest(answer_mac(key, mac, received), str(found.get("mac"))):
                raise Failed("the answer's signature is wrong", is_final=True)
            return int(found["exit"])
        received += line
        if "line" in found:
            tell(str(found["line"]))
    raise Failed("the answer has no end: the container was stopped, or the connection is lost")
