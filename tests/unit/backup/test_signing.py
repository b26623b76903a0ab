"""Signatures, the supervisor's heartbeat, and what the container tells."""

from __future__ import annotations

import json
import re

import pytest

from hapg_backup.core.heartbeat import role_of
from hapg_backup.core.signing import VALID_S, Refused, answer_mac, key_of, request_mac, verify
from hapg_backup.core.state import METRICS, PREFIX, State, encode, render

KEY = key_of(b"secret\n")
NOW = 1000.0


def body(at: float = NOW, nonce: str = "0" * 32) -> bytes:
    return json.dumps({"time": at, "nonce": nonce, "type": "full"}).encode()


def test_a_line_break_is_no_part_of_the_key() -> None:
    assert key_of(b"secret") == KEY
    with pytest.raises(ValueError, match="empty"):
        key_of(b"\n")


def test_a_signed_request_is_valid_for_its_path_and_time() -> None:
    assert verify(KEY, "/backup", body(), request_mac(KEY, "/backup", body()), NOW + VALID_S, {})["type"] == "full"


@pytest.mark.parametrize(
    ("path", "sent", "seen", "reason"),
    [
        ("/info", body(), {}, "the signature is wrong"),
        ("/backup", body(NOW - VALID_S - 1), {}, "the request's time is -301 s off"),
        ("/backup", body(float("nan")), {}, "the request's time is"),
        ("/backup", body(nonce="short"), {}, "sent before"),
        ("/backup", body(), {"0" * 32: NOW}, "sent before"),
        ("/backup", b"[]", {}, "no time and nonce"),
    ],
)
def test_any_other_is_refused(path: str, sent: bytes, seen: dict[str, float], reason: str) -> None:
    with pytest.raises(Refused, match=re.escape(reason)):
        verify(KEY, path, sent, request_mac(KEY, "/backup", sent), NOW, seen)


def test_an_answer_is_signed_for_its_request() -> None:
    assert len({answer_mac(KEY, mac, text) for mac in ("a", "b") for text in (b"", b"x")}) == 4


@pytest.mark.parametrize(
    ("line", "role"),
    [
        ("100.00 primary 7 0 -", "primary"),
        ("100.00 standby 7 0 -", "standby"),
        ("100.00 down 0 0 -", "down"),
        ("90.00 primary 7 0 -", "down"),
        ("x primary 7 0 -", "down"),
        ("", "down"),
    ],
)
def test_the_role_is_what_a_fresh_heartbeat_says(line: str, role: str) -> None:
    assert role_of(line, 101.0) == role


def test_every_metric_of_the_catalogue_is_there() -> None:
    text = render(State(role="primary", failing="no", backups={"full": 5}))
    assert re.findall(r"^# HELP (\w+) (.*)", text, re.MULTILINE) == [(PREFIX + each.name, each.help) for each in METRICS]
    assert "ha_postgres_archive_failing 1\n" in text
    assert 'ha_postgres_backup_last_timestamp_seconds{type="full"} 5\n' in text
    assert "ha_postgres_archive_failing 0\n" in render(State(role="standby", failing="no"))


def test_the_state_is_one_line_of_json() -> None:
    assert json.loads(encode(State(stanza="db-1")))["stanza"] == "db-1"
    assert encode(State()).count(b"\n") == 1
