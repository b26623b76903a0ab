"""Who may claim the Lease with synchronous replication: only a replica that provably has everything acknowledged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.bootstrap import judge_resume
from hapg_failover.core.election import Candidate, claim, judge
from hapg_protocol.lsn import Position
from hapg_protocol.model import NO_LEASE, EligibleReplica, Holder, LeaseState, Pod, PositionReport, Release, SyncRecord, VolumeState

MEMBERS = (EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2"), EligibleReplica("pg-3", "v3"))
LEASE = LeaseState(Holder("pg-0", "u0"), 7, 6.0, "system", "v0", "10.0.0.1", 4, MEMBERS, sync=SyncRecord(1, ("v1", "v2")))
TWO = replace(LEASE, sync=SyncRecord(2, ("v1", "v2", "v3")))
DIED = replace(LEASE, release=Release("the server died", clean=False, hold_s=3.0))
CLEAN = replace(LEASE, release=Release("the pod is being deleted", True, Position(4, 100), "pg-1"))


def pod(number: int, lsn: int | None, timeline: int = 4, **changes: object) -> Pod:
    position = None if lsn is None else Position(timeline, lsn)
    said = PositionReport("50", f"n{number}", VolumeState.DATA, f"v{number}", "system", position, True, 7)
    return Pod(f"pg-{number}", f"u{number}", "1", number, report=replace(said, **changes))  # type: ignore[arg-type]


def me(number: int, lsn: int, timeline: int = 4) -> Candidate:
    return Candidate(f"pg-{number}", f"u{number}", number, f"v{number}", Position(timeline, lsn), f"n{number}")


@pytest.mark.parametrize(
    ("why", "who", "lease", "pods", "claims", "words"),
    [
        ("one of two that may have acknowledged", me(1, 100), LEASE, (pod(1, 100), pod(3, 90)), False, "1 of 2 positions"),
        ("the missing volume is named", me(1, 100), LEASE, (pod(1, 100),), False, "missing: v2, or v0 of the last leader"),
        ("both", me(1, 100), LEASE, (pod(1, 100), pod(2, 90)), True, "best of 2"),
        ("nobody else is waited for", me(1, 100), DIED, (pod(1, 100), pod(2, 90)), True, "the server died"),
        ("the last holder's alone", me(0, 100), LEASE, (pod(0, 100),), True, "best of 1"),
        ("the last holder says that it has no more", me(1, 100), DIED, (pod(1, 100), pod(0, 100, running=False)), True, "best of 1"),
        ("an empty volume is no position", me(1, 100), LEASE, (pod(1, 100), pod(2, 0, state=VolumeState.EMPTY)), False, "1 of 2"),
        ("a volume without a position counts for nothing", me(1, 100), LEASE, (pod(1, 100), pod(2, None)), False, "1 of 2"),
        ("behind by a byte", me(2, 99), LEASE, (pod(1, 100), pod(2, 99)), False, "we lack 1 bytes of 0/64, which may have been ack"),
        ("behind one that can't be promoted", me(2, 99), LEASE, (pod(1, 100, failed=True), pod(2, 99)), False, "we lack 1 bytes"),
        ("behind one on a newer timeline", me(2, 999), replace(LEASE, timeline=5), (pod(1, 100, 5), pod(2, 999)), False, "older than 5"),
        ("a member that isn't recorded, but has it all", me(3, 100), LEASE, (pod(1, 90), pod(2, 90), pod(3, 100)), True, "best of 3"),
        ("two copies: two of three", me(1, 100), TWO, (pod(1, 100), pod(3, 90)), True, "best of 2"),
        ("two copies: one of three", me(1, 100), TWO, (pod(1, 100),), False, "1 of 2 positions"),
        ("a clean end is enough", me(1, 100), CLEAN, (pod(1, 100),), True, "chosen successor"),
        ("but not for one that falls short of it", me(1, 99), CLEAN, (pod(1, 99),), False, "1 of 2 positions"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_judge(why: str, who: Candidate, lease: LeaseState, pods: tuple[Pod, ...], claims: bool, words: str) -> None:
    verdict = judge(who, lease, "50", pods, age=6.1, ttl=6.0, waited=0.1, reported_for=0.1, cold=True, max_lag=10**9)
    assert (verdict.claim, words in verdict.reason) == (claims, True), verdict.reason


def test_waiting_does_not_replace_a_position() -> None:
    verdict = judge(me(1, 100), LEASE, "50", (pod(1, 100),), age=9e6, ttl=6.0, waited=9e6, reported_for=9e6, cold=False, max_lag=10**9)
    assert (verdict.claim, verdict.blocked) == (False, "positions")


@pytest.mark.parametrize(
    ("recorded", "members"),
    [
        (("v1", "v2"), ("v2", "v3", "v0")),
        (("v0", "v1", "v2"), ("v2", "v3", "v0")),
    ],
)
def test_a_claim_copies_the_record_and_lets_all_of_it_claim(recorded: tuple[str, ...], members: tuple[str, ...]) -> None:
    lease = replace(LEASE, sync=SyncRecord(1, recorded))
    claimed = claim(me(1, 100), "10.0.0.2", lease, (), 0, 6.0)
    assert (claimed.sync, tuple(x.volume for x in claimed.eligible)) == (lease.sync, members)


def test_a_holder_that_claims_again_is_no_member() -> None:
    lease = replace(LEASE, sync=SyncRecord(1, ("v0", "v1")))
    claimed = claim(me(0, 100), "10.0.0.1", lease, (), 0, 6.0)
    assert [x.volume for x in claimed.eligible] == [x.volume for x in MEMBERS]


@pytest.mark.parametrize(("synchronous", "claims"), [(False, True), (True, False)])
def test_resuming_without_a_lease_needs_all(synchronous: bool, claims: bool) -> None:
    kept = tuple(replace(p, report=replace(p.report, lease_version=NO_LEASE)) for p in (pod(0, 9), pod(1, 8)) if p.report)
    verdict = judge_resume(me(0, 9), "system", 3, NO_LEASE, kept, 1e6, synchronous)
    assert (verdict.claim, bool(verdict.blocked)) == (claims, synchronous)
