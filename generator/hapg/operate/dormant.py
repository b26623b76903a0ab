"""The releases of a namespace that sleep: their claims, Secrets and Lease are there, and no server runs. Pure, but for `read`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from hapg.operate.kubectl import Namespace, Object
from hapg_protocol import kept
from hapg_protocol import lease as lease_codec
from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState

HEAD = ("RELEASE", "STATE", "MAJOR", "VOLUMES", "SINCE", "TIMELINE", "POSITION", "MAY START", "REPLICAS")
KINDS = ("lease", "persistentvolumeclaim", "statefulset", "pod", "configmap")


class State(StrEnum):
    """RUNNING: its StatefulSet wants pods; STOPPING: none are wanted, and some are left; PAUSED: its StatefulSet wants none; INCOMPLETE:
    its StatefulSet is gone, but not its ConfigMap, so somebody deleted the former by hand.
    """

    RUNNING = "running"
    STOPPING = "stopping"
    PAUSED = "paused"
    INCOMPLETE = "incomplete"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True)
class Claim:
    """A claim that is kept. size: as Kubernetes writes it, such as 8Gi."""

    name: str
    volume: str
    ordinal: int
    size: str


@dataclass(frozen=True)
class Kept:
    """What is kept of a release.

    installed_as: the name under which Helm knows it, None if it is not installed; major: PostgreSQL's, None if the Lease doesn't tell;
    since: the last time that its Lease was written; lease: None if there is none or if it is unreadable; has_lease: there is one; secrets:
    those that its pods have created; pods: those that are left.
    """

    name: str
    state: State
    installed_as: str | None
    major: str | None
    since: datetime | None
    lease: LeaseState | None
    has_lease: bool
    claims: tuple[Claim, ...]
    secrets: tuple[str, ...]
    pods: tuple[str, ...]

    @property
    def position(self) -> Position | None:
        """The end of the last primary's WAL as the Lease knows it; exact if that has shut down."""
        if self.lease is None:
            return None
        released = self.lease.release
        return self.lease.position if released is None or released.position is None else released.position

    @property
    def may_start(self) -> tuple[str, ...]:
        """The pods whose volumes may become the primary's, the last primary's first; empty without a Lease."""
        if self.lease is None:
            return ()
        return (self.lease.holder.pod, *sorted(replica.pod for replica in self.lease.eligible))

    @property
    def replicas(self) -> int | None:
        """The number of replicas with which no volume is left out that may start; None without a Lease."""
        ordinals = [int(pod.rpartition("-")[2]) for pod in self.may_start]
        return max(ordinals) + 1 if ordinals else None


def read(cluster: Namespace) -> list[Kept]:
    """Return what is kept of each release in the namespace, by name, without Secrets. Raise KubectlError."""
    return of_objects({kind: cluster.all(kind) for kind in KINDS})


def read_one(cluster: Namespace, name: str) -> tuple[Kept | None, list[Kept]]:
    """Return what is kept of the release `name`, with its Secrets, and what is kept of all releases. Raise KubectlError."""
    found = {kind: cluster.all(kind) for kind in KINDS}
    secrets = [each for secret in kept.secrets(name) if (each := cluster.find("secret", secret)) is not None]
    every = of_objects({**found, "secret": secrets})
    return next((each for each in every if each.name == name), None), every


def of_objects(found: Mapping[str, Sequence[Object]]) -> list[Kept]:
    """The same from the namespace's objects, by kind."""
    leases = {_name(lease): lease for lease in found["lease"] if lease_codec.ANNOTATION in _annotations(lease)}
    sets = {_name(each): each for each in found["statefulset"] if _belongs(each, _name(each))}
    configs = {name: each for each in found["configmap"] if _belongs(each, name := _name(each).removesuffix("-config"))}
    claims = [(claim, parts) for claim in found["persistentvolumeclaim"] if (parts := kept.claim(_name(claim))) is not None]
    labelled = {parts.release for claim, parts in claims if _belongs(claim, parts.release)}
    secrets = {name: secret for secret in found.get("secret", ()) for name in _releases(secret) if _name(secret) in kept.secrets(name)}
    return [
        _kept(
            name,
            leases.get(name),
            sets.get(name),
            configs.get(name),
            [_claim(claim, parts) for claim, parts in claims if parts.release == name],
            [_name(secret) for secret in found.get("secret", ()) if _name(secret) in kept.secrets(name) and _belongs(secret, name)],
            [_name(pod) for pod in found["pod"] if _name(pod) in kept.pods(name) and _belongs(pod, name)],
        )
        for name in sorted({*leases, *sets, *labelled, *secrets})
    ]


def _kept(
    name: str,
    lease: Object | None,
    stateful_set: Object | None,
    config: Object | None,
    claims: Iterable[Claim],
    secrets: Sequence[str],
    pods: Sequence[str],
) -> Kept:
    content, since = (None, None) if lease is None else _content(lease)
    installed = stateful_set or config
    return Kept(
        name=name,
        state=_state(stateful_set, pods, config),
        installed_as=None if installed is None else _labels(installed).get("app.kubernetes.io/instance", name),
        major=None if lease is None else _labels(lease).get(lease_codec.MAJOR) or None,
        since=since,
        lease=content,
        has_lease=lease is not None,
        claims=tuple(sorted(claims, key=lambda claim: (claim.volume, claim.ordinal))),
        secrets=tuple(secrets),
        pods=tuple(sorted(pods)),
    )


def _state(stateful_set: Object | None, pods: Sequence[str], config: Object | None) -> State:
    if stateful_set is not None and stateful_set["spec"].get("replicas", 1):
        return State.RUNNING
    if pods:
        return State.STOPPING
    if stateful_set is not None:
        return State.PAUSED
    return State.UNINSTALLED if config is None else State.INCOMPLETE


def _content(lease: Object) -> tuple[LeaseState | None, datetime | None]:
    try:
        return lease_codec.from_object(lease).state, lease_codec.renewed_at(lease)
    except ValueError:
        return None, None


def _claim(claim: Object, parts: kept.Claim) -> Claim:
    bound = (claim.get("status") or {}).get("capacity") or {}
    wanted = (claim["spec"].get("resources") or {}).get("requests") or {}
    return Claim(_name(claim), parts.volume, parts.ordinal, str(bound.get("storage") or wanted.get("storage") or "?"))


def _belongs(found: Object, release: str) -> bool:
    """True if the object has the labels of this release, whatever their domain."""
    return release in _releases(found)


def _releases(found: Object) -> set[str]:
    """Return the releases whose labels the object has."""
    labels = _labels(found)
    domains = [key.removesuffix("/kind") for key, value in labels.items() if key.endswith("/kind") and value == "Postgres"]
    return {labels[f"{domain}/name"] for domain in domains if f"{domain}/name" in labels}


def _name(found: Object) -> str:
    return str(found["metadata"]["name"])


def _labels(found: Object) -> Mapping[str, str]:
    labels: Mapping[str, str] = found["metadata"].get("labels") or {}
    return labels


def _annotations(found: Object) -> Mapping[str, str]:
    annotations: Mapping[str, str] = found["metadata"].get("annotations") or {}
    return annotations


def sleeping(found: Iterable[Kept]) -> list[Kept]:
    """Return those of which no server is wanted."""
    return [each for each in found if each.state is not State.RUNNING]


def table(found: Sequence[Kept], namespace: str) -> str:
    """Return the output of `hapg dormant list`."""
    if not found:
        return f"no dormant release in namespace {namespace}"
    rows = [HEAD, *(_row(each) for each in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _row(each: Kept) -> tuple[str, ...]:
    words = (
        each.name,
        each.state.value,
        each.major,
        sizes(each.claims) or "none",
        None if each.since is None else each.since.strftime("%Y-%m-%d %H:%M:%SZ"),
        None if each.position is None else str(each.position.timeline),
        None if each.position is None else str(each.position).partition(":")[2],
        ", ".join(each.may_start) or "unknown",
        None if each.replicas is None else f">= {each.replicas}",
    )
    return tuple("-" if word is None else word for word in words)


def sizes(claims: Sequence[Claim]) -> str:
    """Return how many claims of which size there are, such as `3 x 8Gi, 3 x 4Gi WAL`."""
    counts: dict[str, int] = {}
    for claim in claims:
        words = claim.size + (" WAL" if claim.volume == "wal" else "")
        counts[words] = counts.get(words, 0) + 1
    return ", ".join(f"{count} x {words}" for words, count in counts.items())


def document(each: Kept) -> dict[str, Any]:
    """Return a release as `hapg dormant list --output json` prints it."""
    return {
        "release": each.name,
        "state": each.state.value,
        "installedAs": each.installed_as,
        "postgresMajor": each.major,
        "since": None if each.since is None else each.since.isoformat(),
        "cleanShutdown": each.lease is not None and each.lease.release is not None and each.lease.release.clean,
        "timeline": None if each.position is None else each.position.timeline,
        "position": None if each.position is None else str(each.position),
        "mayStart": list(each.may_start),
        "replicas": each.replicas,
        "lease": each.has_lease,
        "claims": [{"name": claim.name, "size": claim.size} for claim in each.claims],
    }
