"""The rules when there is no Lease: which pod creates the first server, and which recreates the Lease (docs/protocol.md, section 5)."""

from __future__ import annotations

from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, VolumeState

from . import election
from .election import Block, Candidate, Verdict
from .timing import NO_LEASE_WAIT_S

RESUME_LEAP = 16


def judge_bootstrap(ordinal: int, replicas: int, version: str, pods: tuple[Pod, ...]) -> Verdict:
    """Decide whether this pod, whose volume is empty, may create the first server (rule: every ordinal has reported 'empty').

    ordinal: ours; replicas: the configured number; version: the version to report for when there is no Lease; pods: with their reports.
    """
    if ordinal != 0:
        return Verdict(False, "an empty pod waits for the first server, which ordinal 0 creates")
    by_ordinal = {p.ordinal: p for p in pods if p.report is not None and p.report.lease_version == version}
    for number in range(replicas):
        pod = by_ordinal.get(number)
        if pod is None or pod.report is None:
            return Verdict(False, f"the pod of ordinal {number} has not reported yet that its volume is empty")
        if pod.report.state is not VolumeState.EMPTY:
            return Verdict(False, f"{pod.name} has data, so no first server is created")
    return Verdict(True, f"all {replicas} volumes are empty")


def judge_resume(
    me: Candidate,
    system_identifier: str,
    replicas: int,
    version: str,
    pods: tuple[Pod, ...],
    waited: float,
    strict: bool = False,
) -> Verdict:
    """Decide whether `me` may create a Lease over existing volumes when there is none (deleted along with the namespace's objects).

    It may once all ordinals below `replicas` have reported for `version`, or once a majority has and 60 s (`waited`) have passed, unless
    `strict`. While a report is missing, the best volume must know the highest term, because the missing pod may have written in that term;
    once all have reported, the one that wrote in it is on a newer timeline than the others.
    """
    reported = election.reports(pods, version)
    known = [(p, q) for p, q in reported.values() if p.ordinal < replicas]
    if not election.is_reported(me, version, pods):
        return Verdict(False, "our own position isn't reported yet")
    enough = len(known) * 2 > replicas and waited >= NO_LEASE_WAIT_S and not strict
    if len(known) < replicas and not enough:
        return Verdict(False, f"no Lease: {len(known)} of {replicas} pods have reported", blocked=Block.POSITIONS if strict else None)
    if me.foreign:
        return Verdict(False, "our server was promoted outside the Lease: it must be rewound or cloned", blocked=Block.TIMELINE)
    with_data = [(p, q) for p, q in known if q.state is VolumeState.DATA and q.position is not None and q.running and not q.foreign]
    strangers = sorted({q.system_identifier or "" for _, q in with_data} - {system_identifier})
    if strangers:
        return Verdict(False, f"volumes belong to different clusters: {system_identifier} and {', '.join(strangers)}")
    damaged = sorted(p.name for p, q in known if q.state is VolumeState.DAMAGED)
    if damaged and waited < NO_LEASE_WAIT_S:
        return Verdict(False, f"the volume of {', '.join(damaged)} is damaged")
    best_pod, best = min(with_data, key=lambda pq: election.rank_key(*pq))
    if best.max_term < max(q.max_term for _, q in known) and len(known) < replicas:
        return Verdict(False, f"{best_pod.name} has the most WAL but not the highest term")
    if best_pod.name != me.pod:
        return Verdict(False, f"{best_pod.name} has more WAL")
    return Verdict(True, f"best of {len(with_data)} volumes at {me.position}, without a Lease")


def resume_state(
    me: Candidate, address: str, system_identifier: str, version: str, pods: tuple[Pod, ...], max_term: int, ttl: float
) -> LeaseState:
    """Return the Lease that `me` creates over existing volumes; only volumes reported for `version` count.

    The old Lease's timeline reservations are lost with it. A claim raises the term by one and the timeline by at most one, so in a cluster
    created by this chart, no reserved timeline exceeds the highest term. RESUME_LEAP covers claims that nobody knows about any more.
    """
    others = [
        EligibleReplica(p.name, q.volume, streaming=False)
        for p, q in election.reports(pods, version).values()
        if q.volume is not None and q.volume != me.volume and q.state is VolumeState.DATA and not q.foreign
    ]
    highest = max([max_term] + [p.report.max_term for p in pods if p.report is not None])
    base = LeaseState(
        Holder(me.pod, me.uid), highest + RESUME_LEAP, ttl, system_identifier, timeline=highest + RESUME_LEAP, eligible=tuple(others)
    )
    return election.claim(me, address, base, pods, max_term, ttl)
