"""A snapshot of a release as the API shows it: its Lease and pods, decoded by `hapg_protocol`, and its settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from hapg.errors import HapgError
from hapg.operate import importing
from hapg.operate.archive_status import ArchiveState
from hapg.operate.kubectl import Cluster, Object
from hapg_protocol import archive_report
from hapg_protocol import lease as lease_codec
from hapg_protocol import pods as pod_codec
from hapg_protocol.model import LeaseObject, Pod
from hapg_protocol.requests import Answer

PAUSED = "ha-postgres/paused"
"""The annotation of the ConfigMap of a release whose value `pause` is true."""
SCHEDULES = "ha-postgres/schedules"
"""The annotation with the schedules of backups and verified restores."""


class OperateError(HapgError):
    """The release was not found, can't carry out the request in its state, or refused it. The text is one sentence."""


@dataclass(frozen=True)
class Release:
    """The state of a release.

    max_lag: bytes; age: seconds since the Lease was renewed, by this machine's clock (0 without a Lease); pods: by ordinal;
    phases: Kubernetes' phase of each pod, by name; claims: the names of the claims that each pod mounts, by its name; answers: each pod's
    last answer to a request, by name; paused: by its value `pause`; imports: the state of an import into it, in words; archive: None
    without an archiver; sql_names: those of its major that differ, by today's; lags: of streaming replicas in bytes, by pod, if known.
    """

    name: str
    namespace: str
    replicas: int
    max_lag: int
    lease: LeaseObject | None
    age: float
    pods: tuple[Pod, ...]
    phases: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, frozenset[str]] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    paused: bool = False
    imports: str = ""
    archive: ArchiveState | None = None
    sql_names: Mapping[str, str] = field(default_factory=dict)
    lags: Mapping[str, int] = field(default_factory=dict)

    @property
    def held(self) -> bool:
        """True if the Lease has a holder and has not expired."""
        return self.lease is not None and self.lease.state.release is None and self.age < self.lease.state.ttl_s

    def knows_protocol(self, pod: Pod) -> bool:
        """True if the pod's agent knows the Lease's protocol. Other agents never claim it (docs/protocol.md, rule 15)."""
        return self.lease is None or pod.report is None or pod.report.protocol >= self.lease.state.protocol

    def pod(self, name: str) -> Pod | None:
        """Return the pod with this name, or None."""
        return next((pod for pod in self.pods if pod.name == name), None)

    @property
    def holder(self) -> Pod | None:
        """The pod that holds the Lease; None if it no longer exists, or if a new pod has its name."""
        if self.lease is None:
            return None
        pod = self.pod(self.lease.state.holder.pod)
        return pod if pod is not None and pod.uid == self.lease.state.holder.uid else None


def read(cluster: Cluster, name: str, now: datetime) -> Release:
    """Read the release `name`. Raise OperateError if it is not found or its objects can't be read; KubectlError."""
    config = cluster.find("configmap", f"{name}-config")
    if config is None:
        raise OperateError(f"release {name} not found in namespace {cluster.namespace}: no ConfigMap {name}-config")
    try:
        settings = json.loads(config["data"]["failover.json"])
        found = cluster.select("pods", settings["selector"])
        lease, age = _lease(cluster, name, now)
        pods = [(pod, item) for item in found if (pod := pod_codec.from_object(item, name, settings["labels"]["role"])) is not None]
        return Release(
            name=name,
            namespace=config["metadata"]["namespace"],
            replicas=settings["replicas"],
            max_lag=settings["failover"]["maxLagBytes"],
            lease=lease,
            age=age,
            pods=tuple(sorted((pod for pod, _ in pods), key=lambda pod: pod.ordinal)),
            phases={pod.name: _phase(item) for pod, item in pods},
            claims={pod.name: _claims(item) for pod, item in pods},
            answers={pod.name: answer for pod, item in pods if (answer := pod_codec.answer(item)) is not None},
            paused=PAUSED in (config["metadata"].get("annotations") or {}),
            imports=importing.state(cluster, config, name),
            archive=_archive(config, found, lease, now),
            sql_names=settings.get("postgresMajor", {}).get("sqlNames", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unreadable(name, f"{type(error).__name__}: {error}") from error


def _lease(cluster: Cluster, name: str, now: datetime) -> tuple[LeaseObject | None, float]:
    """Return the Lease, or None, and its age in seconds. Raise OperateError, with the field's name, if it can't be read."""
    found = cluster.find("lease", name)
    if found is None:
        return None, 0.0
    try:
        return lease_codec.from_object(found), max(0.0, (now - lease_codec.renewed_at(found)).total_seconds())
    except ValueError as error:
        raise _unreadable(name, str(error)) from error


def _archive(config: Object, pods: Sequence[Object], lease: LeaseObject | None, now: datetime) -> ArchiveState | None:
    """Return what the primary's pod says of the archive. An unreadable report counts as none, as from an image of another version."""
    metadata = config["metadata"]
    if not json.loads(config["data"].get("backup.json", "{}")).get("repository"):
        return None
    holder = None if lease is None else lease.state.holder.uid
    texts = [(pod["metadata"].get("annotations") or {}).get(archive_report.ANNOTATION) for pod in pods if pod["metadata"]["uid"] == holder]
    report = None
    with suppress(ValueError):
        report = archive_report.decode(texts[0]) if texts and texts[0] is not None else None
    schedules = json.loads((metadata.get("annotations") or {}).get(SCHEDULES, "{}"))
    created = datetime.fromisoformat(metadata["creationTimestamp"]).timestamp() if "creationTimestamp" in metadata else now.timestamp()
    return ArchiveState(report, now.timestamp(), created, schedules)


def _unreadable(name: str, why: str) -> OperateError:
    return OperateError(f"release {name}: its objects in the cluster can't be read: {why}")


def _phase(pod: Object) -> str:
    return (pod.get("status") or {}).get("phase") or "Unknown"


def _claims(pod: Object) -> frozenset[str]:
    volumes = (pod.get("spec") or {}).get("volumes") or []
    return frozenset(each["persistentVolumeClaim"]["claimName"] for each in volumes if each.get("persistentVolumeClaim"))
