"""Plans for a switchover or a forced failover, and their progress. Pure; a refusal is an OperateError."""

from __future__ import annotations

from dataclasses import dataclass

from hapg.operate.release import OperateError, Release
from hapg.operate.status import best_position, current_position
from hapg_protocol import requests
from hapg_protocol.model import LeaseObject, LeaseState, Pod, VolumeState


@dataclass(frozen=True)
class Order:
    """An annotation to put on a pod. holder, term: the Lease's at that time; target: the pod that the user named, if any."""

    id: str
    pod: Pod
    annotation: str
    value: str
    holder: str
    term: int
    target: str | None


@dataclass(frozen=True)
class Progress:
    """Progress of an order. text: for people; done: it has been carried out."""

    text: str
    done: bool = False


class NoEligibleReplicaYet(OperateError):
    """The Lease lists no eligible replica that fits. A replica that has just begun to stream is listed a moment later."""


def switchover(release: Release, to: str | None, request: str) -> Order:
    """Return the request for a switchover, to the pod `to` if given. Raise OperateError if impossible, NoMemberYet if possible soon."""
    state = _lease(release).state
    if not release.held:
        raise OperateError(f"{release.name} has no primary: its Lease is free; `hapg status` shows why")
    holder = release.holder
    if holder is None:
        raise OperateError(f"{release.name} has no primary: the Lease's holder, pod {state.holder.pod}, no longer exists")
    if to is not None:
        _check_target(release, state, to)
    elif not state.eligible:
        raise NoEligibleReplicaYet(f"{release.name} has no eligible replica to switch over to")
    value = requests.Switchover(request, state.term, to).encode()
    return Order(request, holder, requests.SWITCHOVER, value, state.holder.pod, state.term, to)


def _check_target(release: Release, state: LeaseState, to: str) -> None:
    pod = release.pod(to)
    if pod is None:
        raise OperateError(f"--to {to}: pod not found; the pods of {release.name} are {', '.join(p.name for p in release.pods)}")
    if to == state.holder.pod:
        raise OperateError(f"--to {to}: already the primary")
    if pod.deleting:
        raise OperateError(f"--to {to}: the pod is being deleted")
    eligible = sorted(replica.pod for replica in state.eligible)
    if to not in eligible:
        raise NoEligibleReplicaYet(f"--to {to}: not an eligible replica; eligible are {', '.join(eligible) or 'none'}")


def force(release: Release, to: str | None, request: str) -> Order:
    """Return the request to promote `to`, or the pod with the most WAL, though it may lack rows. Raise OperateError if impossible."""
    lease = _lease(release)
    state, holder = lease.state, lease.state.holder.pod
    if release.held:
        raise OperateError(
            f"{holder} holds the Lease and renewed it {release.age:.1f} s ago, so a forced failover is not possible; "
            f"for a planned change use `hapg switchover {release.name}`"
        )
    pod = _most_advanced(release) if to is None else release.pod(to)
    if pod is None:
        raise OperateError(f"--to {to}: pod not found; the pods of {release.name} are {', '.join(p.name for p in release.pods)}")
    if pod.report is not None and pod.report.state is not VolumeState.DATA:
        raise OperateError(f"--to {pod.name}: its volume is {pod.report.state.value} and can't be promoted")
    if not _may_be_forced(state, pod):
        raise OperateError(
            f"--to {pod.name}: not an eligible replica, and the Lease expired without being released, so {holder} may still write; "
            f"bring {holder} back, or see docs/operations.md"
        )
    if not release.knows_protocol(pod):
        raise OperateError(f"--to {pod.name}: its agent doesn't know protocol {state.protocol} of the Lease; upgrade its failover image")
    if current_position(release, pod) is None:
        raise OperateError(f"--to {pod.name}: it has not reported its WAL position, so it can't be promoted yet; see `hapg status`")
    value = requests.Force(request, state.term, lease.version).encode()
    return Order(request, pod, requests.FORCE, value, holder, state.term, pod.name)


def _most_advanced(release: Release) -> Pod:
    state = _lease(release).state
    able = [pod for pod in release.pods if _may_be_forced(state, pod) and release.knows_protocol(pod)] or release.pods
    known = [(position, -pod.ordinal, pod) for pod in able if (position := current_position(release, pod)) is not None]
    if not known:
        raise OperateError(f"no pod of {release.name} has reported its WAL position, so none can be promoted; see `hapg status`")
    return max(known, key=lambda each: each[:2])[2]


def _may_be_forced(state: LeaseState, pod: Pod) -> bool:
    """True if force lets this pod claim the Lease. One that expired is free for eligible replicas only (docs/protocol.md, rule 4)."""
    volumes = {*(replica.volume for replica in state.eligible), state.volume}
    return state.release is not None or pod.report is None or pod.report.volume in volumes


def losses(release: Release, order: Order) -> list[str]:
    """Return what the forced promotion loses or may lose, as far as positions are known."""
    state, target, best = _lease(release).state, current_position(release, order.pod), best_position(release)
    last, released = state.holder.pod, state.release
    lines = [f"{order.pod.name} would be promoted; its WAL ends at {target}"]
    for pod in release.pods:
        position = current_position(release, pod)
        if pod.name != order.pod.name:
            lines.append(f"{pod.name}: " + (f"its WAL ends at {position}" if position is not None else "its WAL position is unknown"))
    if released is not None and released.position is not None:
        lines.append(f"{last}, the last primary, shut down at {released.position}")
    if best is not None and target is not None and best > target:
        amount = f"{best.lsn - target.lsn} bytes of WAL" if best.timeline == target.timeline else f"all after timeline {target.timeline}"
        lines.append(f"LOST FOR CERTAIN: {amount} up to {best}")
    elif state.position is not None and target is not None and state.position.lsn > target.lsn:
        amount = f"{state.position.lsn - target.lsn} bytes of WAL"
        lines.append(f"LOST FOR CERTAIN: {amount} that {last}, the last primary, had at its last renewal of the Lease")
    holder = release.pod(last)
    if (holder is None or current_position(release, holder) is None) and (released is None or released.position is None):
        lines.append(f"POSSIBLY LOST: rows that {last}, the last primary, acknowledged and {order.pod.name} has not received")
    return lines


def _lease(release: Release) -> LeaseObject:
    if release.lease is None:
        raise OperateError(f"{release.name} has no Lease: its pods are still finding out which of them has the data; see `hapg status`")
    return release.lease


def progress(release: Release, order: Order) -> Progress:
    """Return the progress of `order`. Raise OperateError once it has failed."""
    state = _lease(release).state
    answer = release.answers.get(order.pod.name)
    if answer is not None and answer.id != order.id:
        answer = None
    if answer is not None and answer.outcome == requests.REFUSED:
        raise OperateError(f"{order.pod.name} refused: {answer.reason}")
    if state.term > order.term:
        return _after_the_claim(release, state, order)
    if state.release is not None and order.annotation == requests.SWITCHOVER:
        successor = state.release.successor or "an eligible replica"
        return Progress(f"{state.holder.pod} is shut down; waiting for {successor} to claim the Lease")
    if answer is not None:
        return Progress(f"{order.pod.name}: {answer.reason}")
    return Progress(f"waiting for {order.pod.name} to answer")


def _after_the_claim(release: Release, state: LeaseState, order: Order) -> Progress:
    holds, term = state.holder.pod, state.term
    if order.annotation == requests.SWITCHOVER and holds == order.holder:
        raise OperateError(f"the switchover failed: {holds} has claimed the Lease again, under term {term}")
    if order.target is not None and holds != order.target:
        raise OperateError(f"{holds} has claimed the Lease under term {term}, not {order.target}; see `hapg status`")
    holder = release.holder
    if holder is None or holder.role != "primary":
        return Progress(f"{holds} holds the Lease under term {term}; waiting for its role label")
    return Progress(f"{holds} is the primary under term {term}; it was {order.holder}", done=True)
