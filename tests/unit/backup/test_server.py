"""The backup container's port, over both address families."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from hapg_backup.adapters.client import request
from hapg_backup.adapters.server import HttpServer
from tests.ports import needs_ipv6

KEY = b"key"


def carry_out(path: str, fields: Mapping[str, Any], tell: Callable[[str], None], is_gone: Callable[[], bool]) -> int:
    tell(f"{path} {fields['type']}")
    return 0


@pytest.fixture
def port() -> Iterator[int]:
    server = HttpServer(0, lambda: KEY, ("/backup",), carry_out, lambda: "")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_request_is_answered(port: int, host: str) -> None:
    if "[" in host:
        needs_ipv6()
    told: list[str] = []
    assert request(f"http://{host}:{port}", KEY, "/backup", {"type": "full"}, told.append) == 0
    assert told == ["/backup full"]
