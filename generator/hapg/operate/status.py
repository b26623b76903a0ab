"""The state of a release as a table and as JSON, with a warning for each problem. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from hapg.operate import archive_status
from hapg.operate.release import Release
from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState, Pod

HEAD = ("POD", "ROLE", "STATE", "NODE", "TIMELINE", "POSITION", "LAG", "ELIGIBLE")


def table(release: Release) -> str:
    """Return the output of `hapg status`."""
    rows = [HEAD, *(_row(release, pod) for pod in release.pods)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*_summary(release), "", *lines, *(f"warning: {text}" for text in warnings(release))])


def list_of(found: Sequence[Release]) -> str:
    """Return the output of `hapg status` without a release: one line for each."""
    rows = [("RELEASE", "PRIMARY", "READY", "WRITABLE", "WARNINGS")]
    for each in found:
        ready = f"{sum(pod.ready for pod in each.pods)}/{each.replicas}"
        writable = "yes" if nobody_writes(each) is None else "paused" if _sleeps(each) else "no"
        rows.append((each.name, document(each)["primary"] or "-", ready, writable, str(len(warnings(each)))))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def _summary(release: Release) -> list[str]:
    lines = [f"release   {release.name} in namespace {release.namespace}, {release.replicas} replicas"]
    if release.imports:
        lines.append(f"import    {release.imports}")
    if release.lease is None:
        return [*lines, "lease     none"]
    state = release.lease.state
    eligible = ", ".join(sorted(replica.pod for replica in state.eligible)) or "none"
    if state.release is None:
        held = f"held by {state.holder.pod} since term {state.term}, renewed {release.age:.1f} s ago (TTL {state.ttl_s:g} s)"
    else:
        held = f"released by {state.holder.pod} after term {state.term}: {state.release.reason}"
    wal = f"timeline {state.timeline}" + (f", {state.position} at the last renewal" if state.position is not None else "")
    recovery = [f"recovery  {state.recovery}"] if state.recovery is not None else []
    archive = archive_status.summary(release.archive) if release.archive is not None else []
    return [*lines, f"lease     {held}", f"eligible  {eligible}", f"WAL       {wal}", *recovery, *archive]


def _row(release: Release, pod: Pod) -> tuple[str, ...]:
    said = document_of(release, pod)
    state = "Terminating" if pod.deleting else said["phase"] + ("" if pod.ready else ", not ready")
    words = (pod.name, pod.role, state, pod.node, said["timeline"], said["position"], said["lagBytes"], said["eligible"])
    return tuple("-" if word is None else ("yes" if word else "no") if isinstance(word, bool) else str(word) for word in words)


def document(release: Release) -> dict[str, Any]:
    """Return the state for programs, as `hapg status --output json` prints it."""
    lease = release.lease
    return {
        "release": release.name,
        "namespace": release.namespace,
        "replicas": release.replicas,
        "primary": lease.state.holder.pod if lease is not None and release.held else None,
        "import": release.imports or None,
        "writable": nobody_writes(release) is None,
        "lease": None if lease is None else _lease_document(release, lease.state),
        "pods": [document_of(release, pod) for pod in release.pods],
        "archive": None if release.archive is None else archive_status.document(release.archive),
        "warnings": warnings(release),
    }


def _lease_document(release: Release, state: LeaseState) -> dict[str, Any]:
    released = state.release
    return {
        "holder": state.holder.pod,
        "held": release.held,
        "term": state.term,
        "timeline": state.timeline,
        "ttlSeconds": state.ttl_s,
        "renewedSecondsAgo": round(release.age, 1),
        "eligibleReplicas": sorted(replica.pod for replica in state.eligible),
        "successor": state.successor,
        "position": None if state.position is None else str(state.position),
        "recovery": None if state.recovery is None else {**asdict(state.recovery), "text": str(state.recovery)},
        "release": None
        if released is None
        else {
            "reason": released.reason,
            "position": None if released.position is None else str(released.position),
            "successor": released.successor,
        },
    }


def document_of(release: Release, pod: Pod) -> dict[str, Any]:
    """Return the state of a pod. Its position is known only if it is sealed and reported it under the Lease's current version."""
    position = current_position(release, pod)
    best = best_position(release)
    lag = release.lags.get(pod.name) if best is None or position is None else lacking(release, best, position)
    state = release.lease.state if release.lease is not None else None
    return {
        "name": pod.name,
        "role": pod.role,
        "phase": release.phases[pod.name],
        "ready": pod.ready,
        "deleting": pod.deleting,
        "node": pod.node,
        "timeline": position.timeline if position is not None else None,
        "position": None if position is None else str(position),
        "lagBytes": lag,
        "eligible": None if state is None or state.holder.pod == pod.name else pod.name in {replica.pod for replica in state.eligible},
    }


def current_position(release: Release, pod: Pod) -> Position | None:
    """Return the end of a pod's WAL if it is sealed there now."""
    said, lease = pod.report, release.lease
    return said.position if said is not None and lease is not None and said.lease_version == lease.version else None


def best_position(release: Release) -> Position | None:
    """Return the highest known position: reported under the Lease's current version, or named in its release."""
    known = [current_position(release, pod) for pod in release.pods if pod.report is not None and not pod.report.foreign]
    if release.lease is not None and release.lease.state.release is not None:
        known.append(release.lease.state.release.position)
    return max((position for position in known if position is not None), default=None)


def lacking(release: Release, best: Position, position: Position) -> int:
    """Return how many bytes a pod lacks: up to the highest position, and up to the holder's at its last renewal (rule 4D)."""
    last = release.lease.state.position if release.lease is not None else None
    return max(0, max(best.lsn, 0 if last is None else last.lsn) - position.lsn)


def nobody_writes(release: Release) -> str | None:
    """Return why nobody can write now, in a sentence; None if somebody can, as far as the API shows."""
    if _sleeps(release):
        return "nobody can write: the release is paused, and its data is kept; set the value pause to false to start it"
    if release.lease is None:
        return "nobody can write: there is no Lease"
    state = release.lease.state
    if not release.held:
        return f"nobody can write: {_free(release, state)}"
    if state.recovery is not None:
        return f"nobody can write: {state.holder.pod} is {state.recovery}"
    if release.holder is None:
        return f"nobody can write: the Lease's holder, pod {state.holder.pod}, no longer exists"
    if all(pod.role != "primary" for pod in release.pods):
        return "nobody can write: no pod is labelled primary, so the Service has no endpoint"
    return None


def _sleeps(release: Release) -> bool:
    return release.paused and not release.pods


def warnings(release: Release) -> list[str]:
    """Return one sentence per problem, the most serious first."""
    outage = nobody_writes(release)
    found = [] if outage is None else [outage]
    if _sleeps(release):
        return found
    if release.lease is None:
        return [*found, *_pod_warnings(release)]
    state = release.lease.state
    if not release.held:
        found += [*_left_out(release, state), *_candidates(release, state)]
    return [
        *found,
        *_volume_warnings(release, state),
        *_role_warnings(release, state),
        *_eligibility_warnings(release, state),
        *_version_warnings(release, state),
        *_pod_warnings(release),
        *([] if release.archive is None else archive_status.warnings(release.archive)),
    ]


def _free(release: Release, state: LeaseState) -> str:
    holder, age = state.holder.pod, release.age
    if state.release is not None:
        return f"no holder: {holder} released the Lease {age:.0f} s ago ({state.release.reason}), nobody has claimed it"
    return f"no holder: {holder} has not renewed the Lease for {age:.0f} s; its TTL is {state.ttl_s:g} s"


def _candidates(release: Release, state: LeaseState) -> list[str]:
    """Return, for each pod, why it may not claim the free Lease."""
    best, found = best_position(release), []
    volumes = {replica.volume for replica in state.eligible} | {state.volume}
    for pod in release.pods:
        said, position = pod.report, current_position(release, pod)
        if not release.knows_protocol(pod):
            continue
        if said is not None and said.foreign:
            found.append(f"waiting: the server of {pod.name} was promoted outside the Lease; {_forced(release, pod)}")
        elif said is None or position is None or best is None:
            found.append(f"waiting: {pod.name} has not reported its WAL position")
        elif said.volume not in volumes and state.release is None:
            found.append(
                f"waiting: {pod.name} is not an eligible replica, and {state.holder.pod} may still write: "
                "a forced failover to it is not possible"
            )
        elif said.volume not in volumes:
            found.append(f"waiting: {pod.name} is not an eligible replica and may lack acknowledged rows; {_forced(release, pod)}")
        elif position.timeline < best.timeline:
            found.append(f"waiting: {pod.name} is on timeline {position.timeline}, older than {best.timeline}; {_forced(release, pod)}")
        elif (lag := lacking(release, best, position)) > release.max_lag:
            found.append(f"waiting: maxLagBytes {release.max_lag}: {pod.name} lacks {lag} bytes of WAL; {_forced(release, pod)}")
    return found


def _left_out(release: Release, state: LeaseState) -> list[str]:
    """Return which volumes may have the most WAL, but belong to no pod of the release, because it has fewer replicas (rule 4H)."""
    members = {state.holder.pod, *(replica.pod for replica in state.eligible)}
    ordinals = sorted(ordinal for pod in members if (ordinal := int(pod.rpartition("-")[2])) >= release.replicas)
    if not ordinals:
        return []
    names = _names(release, ordinals)
    return [f"replicas {release.replicas} leaves out the volume of {names}: set replicas to at least {ordinals[-1] + 1}"]


def _forced(release: Release, pod: Pod) -> str:
    return f"`hapg failover {release.name} --namespace {release.namespace} --force --to {pod.name}` promotes it anyway"


def _volume_warnings(release: Release, state: LeaseState) -> list[str]:
    if not state.hangs or not release.held:
        return []
    return [
        f"volumes seem to hang: {state.hangs} in a row cost a primary the Lease, "
        f"so {state.holder.pod} waits longer for its own than usual; commits wait too"
    ]


def _role_warnings(release: Release, state: LeaseState) -> list[str]:
    labelled = [pod.name for pod in release.pods if pod.role == "primary"]
    if len(labelled) > 1:
        return [f"{len(labelled)} pods are labelled primary: {', '.join(labelled)}"]
    if labelled and release.held and labelled != [state.holder.pod]:
        return [f"{labelled[0]} is labelled primary, but {state.holder.pod} holds the Lease"]
    return []


def _eligibility_warnings(release: Release, state: LeaseState) -> list[str]:
    if not release.held:
        return []
    found = []
    if not state.eligible and release.replicas > 1:
        found.append("the Lease has no eligible replicas: nobody could take over")
    elif state.eligible:
        inside = {state.holder.pod, *(replica.pod for replica in state.eligible)}
        outside = [pod.name for pod in release.pods if pod.name not in inside and not pod.not_following]
        found += [f"{name} is not an eligible replica: it does not stream, or not for long enough, and can't take over" for name in outside]
    return found


def _version_warnings(release: Release, state: LeaseState) -> list[str]:
    return [
        f"the Lease has protocol {state.protocol}, the agent of {pod.name} knows {pod.report.protocol}: it can't take over, "
        "not even by force, until its failover image is upgraded"
        for pod in release.pods
        if pod.report is not None and not release.knows_protocol(pod)
    ]


def _pod_warnings(release: Release) -> list[str]:
    found = []
    missing = sorted(set(range(release.replicas)) - {pod.ordinal for pod in release.pods})
    if missing:
        found.append(f"missing: {_names(release, missing)}")
    for pod in release.pods:
        if pod.deleting:
            found.append(f"{pod.name} is being deleted")
        elif not pod.ready and not (pod.refused or pod.not_following or pod.uncreated or pod.not_upgraded):
            found.append(f"{pod.name} is not ready: its Events say why")
        if pod.uncreated:
            found.append(f"{pod.name} could not make the first server, and tries again: {pod.uncreated}")
        if pod.not_upgraded:
            found.append(f"{pod.name} keeps its data as it is, of another major: {pod.not_upgraded}")
        if pod.refused:
            found.append(f"{pod.name} refuses its configuration: {pod.refused}")
        elif pod.start_settings is not None and pod.start_settings.running != pod.start_settings.wanted:
            found.append(f"{pod.name} runs with settings that have changed: its server has yet to restart, in its turn")
        if pod.not_following and not pod.refused:
            found.append(f"{pod.name} does not stream from the primary: {pod.not_following}")
        if pod.not_applied and release.lease is not None and pod.name == release.lease.state.holder.pod:
            found.append(f"roles and databases are not as declared: {pod.not_applied}")
        if request := pod.switchover or pod.force:
            found.append(f"{pod.name} has not answered a request: {request}")
    return found


def _names(release: Release, ordinals: Sequence[int]) -> str:
    return ", ".join(f"{release.name}-{ordinal}" for ordinal in ordinals)
