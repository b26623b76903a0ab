"""Releases as the API shows them. The failover container's own code writes their Lease and
annotations.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hapg.operate import arguments, release
from hapg.operate.importing import IMPORT
from hapg.operate.kubectl import KubectlError
from hapg.operate.release import Release
from hapg_protocol import lease as lease_codec
from hapg_protocol import position_report as report_codec
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, PositionReport, VolumeState
from hapg_protocol.model import Release as Released

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VERSION = "50"
SELECTOR = {"kubedb.com/name": "pg", "kubedb.com/kind": "Postgres"}
SETTINGS = {
    "name": "pg",
    "replicas": 3,
    "labels": {"name": "kubedb.com/name", "kind": "kubedb.com/kind", "role": "kubedb.com/role"},
    "selector": SELECTOR,
    "failover": {"maxLagBytes": 60},
}
HELD = LeaseState(
    Holder("pg-0", "u0"), 7, 6.0, "system", "v0", "10.0.0.1", 4, (EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2"))
)
GIVEN_BACK = Released("the server died", clean=False, hold_s=3.0)


REPOSITORY = {"type": "s3", "path": "/ha-postgres/demo", "bucket": "backups", "region": "us-east-1", "uriStyle": "path", "verifyTls": True}


def config(**changes: Any) -> dict[str, Any]:
    settings = json.dumps({**SETTINGS, **changes})
    return {"metadata": {"name": "pg-config", "namespace": "demo"}, "data": {"failover.json": settings}}


def archiving(repository: Mapping[str, Any] | None = REPOSITORY) -> dict[str, Any]:
    """The ConfigMap of a release with an archiver."""
    found = config()
    found["data"]["backup.json"] = json.dumps({"name": "pg", "repository": repository, "restore": None})
    return found


def importing() -> dict[str, Any]:
    """The ConfigMap of a release into which databases are imported."""
    found = config()
    found["metadata"]["annotations"] = {IMPORT: "true"}
    return found


CREATED = "2026-01-02T03:00:00Z"


def job_pod(phase: str, created: str = CREATED, status: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A pod of the import's Job."""
    return {"metadata": {"name": f"job-{created}", "creationTimestamp": created}, "status": {"phase": phase, **(status or {})}}


def lease(state: LeaseState = HELD, age: float = 1.0) -> dict[str, Any]:
    found = lease_codec.to_object(state, "pg", SELECTOR, NOW - timedelta(seconds=age), None)
    found["metadata"] |= {"resourceVersion": VERSION, "uid": "1a2b3c4d-0000-4000-8000-000000000000"}
    return found


def said(number: int, lsn: int, timeline: int = 4, **changes: Any) -> str:
    base = {"lease_version": VERSION, "nonce": "n", "state": VolumeState.DATA, "volume": f"v{number}", "system_identifier": "system"}
    return report_codec.encode(PositionReport(**{**base, "position": Position(timeline, lsn), "running": True, **changes}))


def pod(number: int, role: str | None = "replica", *, ready: bool = True, **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "name": f"pg-{number}",
            "uid": f"u{number}",
            "labels": {**SELECTOR, **({} if role is None else {"kubedb.com/role": role})},
            "annotations": {f"ha-postgres/{key.replace('_', '-')}": value for key, value in annotations.items()},
        },
        "spec": {"nodeName": f"node{number + 1}"},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def pods(*numbers: int) -> list[dict[str, Any]]:
    return [pod(number, "primary" if number == 0 else "replica") for number in numbers or (0, 1, 2)]


@dataclass
class FakeCluster:
    """kubectl's view of a release: a ConfigMap, optionally a Lease, and pods. A change after each
    look can be scripted. answers: exit code and output of each request to a container `backup`;
    streaming: psql's answer on the primary, None if nobody may ask it; asked: pods and queries;
    others: objects beside the release; forbidden: what may not be read, by kind and name.
    """

    pods: list[dict[str, Any]] = field(default_factory=pods)
    lease: dict[str, Any] | None = field(default_factory=lease)
    config: dict[str, Any] | None = field(default_factory=config)
    annotated: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    namespace: str = "demo"
    stateful_set: dict[str, Any] | None = None
    answers: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    executed: list[tuple[str, str]] = field(default_factory=list)
    imports: list[dict[str, Any]] = field(default_factory=list)
    logs: dict[str, str] = field(default_factory=dict)
    configs: list[dict[str, Any]] = field(default_factory=list)
    streaming: list[str] | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)
    others: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    forbidden: set[tuple[str, str]] = field(default_factory=set)

    def find(self, kind: str, name: str) -> Mapping[str, Any] | None:
        if (kind, name) in self.forbidden:
            raise KubectlError(f"kubectl get {kind} {name}: forbidden")
        objects = {("configmap", "pg-config"): self.config, ("lease", "pg"): self.lease, ("statefulset", "pg"): self.stateful_set}
        return {**self.others, **objects}.get((kind, name))

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        assert kind == "configmap"
        return list(self.configs)

    def select(self, kind: str, labels: Mapping[str, str]) -> list[Mapping[str, Any]]:
        if kind == "configmaps":
            return [each for each in self.configs if labels.items() <= each["metadata"]["labels"].items()]
        assert kind == "pods"
        if labels == {IMPORT: "pg"}:
            return list(self.imports)
        assert labels == SELECTOR
        return list(self.pods)

    def last_line(self, pod: str) -> str:
        if pod not in self.logs:
            raise KubectlError("forbidden")
        return self.logs[pod]

    def annotate(self, name: str, uid: str, annotations: Mapping[str, str | None]) -> None:
        self.annotated.append((name, uid, dict(annotations)))

    def execute(self, pod: str, container: str, command: Sequence[str], tell: Callable[[str], None], limit: float | None) -> int:
        *program, request = command
        if container == "postgres":
            self.asked.append((pod, request))
            if self.streaming is None:
                raise KubectlError("pods/exec is forbidden")
            for line in self.streaming:
                tell(line)
            return 0
        assert (container, program) == ("backup", ["hapg-backup", "request"])
        self.executed.append((pod, request))
        code, lines = self.answers[request]
        for line in lines:
            tell(line)
        return code

    def read(self) -> Release:
        return release.read(self, "pg", NOW)


class Clock:
    """The commands' clock: time passes only while they wait."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.then: list[Callable[[], None]] = []

    def now(self, _: object) -> object:
        return NOW

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if self.then:
            self.then.pop(0)()


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Callable[[object], object]:
    """Makes the commands act on a fake cluster, under the clock of the module's tests."""

    def use(cluster: object) -> object:
        monkeypatch.setattr(arguments, "cluster", lambda options: cluster)
        return cluster

    return use
