"""What a switchover or a forced failover asks of which pod, and how far it has come. Pure; a refusal is an OperateError."""

from __future__ import annotations

import json
from dataclasses import dataclass

from hapg.operate.release import FORCE, SWITCHOVER, Lease, OperateError, Pod, Release
from hapg.operate.status import best_position, current_position


@dataclass(frozen=True)
class Order:
    """An annotation to be put on a pod. holder, term: who held the Lease, under which term; target: the pod that was named, if any."""

    id: str
    pod: Pod
    annotation: str
    value: str
    holder: str
    term: int
    target: str | None


@dataclass(frozen=True)
class Progress:
    """How far an order has come. text: for people; done: it has been carried out."""

    text: str
    done: bool = False


class NoMemberYet(OperateError):
    """Nobody who could take over is in the Lease; who has just begun to stream is there a moment later."""


def switchover(release: Release, to: str | None, request: str) -> Order:
    """Ask the primary to hand over, to `to` if it is given. Raise OperateError if that can't be, NoMemberYet if it may soon."""
    lease = _lease(release)
    if not lease.held:
        raise OperateError(f"{release.name} has no primary: its Lease is free; `hapg status` says what is waited for")
    holder = release.holder
    if holder is None:
        raise OperateError(f"{release.name} has no primary: the pod that holds the Lease, {lease.holder}, is gone")
    if to is not None:
        _check_target(release, lease, to)
    elif not lease.members:
        raise NoMemberYet(f"{release.name} has no replica to hand over to: the Lease has no members")
    value = {"id": request, "term": lease.term} | ({"to": to} if to is not None else {})
    return Order(request, holder, SWITCHOVER, json.dumps(value), lease.holder, lease.term, to)


def _check_target(release: Release, lease: Lease, to: str) -> None:
    pod = release.pod(to)
    if pod is None:
        raise OperateError(f"--to {to}: there is no such pod; those of {release.name} are {', '.join(p.name for p in release.pods)}")
    if to == lease.holder:
        raise OperateError(f"--to {to}: it is the primary already")
    if pod.deleting:
        raise OperateError(f"--to {to}: it is going away")
    if to not in lease.members:
        raise NoMemberYet(f"--to {to}: it isn't streaming from the primary; members are {', '.join(sorted(lease.members)) or 'none'}")


def force(release: Release, to: str | None, request: str) -> Order:
    """Promote `to`, or the pod with the most WAL, though it may not claim by itself. Raise OperateError if even that can't be."""
    lease = _lease(release)
    if lease.held:
        raise OperateError(
            f"{lease.holder} holds the Lease and renewed it {lease.age:.1f} s ago: nobody may take it away; "
            f"for a planned change use `hapg switchover {release.name}`"
        )
    pod = _most_advanced(release) if to is None else release.pod(to)
    if pod is None:
        raise OperateError(f"--to {to}: there is no such pod; those of {release.name} are {', '.join(p.name for p in release.pods)}")
    if pod.published is not None and pod.published.state != "data":
        raise OperateError(f"--to {pod.name}: its volume is {pod.published.state} and can't be promoted")
    if not _may_be_forced(lease, pod):
        raise OperateError(
            f"--to {pod.name}: it is no member, and the Lease has run out but was not given back: {lease.holder} may still write; "
            f"bring {lease.holder} back, or see docs/operations.md"
        )
    if not release.knows_protocol(pod):
        raise OperateError(
            f"--to {pod.name}: the Lease is of protocol {lease.protocol}, which its agent doesn't know; upgrade its failover image"
        )
    if current_position(release, pod) is None:
        raise OperateError(f"--to {pod.name}: it hasn't said where its WAL ends, so it can't be promoted yet; see `hapg status`")
    value = json.dumps({"id": request, "term": lease.term, "leaseVersion": lease.version})
    return Order(request, pod, FORCE, value, lease.holder, lease.term, pod.name)


def _most_advanced(release: Release) -> Pod:
    lease = _lease(release)
    able = [pod for pod in release.pods if _may_be_forced(lease, pod) and release.knows_protocol(pod)] or release.pods
    known = [(position, -pod.ordinal, pod) for pod in able if (position := current_position(release, pod)) is not None]
    if not known:
        raise OperateError(f"no pod of {release.name} has said where its WAL ends: there is nothing to promote; see `hapg status`")
    return max(known, key=lambda each: each[:2])[2]


def _may_be_forced(lease: Lease, pod: Pod) -> bool:
    """Tell whether a Lease that is free is so for this pod too: one that has run out only for members (docs/protocol.md, rule 4)."""
    volumes = {*lease.members.values(), lease.volume}
    return lease.released is not None or pod.published is None or pod.published.volume in volumes


def losses(release: Release, order: Order) -> list[str]:
    """Say what may be lost by the forced promotion, as far as positions are known."""
    lease, target = _lease(release), current_position(release, order.pod)
    best = best_position(release)
    lines = [f"{order.pod.name} would be promoted; its WAL ends at {target}"]
    for pod in release.pods:
        position = current_position(release, pod)
        if pod.name != order.pod.name:
            lines.append(f"{pod.name}: " + (f"its WAL ends at {position}" if position is not None else "nobody knows where its WAL ends"))
    if lease.released is not None and lease.released.position is not None:
        lines.append(f"{lease.holder}, the last primary, was shut down at {lease.released.position}")
    if best is not None and target is not None and best > target:
        amount = f"{best.lsn - target.lsn} bytes of WAL" if best.timeline == target.timeline else f"what follows timeline {target.timeline}"
        lines.append(f"LOST FOR CERTAIN: {amount} up to {best}")
    elif lease.position is not None and target is not None and lease.position.lsn > target.lsn:
        amount = f"{lease.position.lsn - target.lsn} bytes of WAL"
        lines.append(f"LOST FOR CERTAIN: {amount} that {lease.holder}, the last primary, had when it renewed the Lease last")
    holder = release.pod(lease.holder)
    if (holder is None or current_position(release, holder) is None) and (lease.released is None or lease.released.position is None):
        lines.append(f"POSSIBLY LOST: whatever {lease.holder}, the last primary, has acknowledged and {order.pod.name} hasn't received")
    return lines


def _lease(release: Release) -> Lease:
    if release.lease is None:
        raise OperateError(f"{release.name} has no Lease: its members are still finding out who has the data; see `hapg status`")
    return release.lease


def progress(release: Release, order: Order) -> Progress:
    """Say how far `order` has come. Raise OperateError once it has failed."""
    lease = _lease(release)
    pod = release.pod(order.pod.name)
    answer = pod.answer if pod is not None and pod.answer.get("id") == order.id else {}
    if answer.get("outcome") == "refused":
        raise OperateError(f"{order.pod.name} refused: {answer.get('reason')}")
    if lease.term > order.term:
        return _after_the_claim(release, lease, order)
    if lease.released is not None and order.annotation == SWITCHOVER:
        return Progress(f"{lease.holder} is shut down; waiting for {lease.released.successor or 'a member'} to claim the Lease")
    if answer:
        return Progress(f"{order.pod.name}: {answer.get('reason')}")
    return Progress(f"waiting for {order.pod.name} to answer")


def _after_the_claim(release: Release, lease: Lease, order: Order) -> Progress:
    if order.annotation == SWITCHOVER and lease.holder == order.holder:
        raise OperateError(f"the hand-over came to nothing: {lease.holder} has claimed the Lease again, under term {lease.term}")
    if order.target is not None and lease.holder != order.target:
        raise OperateError(f"{lease.holder} has claimed the Lease under term {lease.term}, not {order.target}; see `hapg status`")
    holder = release.holder
    if holder is None or holder.role != "primary":
        return Progress(f"{lease.holder} holds the Lease under term {lease.term}; waiting for its label")
    return Progress(f"{lease.holder} is the primary under term {lease.term}; it was {order.holder}", done=True)
