"""What is read from an audit log of Kubernetes 1.34 with one release: its pods' account asked for some rights and two that it has not,
the wipe's for one of each, and a call came after the RoleBinding was gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.audit import rights
from tests.audit.rights import Right
from tests.cluster import audit

RECORDED = Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8")
LEASES = "coordination.k8s.io"


def events() -> Iterator[dict[str, Any]]:
    return map(json.loads, RECORDED.splitlines())


def test_each_call_counts_for_the_right_that_it_needed() -> None:
    seen = rights.audit(events())
    assert seen.used["NAME"] == {
        Right(LEASES, "leases", "create"),
        Right(LEASES, "leases", "get", "NAME"),
        Right("", "pods", "list"),
        Right("", "secrets", "get", "NAME-auth"),  # which was not there
    }
    assert seen.used["NAME-wipe"] == {Right(LEASES, "leases", "delete", "NAME")}


def test_a_forbidden_call_is_a_missing_right() -> None:
    missing = rights.audit(events()).missing
    assert Right("", "secrets", "get", "other") in missing["NAME"]
    assert Right(LEASES, "leases", "list", "NAME") in missing["NAME"]
    assert missing["NAME-wipe"] == {Right(LEASES, "leases", "get", "NAME")}


def test_a_call_after_the_role_is_gone_is_no_missing_right() -> None:
    last = list(events())[-1]
    assert (last["verb"], last["responseStatus"]["code"]) == ("list", 403)
    assert Right("", "pods", "list") not in rights.audit(events()).missing["NAME"]


def test_what_nobody_asked_for_is_unused() -> None:
    unused = {kind: {str(right) for right in each} for kind, each in rights.audit(events()).unused().items()}
    assert {"patch pods NAME-N", "create events", "watch leases.coordination.k8s.io NAME"} <= unused["NAME"]
    assert "get secrets NAME-auth" not in unused["NAME"]
    assert {"delete persistentvolumeclaims data-NAME-N", "delete secrets NAME-backup"} <= unused["NAME-wipe"]


def test_a_right_that_no_call_needs_is_found_and_one_that_all_have_is_not() -> None:
    with_more = [event for event in events() if event.get("responseObject", {}).get("kind") == "Role"]
    with_more[0]["responseObject"]["rules"].append({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]})
    assert Right("", "nodes", "list") in rights.audit(with_more).unused()["NAME"]


def test_roles_and_accounts_of_others_are_left_out() -> None:
    foreign = [json.loads(line.replace("helm.sh/chart", "example.com/chart")) for line in RECORDED.splitlines()]
    seen = rights.audit(foreign)
    assert (seen.granted, seen.used, seen.missing) == ({}, {}, {})


@pytest.mark.parametrize(
    ("name", "release", "expected"),
    [
        ("orders", "orders", "NAME"),
        ("orders-12", "orders", "NAME-N"),
        ("data-orders-0", "orders", "data-NAME-N"),
        ("orders-auth", "orders", "NAME-auth"),
        ("reorders", "orders", "reorders"),
        ("", "orders", ""),
    ],
)
def test_names_are_those_of_any_release(name: str, release: str, expected: str) -> None:
    assert rights.general(name, release) == expected


def test_events_of_rotated_files_come_in_order_and_an_unfinished_line_is_left(tmp_path: Path) -> None:
    lines = RECORDED.splitlines(keepends=True)
    (tmp_path / "audit.log").write_text("".join(lines[10:]) + '{"stage": "Resp')
    (tmp_path / "audit-2026-12-01T10-00-00.000.log").write_text("".join(lines[:10]))
    assert list(audit.events("", tmp_path)) == sorted(events(), key=lambda event: str(event["stageTimestamp"]))
    later = lines[5:]
    assert len(list(audit.events(json.loads(later[0])["stageTimestamp"], tmp_path))) == len(later)
