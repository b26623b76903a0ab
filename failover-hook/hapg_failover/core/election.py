"""Who may claim the Lease, and when (docs/protocol.md, rule 4). Pure; the caller claims by compare-and-swap on the same version."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.model import PROTOCOL, EligibleReplica, Holder, LeaseState, Pod, PositionReport, ReleaseCause, VolumeState
from hapg_protocol.wal_files import SEGMENT_SIZE

from .state.recovery import CAUGHT_UP_SEGMENTS
from .timing import COLD_WAIT_S, RANK_STEP_S, REPORT_WAIT_S, SUCCESSOR_HEADSTART_S
from .write_quorum import shortfall

INITDB_TIMELINE = 1


class Block(StrEnum):
    """The conditions that can keep a pod from claiming for a long time: rule 4A, the two sides of 4D, 4E, 4G, 4H, and 15C."""

    NOT_ELIGIBLE = "not-eligible"
    TIMELINE = "timeline"
    LAG = "lag"
    POSITIONS = "positions"
    HOLD = "hold"
    REPLICAS = "replicas"
    PROTOCOL = "protocol"


@dataclass(frozen=True)
class Verdict:
    """Whether to claim now, and the reason in words. complete: no position is missing.

    blocked: the condition that is unlikely to pass by waiting; None if waiting may help; leaves_out: the number of replicas leaves out a
    volume that may have more WAL (rule 4H).
    """

    claim: bool
    reason: str
    complete: bool = True
    blocked: Block | None = None
    leaves_out: bool = False


@dataclass(frozen=True)
class Candidate:
    """The pod that wants to claim: its name and UID, its volume's UUID, its end of WAL, and the nonce of the supervisor it speaks for.

    foreign: its server was promoted by someone else.
    """

    pod: str
    uid: str
    ordinal: int
    volume: str
    position: Position
    nonce: str
    foreign: bool = False


def reports(pods: tuple[Pod, ...], version: str) -> dict[str, tuple[Pod, PositionReport]]:
    """Return the position reports made for `version`, by pod name."""
    return {p.name: (p, p.report) for p in pods if p.report and p.report.lease_version == version}


def is_reported(me: Candidate, version: str, pods: tuple[Pod, ...]) -> bool:
    """True if our own pod shows our position for `version`, with this supervisor's nonce (rule 4B)."""
    mine = reports(pods, version).get(me.pod)
    return mine is not None and mine[0].uid == me.uid and mine[1].nonce == me.nonce and mine[1].running


def is_expired(ttl: float, lease_ttl: float, age: float) -> bool:
    """True if a Lease that has not changed for `age` seconds on our clock has expired (rule 4C). ttl: ours; lease_ttl: as recorded."""
    return age >= max(ttl, lease_ttl)


def has_clean_end(me: Candidate, lease: LeaseState) -> bool:
    """True if `me` has all the WAL that the last holder had when it was shut down."""
    release = lease.release
    return release is not None and release.clean and release.position is not None and me.position >= release.position


def is_successor(me: Candidate, lease: LeaseState) -> bool:
    """True if `me` is the release's chosen successor and has all the WAL: it needn't report, because no other pod can be ahead."""
    return lease.release is not None and lease.release.successor == me.pod and has_clean_end(me, lease)


def is_foreign(report: PositionReport, lease: LeaseState) -> bool:
    """True if a server was promoted by someone other than its agent, as with pg_promote(): it never wins, and its position doesn't count.

    Either its supervisor saw the promotion, or its timeline was never reserved. The timeline proves nothing about a volume that knows a
    newer term than the Lease's: the Lease was rolled back, along with the rest of etcd.
    """
    if report.foreign:
        return True
    position = report.position
    reserved = max(lease.timeline, INITDB_TIMELINE)
    return position is not None and position.timeline > reserved and report.max_term <= lease.term


def rank_key(pod: Pod, report: PositionReport) -> tuple[int, int, int, bool, bool, int]:
    """Return the key by which candidates are ranked: the lowest goes first."""
    position = report.position or Position(0, 0)
    backlog = _backlog(position, report.replayed)
    return (-position.timeline, -position.lsn, backlog, report.suspect, not report.running, pod.ordinal)


def _backlog(position: Position, replayed: int | None) -> int:
    """Return how much WAL is left to replay, in units large enough to matter; 0 if replay takes only a moment, or isn't known."""
    left = 0 if replayed is None else max(0, position.lsn - replayed)
    return left // (CAUGHT_UP_SEGMENTS * SEGMENT_SIZE)


def too_new(lease: LeaseState | None) -> Verdict | None:
    """Return why this agent's version must not claim: the Lease follows rules that it doesn't know (rule 15C). None if it may claim."""
    if lease is None or lease.protocol <= PROTOCOL:
        return None
    reason = f"the Lease uses protocol {lease.protocol}, this agent supports {PROTOCOL}: upgrade the failover image"
    return Verdict(False, reason, blocked=Block.PROTOCOL)


@dataclass(frozen=True)
class Case:
    """A candidate and everything that the rules check; the fields are the arguments of `judge`."""

    me: Candidate
    lease: LeaseState
    version: str
    pods: tuple[Pod, ...]
    age: float
    ttl: float
    waited: float
    reported_for: float
    cold: bool
    max_lag: int
    ended: bool
    unblocked_for: float
    hold: float
    replicas: float
    included_for: float

    @cached_property
    def volumes(self) -> set[str]:
        """The volumes whose positions count: those of the eligible replicas and of the last holder."""
        return {m.volume for m in self.lease.eligible} | ({self.lease.volume} if self.lease.volume else set())

    @cached_property
    def reported(self) -> dict[str, tuple[Pod, PositionReport]]:
        """The position reports made for this version, by pod name."""
        return reports(self.pods, self.version)

    @cached_property
    def relevant(self) -> dict[str, tuple[Pod, PositionReport]]:
        """The reports that count: from volumes that count or are in the write quorum, with data, and not promoted by someone else."""
        recorded = set(self.lease.sync.volumes) if self.lease.sync is not None else set()
        return {
            name: (pod, said)
            for name, (pod, said) in self.reported.items()
            if said.volume in self.volumes | recorded and said.state is VolumeState.DATA and not is_foreign(said, self.lease)
        }

    @cached_property
    def told(self) -> set[str]:
        """The volumes whose positions are known."""
        return {said.volume for _, said in self.relevant.values() if said.volume and said.position is not None}

    @cached_property
    def missing(self) -> set[str]:
        """The volumes whose positions are not known and may be ahead of ours."""
        if self.has_clean_end:
            return set()
        return self.volumes - self.told

    @cached_property
    def without_pods(self) -> list[str]:
        """The pods of missing volumes that this release doesn't create, because its number of replicas leaves them out, by ordinal."""
        lease = self.lease
        members = [(x.pod, x.volume) for x in lease.eligible] + ([(lease.holder.pod, lease.volume)] if lease.volume else [])
        pods = {pod: int(pod.rpartition("-")[2]) for pod, volume in members if volume in self.missing}
        return sorted((pod for pod, ordinal in pods.items() if ordinal >= self.replicas), key=lambda pod: pods[pod])

    @property
    def leaves_out(self) -> bool:
        """This release has so few replicas that a volume with more WAL than ours may have no pod, and rule 4H applies."""
        lease = self.lease
        counts = self.cold or (lease.release is not None and lease.release.clean)
        return lease.sync is None and counts and lease.volume in self.missing and bool(self.without_pods)

    @property
    def waited_with_all(self) -> float:
        """For how many seconds the Lease has been free while no volume that may have more WAL was left out."""
        return min(self.waited, self.included_for)

    @cached_property
    def has_clean_end(self) -> bool:
        """We have all the WAL that the last holder had when it was shut down."""
        return has_clean_end(self.me, self.lease)

    @cached_property
    def best(self) -> Position:
        """The highest known position."""
        known = [said.position for _, said in self.relevant.values() if said.position is not None]
        best = max(known, default=self.me.position)
        released = self.lease.release.position if self.lease.release is not None else None
        return best if released is None else max(best, released)


def judge(
    me: Candidate,
    lease: LeaseState,
    version: str,
    pods: tuple[Pod, ...],
    *,
    age: float,
    ttl: float,
    waited: float,
    reported_for: float,
    cold: bool,
    max_lag: int,
    ended: bool = False,
    unblocked_for: float = math.inf,
    hold: float = 0.0,
    replicas: float = math.inf,
    included_for: float = math.inf,
) -> Verdict:
    """Decide whether `me` may claim the Lease that it read as `lease` at `version`.

    age: seconds since this version was first seen; ttl: ours, in seconds; waited: seconds since the Lease was first seen released or
    expired; reported_for: seconds since we sent our own position report for this version, during which the others have had reason to report
    as well; cold: nobody has been seen to hold the Lease since this agent's start; max_lag: bytes; ended: we have the holder's shutdown
    checkpoint; unblocked_for: seconds since a condition last kept us from claiming for good: the pods that it blocked too then start in
    order of rank; hold: how long after a clean release, in seconds, pods that lack part of the WAL wait for a pod that has all of it;
    replicas: the number of pods that the release has; included_for: seconds since that number last left out a volume that may have more
    WAL, whose pod comes only after that.
    """
    case = Case(me, lease, version, pods, age, ttl, waited, reported_for, cold, max_lag, ended, unblocked_for, hold, replicas, included_for)
    verdict = next((found for rule in RULES if (found := rule(case)) is not None), None) or _best_of(case)
    return replace(verdict, leaves_out=True) if case.leaves_out else verdict


def rule_15c(case: Case) -> Verdict | None:
    """The Lease follows rules that this agent knows."""
    return too_new(case.lease)


def rule_4a(case: Case) -> Verdict | None:
    """My volume is an eligible replica's or the last holder's, and its server was not promoted by someone else."""
    me = case.me
    if case.lease.system_identifier is None:
        return Verdict(False, "the Lease has no system identifier yet: the first server is being created")
    if me.volume not in case.volumes:
        return Verdict(False, f"volume {me.volume} is neither an eligible replica's nor the last leader's", blocked=Block.NOT_ELIGIBLE)
    if me.foreign:
        return Verdict(
            False, f"our server was promoted outside the Lease, to {me.position}: it must be rewound or cloned", blocked=Block.TIMELINE
        )
    return None


def rule_4c(case: Case) -> Verdict | None:
    """The Lease was released or has expired, or its holder is known to have shut down. A pod with the holder's end of WAL need not wait."""
    lease = case.lease
    if case.ended:
        return Verdict(True, f"{lease.holder.pod} has shut down, and our WAL ends with its checkpoint at {case.me.position}")
    if lease.release is None and not is_expired(case.ttl, lease.ttl_s, case.age):
        return Verdict(False, f"{lease.holder.pod} holds the Lease, last changed {case.age:.1f} s ago")
    return None


def rule_4b(case: Case) -> Verdict | None:
    """I am sealed and have reported my position for this version; the chosen successor need not report."""
    me, lease = case.me, case.lease
    if is_successor(me, lease):
        return Verdict(True, f"chosen successor at {me.position}")
    if not is_reported(me, case.version, case.pods):
        return Verdict(False, "our own position isn't reported under this version of the Lease yet")
    if is_foreign(case.reported[me.pod][1], lease):
        reason = f"our timeline {me.position.timeline} was never reserved, the highest reserved one is {lease.timeline}"
        return Verdict(False, f"{reason}: the server was promoted outside the Lease", blocked=Block.TIMELINE)
    return None


def rule_4d(case: Case) -> Verdict | None:
    """Without a write quorum: all have reported or have been waited for, and I lack at most maxLagBytes of the best position."""
    me, lease = case.me, case.lease
    if lease.sync is not None:
        return None
    waiting = _wait_for_positions(case, case.included_for)
    if waiting is not None:
        return waiting
    older = _on_older_timeline(case)
    if older is not None:
        return older
    # The position in the holder's last renewal counts on any timeline: a pod that follows late either has those records or lacks them.
    lag = max(case.best.lsn, lease.position.lsn if lease.position is not None else 0) - me.position.lsn
    if lag > case.max_lag:
        reason = f"we lack {lag} bytes of {format_lsn(me.position.lsn + lag)}, more than maxLagBytes {case.max_lag}"
        return Verdict(False, reason, blocked=Block.LAG)
    return None


def _wait_for_positions(case: Case, longest: float = math.inf) -> Verdict | None:
    """Return the verdict while positions are missing that may still be reported; None once they are known or have been waited for.

    longest: the seconds for which that can have been waited for at most.
    """
    lease, limit = case.lease, position_wait(case)
    # A pod that comes later than that couldn't start. The same cause may have stopped the last holder, which then follows a moment later.
    is_late = lease.volume in case.missing and case.waited - case.reported_for > limit
    waited = min(case.waited if lease.release is not None and not is_late else case.reported_for, longest)
    # A live holder releases the Lease; one whose Lease expired has had a whole TTL to do so.
    awaited = case.missing if lease.release is not None or case.cold else case.missing - {lease.volume}
    if not awaited or waited >= limit:
        return None
    return Verdict(False, f"waiting for the positions of {len(awaited)} volume(s), {waited:.1f} of {limit:g} s")


def position_wait(case: Case) -> float:
    """Return how long to wait for missing positions, in seconds.

    No pod has more WAL than the last holder: once it has reported, the others get only the usual wait.
    """
    lease = case.lease
    limit = COLD_WAIT_S if case.cold and lease.volume in case.missing else REPORT_WAIT_S
    if lease.release is not None and lease.volume in case.missing:
        limit = max(limit, lease.release.hold_s)
    return limit


def rule_4e(case: Case) -> Verdict | None:
    """With a write quorum: enough positions are known to identify every acknowledged commit, and I have the best position."""
    me, lease = case.me, case.lease
    if lease.sync is None:
        return None
    short = None if case.has_clean_end else shortfall(lease.sync, lease.volume, case.told)
    if short is not None:
        return Verdict(False, short, blocked=Block.POSITIONS)
    older = _on_older_timeline(case)
    if older is not None:
        return older
    if me.position < case.best:
        lacks = case.best.lsn - me.position.lsn
        return Verdict(False, f"we lack {lacks} bytes of {format_lsn(case.best.lsn)}, which may have been acknowledged")
    return None


def _on_older_timeline(case: Case) -> Verdict | None:
    ours, best = case.me.position.timeline, case.best.timeline
    return Verdict(False, f"our timeline {ours} is older than {best}", blocked=Block.TIMELINE) if ours < best else None


def rule_4g(case: Case) -> Verdict | None:
    """Without a write quorum, after a clean release: I have all the WAL, or the pod that has it has been waited for."""
    me, lease, waited = case.me, case.lease, case.waited_with_all
    if lease.sync is not None or lease.release is None or not lease.release.clean or case.has_clean_end or waited >= case.hold:
        return None
    end = lease.release.position or case.best
    reason = (
        f"{lease.holder.pod} was shut down at {end}; we lack {end.lsn - me.position.lsn} bytes of that, and wait for a replica with them"
    )
    return Verdict(False, f"{reason} for another {case.hold - waited:.0f} s", blocked=Block.HOLD)


def rule_4h(case: Case) -> Verdict | None:
    """Without a write quorum, at a cold start or after a clean release: no volume that may have more WAL is left out of this release."""
    if _wait_for_positions(case) is not None or not case.leaves_out:
        return None
    last = case.without_pods[-1]
    needed = int(last.rpartition("-")[2]) + 1
    reason = f"the volume of {last} may have more WAL than ours, and replicas {case.replicas:g} leaves it out"
    return Verdict(False, f"{reason}: set replicas to at least {needed}", blocked=Block.REPLICAS)


def rule_4f(case: Case) -> Verdict | None:
    """I am the best candidate, or my rank's wait is over; a chosen successor goes first."""
    me, lease = case.me, case.lease
    successor = lease.release.successor if lease.release is not None else None
    if successor is not None and successor != me.pod:
        chosen = next((p for p in case.pods if p.name == successor), None)
        wait = 0.0 if chosen is None or chosen.deleting else SUCCESSOR_HEADSTART_S
        if case.waited < wait:
            return Verdict(False, f"{successor} is the chosen successor")
    rank, names = rank_of(case)
    rank_wait = _rank_wait(rank, case.cold, lease, case.ttl, me.position < case.best)
    if rank and (case.waited_with_all < rank_wait or min(case.unblocked_for, case.reported_for) < rank * RANK_STEP_S):
        return Verdict(False, f"rank {rank} of {names}: a better candidate goes first")
    return None


def rank_of(case: Case) -> tuple[int, int]:
    """Return our rank among the candidates that may claim (0: the best), and their number."""
    order = sorted((q.failed, rank_key(p, q), n) for n, (p, q) in case.relevant.items() if q.running and not p.deleting)
    names = [n for _, _, n in order]
    return names.index(case.me.pod) if case.me.pod in names else len(names), len(names)


def _best_of(case: Case) -> Verdict:
    """Return the verdict when no rule keeps us from claiming."""
    me, release, (rank, names) = case.me, case.lease.release, rank_of(case)
    why = "released: " + release.reason if release is not None else f"expired, {case.age:.1f} s old"
    text = f"best of {names} at {me.position}" if rank == 0 else f"rank {rank} of {names} at {me.position}"
    return Verdict(True, f"{text}; the Lease is {why}", complete=not case.missing)


RULES: tuple[Callable[[Case], Verdict | None], ...] = (rule_15c, rule_4a, rule_4c, rule_4b, rule_4h, rule_4d, rule_4e, rule_4g, rule_4f)
"""The rules in the order in which they are checked; the first one that returns a verdict decides."""


def _rank_wait(rank: int, cold: bool, lease: LeaseState, ttl: float, behind: bool) -> float:
    """Return how many seconds after the Lease became free a candidate that isn't the best may claim.

    The best candidate may have reported at the very end of the wait for it. behind: it has more WAL than we do. If the Lease has expired,
    we then wait another TTL, because an agent that has just started counts the Lease's age only from its start.
    """
    wait = COLD_WAIT_S if cold else REPORT_WAIT_S
    if lease.release is not None:
        wait = max(wait, lease.release.hold_s)
    elif behind:
        wait += max(ttl, lease.ttl_s)
    return wait + rank * RANK_STEP_S


def claim(
    me: Candidate,
    address: str,
    lease: LeaseState,
    pods: tuple[Pod, ...],
    max_term: int,
    ttl: float,
) -> LeaseState:
    """Return the Lease's state as our claim writes it: with a new term, a reserved timeline, and the eligible replicas without ourselves.

    me: the candidate; address: ours; lease: as read; pods: with their reports; max_term: the highest term that our volume knows; ttl: ours,
    in seconds. A TTL lower than the recorded one takes effect at once, because our own usable lease is shorter too. The write quorum is
    unchanged. The last holder becomes eligible: until our server can write, its volume is as good as ours.
    """
    said = [p.report for p in pods if p.report is not None]
    terms = [max_term] + [q.max_term for q in said]
    # A timeline that was begun without a reservation must not be begun again either.
    timelines = [lease.timeline, me.position.timeline] + [q.position.timeline for q in said if q.position is not None]
    eligible = tuple(replace(m, streaming=False) for m in lease.eligible if m.volume != me.volume)
    if lease.volume is not None and lease.volume not in {me.volume, *(m.volume for m in eligible)}:
        eligible = (*eligible, EligibleReplica(lease.holder.pod, lease.volume, streaming=False))
    return replace(
        lease,
        holder=Holder(me.pod, me.uid),
        term=max(lease.term, *terms) + 1,
        hangs=lease.hangs + 1 if lease.release is not None and lease.release.cause is ReleaseCause.HUNG else lease.hangs,
        ttl_s=ttl,
        volume=me.volume,
        address=address,
        timeline=max(timelines) + 1,
        eligible=eligible,
        release=None,
        position=me.position,
        successor=None,
        recovery=None,
        protocol=PROTOCOL,
    )
