"""A release's state as a table, as JSON, and what is wrong with it in sentences. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hapg.operate.release import Lease, Pod, Position, Release

HEAD = ("POD", "ROLE", "STATE", "NODE", "TIMELINE", "POSITION", "LAG", "MEMBER")


def table(release: Release) -> str:
    """Return what `hapg status` prints."""
    rows = [HEAD, *(_row(release, pod) for pod in release.pods)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_summary(release), "", *lines, *(f"warning: {text}" for text in warnings(release))])


def _summary(release: Release) -> list[str]:
    lease = release.lease
    lines = [f"release   {release.name} in namespace {release.namespace}, {release.replicas} replicas"]
    if lease is None:
        return [*lines, "lease     none"]
    members = ", ".join(sorted(lease.members)) or "none"
    if lease.released is None:
        state = f"held by {lease.holder} since term {lease.term}, renewed {lease.age:.1f} s ago (TTL {lease.ttl:g} s)"
    else:
        state = f"given back by {lease.holder} after term {lease.term}: {lease.released.reason}"
    wal = f"timeline {lease.timeline}" + (f", {lease.position} when it was renewed last" if lease.position is not None else "")
    recovery = [f"recovery  {lease.recovery}"] if lease.recovery is not None else []
    return [*lines, f"lease     {state}", f"members   {members}", f"WAL       {wal}", *recovery]


def _row(release: Release, pod: Pod) -> tuple[str, ...]:
    said = document_of(release, pod)
    state = "Terminating" if pod.deleting else pod.phase + ("" if pod.ready else ", not ready")
    words = (pod.name, pod.role, state, pod.node, said["timeline"], said["position"], said["lagBytes"], said["member"])
    return tuple("-" if word is None else ("yes" if word else "no") if isinstance(word, bool) else str(word) for word in words)


def document(release: Release) -> dict[str, Any]:
    """Return the same for programs."""
    lease = release.lease
    return {
        "release": release.name,
        "namespace": release.namespace,
        "replicas": release.replicas,
        "primary": lease.holder if lease is not None and lease.held else None,
        "writable": nobody_writes(release) is None,
        "lease": None if lease is None else _lease_document(lease),
        "pods": [document_of(release, pod) for pod in release.pods],
        "warnings": warnings(release),
    }


def _lease_document(lease: Lease) -> dict[str, Any]:
    released = lease.released
    return {
        "holder": lease.holder,
        "held": lease.held,
        "term": lease.term,
        "timeline": lease.timeline,
        "ttlSeconds": lease.ttl,
        "renewedSecondsAgo": round(lease.age, 1),
        "members": sorted(lease.members),
        "successor": lease.successor,
        "position": None if lease.position is None else str(lease.position),
        "recovery": None if lease.recovery is None else {**asdict(lease.recovery), "text": str(lease.recovery)},
        "release": None
        if released is None
        else {
            "reason": released.reason,
            "position": None if released.position is None else str(released.position),
            "successor": released.successor,
        },
    }


def document_of(release: Release, pod: Pod) -> dict[str, Any]:
    """Return what is known of a pod. A position is published by a sealed replica, and holds under the Lease's present version only."""
    position = current_position(release, pod)
    best = best_position(release)
    lag = None if best is None or position is None else lacking(release, best, position)
    lease = release.lease
    return {
        "name": pod.name,
        "role": pod.role,
        "phase": pod.phase,
        "ready": pod.ready,
        "deleting": pod.deleting,
        "node": pod.node,
        "timeline": position.timeline if position is not None else None,
        "position": None if position is None else str(position),
        "lagBytes": lag,
        "member": None if lease is None or lease.holder == pod.name else pod.name in lease.members,
    }


def current_position(release: Release, pod: Pod) -> Position | None:
    """Return the end of a pod's WAL if it is sealed at it now."""
    said, lease = pod.published, release.lease
    return said.position if said is not None and lease is not None and said.lease_version == lease.version else None


def best_position(release: Release) -> Position | None:
    """Return the furthest position that is known: published under the Lease's present version, or named in its release."""
    known = [current_position(release, pod) for pod in release.pods if pod.published is not None and not pod.published.foreign]
    if release.lease is not None and release.lease.released is not None:
        known.append(release.lease.released.position)
    return max((position for position in known if position is not None), default=None)


def lacking(release: Release, best: Position, position: Position) -> int:
    """Return how many bytes a pod lacks: of the furthest position, and of the holder's at its last renewal (rule 4D)."""
    last = release.lease.position.lsn if release.lease is not None and release.lease.position is not None else 0
    return max(0, max(best.lsn, last) - position.lsn)


def nobody_writes(release: Release) -> str | None:
    """Return why nobody can write at present, in a sentence; None if somebody can, as far as the API shows."""
    lease = release.lease
    if lease is None:
        return "nobody can write: there is no Lease"
    if not lease.held:
        return f"nobody can write: {_free(lease)}"
    if lease.recovery is not None:
        return f"nobody can write: {lease.holder} is {lease.recovery}"
    if release.holder is None:
        return f"nobody can write: the pod that holds the Lease, {lease.holder}, is gone"
    if all(pod.role != "primary" for pod in release.pods):
        return "nobody can write: no pod is labelled primary, so the Service leads nowhere"
    return None


def warnings(release: Release) -> list[str]:
    """Return what is wrong, one sentence each, the gravest first."""
    lease = release.lease
    outage = nobody_writes(release)
    found = [] if outage is None else [outage]
    if lease is None:
        return [*found, *_pod_warnings(release)]
    if not lease.held:
        found += _candidates(release, lease)
    return [
        *found,
        *_role_warnings(release, lease),
        *_member_warnings(release, lease),
        *_version_warnings(release, lease),
        *_pod_warnings(release),
    ]


def _free(lease: Lease) -> str:
    if lease.released is not None:
        return f"no holder: {lease.holder} has given the Lease back {lease.age:.0f} s ago ({lease.released.reason}), nobody has claimed it"
    return f"no holder: {lease.holder} hasn't renewed the Lease for {lease.age:.0f} s; its TTL is {lease.ttl:g} s"


def _candidates(release: Release, lease: Lease) -> list[str]:
    """Say of each pod why it may not claim a Lease that is free."""
    best, found = best_position(release), []
    volumes = set(lease.members.values()) | {lease.volume}
    for pod in release.pods:
        said, position = pod.published, current_position(release, pod)
        if not release.knows_protocol(pod):
            continue
        if said is not None and said.foreign:
            found.append(f"waiting: the server of {pod.name} was promoted by somebody else; {_forced(release, pod)}")
        elif said is None or position is None or best is None:
            found.append(f"waiting: {pod.name} hasn't said where its WAL ends")
        elif said.volume not in volumes and lease.released is None:
            found.append(f"waiting: the volume of {pod.name} is no member's, and {lease.holder} may still write: not even force helps")
        elif said.volume not in volumes:
            found.append(f"waiting: the volume of {pod.name} is no member's, so it may miss what was acknowledged; {_forced(release, pod)}")
        elif position.timeline < best.timeline:
            found.append(f"waiting: {pod.name} is on timeline {position.timeline}, older than {best.timeline}; {_forced(release, pod)}")
        elif (lag := lacking(release, best, position)) > release.max_lag:
            found.append(f"waiting: maxLagBytes {release.max_lag}: {pod.name} lacks {lag} bytes of WAL; {_forced(release, pod)}")
    return found


def _forced(release: Release, pod: Pod) -> str:
    return f"`hapg failover {release.name} --namespace {release.namespace} --force --to {pod.name}` promotes it all the same"


def _role_warnings(release: Release, lease: Lease) -> list[str]:
    labelled = [pod.name for pod in release.pods if pod.role == "primary"]
    if len(labelled) > 1:
        return [f"{len(labelled)} pods are labelled primary: {', '.join(labelled)}"]
    if labelled and lease.held and labelled != [lease.holder]:
        return [f"{labelled[0]} is labelled primary, but {lease.holder} holds the Lease"]
    return []


def _member_warnings(release: Release, lease: Lease) -> list[str]:
    if not lease.held:
        return []
    found = []
    if not lease.members and release.replicas > 1:
        found.append("the Lease has no members: nobody could take over")
    elif lease.members:
        inside = {lease.holder, *lease.members}
        outside = [pod.name for pod in release.pods if pod.name not in inside and not pod.not_following]
        found += [f"{name} is no member: it doesn't stream, or not long enough, and can't take over" for name in outside]
    return found


def _version_warnings(release: Release, lease: Lease) -> list[str]:
    return [
        f"the Lease is of protocol {lease.protocol}, the agent of {pod.name} knows {pod.published.protocol}: it can't take over, not even "
        "by force, until its failover image is upgraded"
        for pod in release.pods
        if pod.published is not None and not release.knows_protocol(pod)
    ]


def _pod_warnings(release: Release) -> list[str]:
    found = []
    missing = sorted(set(range(release.replicas)) - {pod.ordinal for pod in release.pods})
    if missing:
        found.append(f"missing: {_names(release, missing)}")
    for pod in release.pods:
        if pod.deleting:
            found.append(f"{pod.name} is going away")
        elif not pod.ready and not (pod.refused or pod.not_following):
            found.append(f"{pod.name} isn't ready: its Events say why")
        if pod.refused:
            found.append(f"{pod.name} refuses its configuration: {pod.refused}")
        elif pod.not_following:
            found.append(f"{pod.name} doesn't stream from the primary: {pod.not_following}")
        if pod.request:
            found.append(f"{pod.name} hasn't answered a request: {pod.request}")
    return found


def _names(release: Release, ordinals: Sequence[int]) -> str:
    return ", ".join(f"{release.name}-{ordinal}" for ordinal in ordinals)
