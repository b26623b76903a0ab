"""The audit log of the local cluster's API server: what pods' service accounts asked for, and the Roles that they had."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.cluster import files
from tests.cluster.paths import CLUSTER

_POLICY = CLUSTER / "audit-policy.json"
FOLDER = CLUSTER / "audit"
_LOG = FOLDER / "audit.log"
_MEGABYTES, _OLD_FILES = 50, 5
"""The most that is kept: a file and its older ones, each of so many megabytes."""

_RBAC = {"group": "rbac.authorization.k8s.io", "resources": ["roles", "rolebindings"]}
_CHANGES = ["create", "update", "patch", "delete", "deletecollection"]
_OTHERS = [f"system:serviceaccounts:{name}" for name in ("kube-system", "local-path-storage")]
POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "omitManagedFields": True,
    "rules": [
        {"level": "RequestResponse", "resources": [_RBAC], "verbs": _CHANGES},
        {"level": "None", "userGroups": _OTHERS},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""Roles and RoleBindings as they become, the calls of the pods of tests, and nothing else."""


def write_policy() -> None:
    """Writes the policy, and creates the log's folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    files.write_json(_POLICY, POLICY)


def options(policy: Path = _POLICY, log: Path = _LOG) -> list[str]:
    """The API server's options for the log."""
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        f"--audit-log-maxsize={_MEGABYTES}",
        f"--audit-log-maxbackup={_OLD_FILES}",
    ]


def events(since: str, folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    """Yields the events of all files since a time (as the log has it: 2026-12-01T10:00:00Z), in the order of their times."""
    found = []
    for path in folder.glob("audit*.log"):
        with path.open(encoding="utf-8") as lines:
            found += [event for event in map(_event, lines) if event is not None and event["stageTimestamp"] >= since]
    yield from sorted(found, key=lambda event: str(event["stageTimestamp"]))


def _event(line: str) -> dict[str, Any] | None:
    """The event of a line; None for one that is still being written."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return event
