"""A release as the API shows it: settings, Lease and pods, read into values. docs/contract.md names the annotations."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import total_ordering
from typing import Any

from hapg.errors import HapgError
from hapg.operate.kubectl import Cluster

STATE = "ha-postgres/state"
PUBLICATION = "ha-postgres/publication"
SWITCHOVER = "ha-postgres/switchover"
FORCE = "ha-postgres/force"
ANSWER = "ha-postgres/answer"
REFUSED = "ha-postgres/refused"
NOT_FOLLOWING = "ha-postgres/not-following"


class OperateError(HapgError):
    """The release isn't there, is in no state for what was asked, or has refused it: one sentence."""


@total_ordering
@dataclass(frozen=True)
class Position:
    """A place in the write-ahead log; lsn in bytes."""

    timeline: int
    lsn: int

    def __lt__(self, other: Position) -> bool:
        """A later timeline is further than any position on an earlier one."""
        return (self.timeline, self.lsn) < (other.timeline, other.lsn)

    def __str__(self) -> str:
        """As people write it: timeline:X/Y."""
        return f"{self.timeline}:{self.lsn >> 32:X}/{self.lsn & 0xFFFFFFFF:X}"


@dataclass(frozen=True)
class Published:
    """What a pod has published: under which version of the Lease, its volume, the volume's state, the end of its WAL.

    protocol: the number of the protocol that its agent knows; foreign: its server was promoted by somebody else.
    """

    lease_version: str
    volume: str | None
    state: str
    position: Position | None
    protocol: int = 1
    foreign: bool = False


@dataclass(frozen=True)
class Pod:
    """A pod of the release. request: a switchover or a force that is not answered yet; answer: the last one, as JSON gave it;
    refused: why its server doesn't take the release's configuration; not_following: why it doesn't stream from the primary.
    """

    name: str
    uid: str
    ordinal: int
    role: str | None
    phase: str
    ready: bool
    deleting: bool
    node: str | None
    published: Published | None = None
    request: str | None = None
    answer: Mapping[str, Any] = field(default_factory=dict)
    refused: str | None = None
    not_following: str | None = None


@dataclass(frozen=True)
class Released:
    """The Lease was given back: why, with which end of WAL if the server was shut down, in whose favour."""

    reason: str
    position: Position | None
    successor: str | None


@dataclass(frozen=True)
class Recovery:
    """How far the holder is, which can't write before it has replayed its WAL: LSNs in bytes, rate in bytes a second (0: not known)."""

    begun: int
    replayed: int
    target: int
    rate: int

    def __str__(self) -> str:
        """As people say it: recovering, 1.2 of 3.0 GB, about 40 s left."""
        done, total = max(0, self.replayed - self.begun), max(0, self.target - self.begun)
        unit, name = (1e9, "GB") if total >= 1e9 else (1e6, "MB")
        left = f", about {(self.target - self.replayed) / self.rate:.0f} s left" if self.rate else ""
        return f"recovering, {done / unit:.1f} of {total / unit:.1f} {name}{left}"


@dataclass(frozen=True)
class Lease:
    """The Lease. members: volume UUIDs by pod name; volume: the holder's; age: seconds since it was renewed, by this machine's clock;
    position: the end of the holder's WAL at its last renewal; recovery: None unless the holder is recovering; protocol: the
    number of the protocol that it was claimed under.
    """

    version: str
    holder: str
    holder_uid: str
    term: int
    timeline: int
    ttl: float
    age: float
    members: Mapping[str, str]
    volume: str | None
    released: Released | None
    successor: str | None
    position: Position | None = None
    recovery: Recovery | None = None
    protocol: int = 1

    @property
    def held(self) -> bool:
        """Somebody holds it, and it has not run out."""
        return self.released is None and self.age < self.ttl


@dataclass(frozen=True)
class Release:
    """Everything that a command looks at, at one instant."""

    name: str
    namespace: str
    replicas: int
    max_lag: int
    lease: Lease | None
    pods: tuple[Pod, ...]

    def knows_protocol(self, pod: Pod) -> bool:
        """Whether the pod's agent knows the protocol of the Lease; others never claim it (docs/protocol.md, rule 15)."""
        return self.lease is None or pod.published is None or pod.published.protocol >= self.lease.protocol

    def pod(self, name: str) -> Pod | None:
        """Return the pod of that name."""
        return next((pod for pod in self.pods if pod.name == name), None)

    @property
    def holder(self) -> Pod | None:
        """The pod that holds the Lease, if it is there and no other pod has its name."""
        lease = self.lease
        pod = self.pod(lease.holder) if lease is not None else None
        return pod if pod is not None and lease is not None and pod.uid == lease.holder_uid else None


def read(cluster: Cluster, name: str, now: datetime) -> Release:
    """Read the release `name`. Raise OperateError if there is none, KubectlError."""
    config = cluster.find("configmap", f"{name}-config")
    if config is None:
        raise OperateError(f"release {name} not found in namespace {cluster.namespace}: there is no ConfigMap {name}-config")
    try:
        settings = json.loads(config["data"]["failover.json"])
        pods = cluster.select("pods", settings["selector"])
        lease = cluster.find("lease", name)
        return Release(
            name=name,
            namespace=config["metadata"]["namespace"],
            replicas=settings["replicas"],
            max_lag=settings["failover"]["maxLagBytes"],
            lease=None if lease is None else _lease(lease, now),
            pods=tuple(sorted(_pods(pods, name, settings["labels"]["role"]), key=lambda pod: pod.ordinal)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise OperateError(f"release {name}: what the cluster shows of it can't be read: {type(error).__name__}: {error}") from error


def _pods(found: list[Mapping[str, Any]], name: str, role: str) -> list[Pod]:
    pods = []
    for item in found:
        match = re.fullmatch(re.escape(name) + r"-([0-9]+)", item["metadata"]["name"])
        if match:
            pods.append(_pod(item, int(match[1]), role))
    return pods


def _pod(item: Mapping[str, Any], ordinal: int, role: str) -> Pod:
    metadata, status = item["metadata"], item.get("status") or {}
    annotations = metadata.get("annotations") or {}
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        ordinal=ordinal,
        role=(metadata.get("labels") or {}).get(role),
        phase=status.get("phase") or "Unknown",
        ready=conditions.get("Ready") == "True",
        deleting=metadata.get("deletionTimestamp") is not None,
        node=(item.get("spec") or {}).get("nodeName"),
        published=_published(annotations.get(PUBLICATION)),
        request=annotations.get(SWITCHOVER) or annotations.get(FORCE),
        answer=_object(annotations.get(ANSWER)) or {},
        refused=annotations.get(REFUSED),
        not_following=annotations.get(NOT_FOLLOWING),
    )


def _object(text: str | None) -> Mapping[str, Any] | None:
    try:
        found = json.loads(text) if text else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _published(text: str | None) -> Published | None:
    found = _object(text)
    if found is None:
        return None
    return Published(
        lease_version=str(found.get("leaseVersion")),
        volume=found.get("volume"),
        state=str(found.get("state")),
        position=_position(found.get("position")),
        protocol=found.get("protocol") or 1,
        foreign=found.get("foreign") is True,
    )


def _position(found: Any) -> Position | None:
    if not found:
        return None
    return Position(int(found["timeline"]), _lsn(found["lsn"]))


def _lsn(text: str) -> int:
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _recovery(found: Any) -> Recovery | None:
    if not found:
        return None
    return Recovery(_lsn(found["begun"]), _lsn(found["replayed"]), _lsn(found["target"]), int(found["bytesPerSecond"]))


def _lease(item: Mapping[str, Any], now: datetime) -> Lease:
    state = json.loads(item["metadata"]["annotations"][STATE])
    released = state.get("release")
    renewed = datetime.fromisoformat(item["spec"]["renewTime"].replace("Z", "+00:00")).astimezone(UTC)
    return Lease(
        version=item["metadata"]["resourceVersion"],
        holder=state["holder"]["pod"],
        holder_uid=state["holder"]["uid"],
        term=state["term"],
        timeline=state.get("timeline") or 0,
        ttl=float(state["ttlSeconds"]),
        age=max(0.0, (now - renewed).total_seconds()),
        members={member["pod"]: member["volume"] for member in state.get("members") or ()},
        volume=state.get("volume"),
        released=Released(released["reason"], _position(released.get("position")), released.get("successor")) if released else None,
        successor=state.get("successor"),
        position=_position(state.get("position")),
        recovery=_recovery(state.get("recovery")),
        protocol=state.get("protocol") or 1,
    )
