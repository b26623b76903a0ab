"""Who may claim the Lease, when, and the contents of the claim."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from hapg_failover.core.bootstrap import judge_bootstrap, judge_resume, resume_state
from hapg_failover.core.election import Candidate, claim, judge
from hapg_protocol.lsn import Position
from hapg_protocol.model import NO_LEASE, EligibleReplica, Holder, LeaseState, Pod, PositionReport, Release, ReleaseCause, VolumeState

LEASE = LeaseState(
    Holder("pg-0", "u0"), 7, 6.0, "system", "v0", "10.0.0.1", 4, (EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2"))
)
NEWER = replace(LEASE, timeline=5)
AHEAD = replace(LEASE, position=Position(4, 900))
DIED = replace(LEASE, release=Release("the server died", clean=False, hold_s=3.0))


def pod(number: int, lsn: int, timeline: int = 4, version: str = "50", **changes: object) -> Pod:
    said = PositionReport(version, f"n{number}", VolumeState.DATA, f"v{number}", "system", Position(timeline, lsn), True, 7)
    deleting = bool(changes.pop("deleting", False))
    return Pod(f"pg-{number}", f"u{number}", "1", number, deleting=deleting, report=replace(said, **changes))  # type: ignore[arg-type]


def me(number: int, lsn: int, timeline: int = 4) -> Candidate:
    return Candidate(f"pg-{number}", f"u{number}", number, f"v{number}", Position(timeline, lsn), f"n{number}")


def promoted(number: int, lsn: int, timeline: int = 4) -> Candidate:
    return replace(me(number, lsn, timeline), foreign=True)


CLEAN = replace(LEASE, release=Release("the pod is being deleted", True, Position(4, 100), "pg-2"))
BOTH = (pod(1, 100), pod(2, 90))
GIVEN_UP = replace(pod(0, 0), report=PositionReport("50", "n0", VolumeState.DATA, "v0"))
ALL = (pod(0, 100), pod(1, 100), pod(2, 90))


@pytest.mark.parametrize(
    ("why", "who", "lease", "pods", "age", "waited", "cold", "claims", "words"),
    [
        ("the Lease is held", me(1, 100), LEASE, ALL, 5.9, -0.1, False, False, "pg-0 holds the Lease, last changed 5.9 s ago"),
        (
            "run out, and all have reported",
            me(1, 100),
            LEASE,
            (pod(1, 100), pod(2, 90), pod(0, 95)),
            6.1,
            0.1,
            False,
            True,
            "best of 3",
        ),
        (
            "a member's position is missing",
            me(1, 100),
            LEASE,
            (pod(1, 100), pod(0, 95)),
            6.1,
            0.1,
            False,
            False,
            "positions of 1 volume(s)",
        ),
        (
            "promoted by somebody else onto the number that is reserved",
            promoted(2, 999),
            replace(CLEAN, timeline=5),
            (pod(2, 999, 5, foreign=True),),
            99.0,
            99.0,
            False,
            False,
            "was promoted outside the Lease",
        ),
        (
            "what somebody else has promoted counts for nobody",
            me(1, 100),
            replace(LEASE, timeline=5),
            (pod(1, 100), pod(2, 999, 5, foreign=True)),
            7.1,
            1.1,
            False,
            True,
            "best of 1",
        ),
        ("it was waited for long enough", me(1, 100), LEASE, (pod(1, 100), pod(0, 95)), 7.1, 1.1, False, True, "best of 2"),
        ("the last holder is missing, and had its time", me(1, 100), LEASE, BOTH, 6.1, 0.1, False, True, "best of 2"),
        ("at a cold start it is waited for", me(1, 100), LEASE, BOTH, 6.1, 0.1, True, False, "positions of 1 volume(s)"),
        (
            "nobody has reserved the first server's timeline",
            me(1, 100, timeline=1),
            replace(LEASE, timeline=0),
            (pod(1, 100, timeline=1), pod(2, 90, timeline=1)),
            6.1,
            0.1,
            False,
            True,
            "best of 2",
        ),
        ("a cold start waits longer", me(1, 100), LEASE, BOTH, 7.1, 1.1, True, False, "1.1 of 30 s"),
        ("a cold start with the last holder's position", me(0, 100), LEASE, (pod(0, 100), pod(1, 90)), 7.1, 1.1, True, True, "best of 2"),
        ("no member", me(3, 999), LEASE, (*BOTH, pod(3, 999)), 9.0, 3.0, False, False, "volume v3 is neither an eligible replica"),
        (
            "another version",
            me(1, 100),
            LEASE,
            (pod(1, 100, version="49"),),
            9.0,
            3.0,
            False,
            False,
            "isn't reported under",
        ),
        ("reported by another run", me(1, 100), LEASE, (pod(1, 100, nonce="x"),), 9.0, 3.0, False, False, "isn't reported"),
        (
            "a newer timeline is there",
            me(1, 100),
            replace(LEASE, timeline=5),
            (pod(1, 100), pod(2, 50, 5)),
            9.0,
            3.0,
            False,
            False,
            "older than 5",
        ),
        ("too far behind", me(2, 10), LEASE, (pod(1, 100), pod(2, 10)), 30.0, 24.0, False, False, "more than maxLagBytes 60"),
        ("a better one goes first", me(2, 90), LEASE, BOTH, 10.0, 4.0, False, False, "rank 1 of 2"),
        ("the better one has had its time", me(2, 90), LEASE, BOTH, 14.1, 8.1, False, True, "rank 1 of 2"),
        ("one of more WAL and a higher ordinal", me(1, 80), LEASE, (pod(1, 80), pod(2, 90)), 7.5, 1.5, False, False, "rank 1"),
        ("an equal one goes by its ordinal", me(2, 90), LEASE, (pod(1, 90), pod(2, 90)), 7.5, 1.5, False, False, "rank 1"),
        ("one that failed is passed over", me(2, 90), LEASE, (pod(1, 100, failed=True), pod(2, 90)), 7.1, 1.1, False, True, "best of 2"),
        (
            "a suspect of more WAL goes first",
            me(1, 100),
            LEASE,
            (pod(1, 100, suspect=True), pod(2, 90)),
            7.1,
            1.1,
            False,
            True,
            "best of 2",
        ),
        ("it is waited for", me(2, 90), LEASE, (pod(1, 100, suspect=True), pod(2, 90)), 7.1, 1.1, False, False, "rank 1 of 2"),
        ("of equals a suspect goes last", me(2, 90), LEASE, (pod(1, 90, suspect=True), pod(2, 90)), 7.1, 1.1, False, True, "best of 2"),
        ("one that failed goes last", me(1, 100), LEASE, (pod(1, 100, failed=True), pod(2, 90)), 7.1, 1.1, False, False, "rank 1 of 2"),
        (
            "the best of those that failed, if there is no other",
            me(1, 100),
            LEASE,
            (pod(1, 100, failed=True), pod(2, 90, failed=True)),
            7.1,
            1.1,
            False,
            True,
            "best of 2",
        ),
        (
            "one going away is passed over",
            me(2, 90),
            LEASE,
            (pod(1, 100, deleting=True), pod(2, 90)),
            7.1,
            1.1,
            False,
            True,
            "best of 1",
        ),
        ("a dead server may hold more", me(1, 100), DIED, BOTH, 2.9, 2.9, False, False, "2.9 of 3 s"),
        ("the dead server's time is over", me(1, 100), DIED, BOTH, 3.0, 3.0, False, True, "the server died"),
        ("a dead server that was given up may hold more", me(1, 100), DIED, (*BOTH, GIVEN_UP), 2.9, 2.9, False, False, "2.9 of 3 s"),
        ("it says that it holds no more", me(1, 100), DIED, (*BOTH, pod(0, 100, running=False)), 0.1, 0.1, False, True, "best of 2"),
        ("it came back at the last moment", me(1, 100), DIED, (*BOTH, pod(0, 120)), 2.9, 2.9, False, False, "rank 1 of 3"),
        ("a chosen successor claims at once", me(2, 100), CLEAN, (pod(2, 100),), 0.1, 0.1, False, True, "chosen successor"),
        ("the others let it go first", me(1, 100), CLEAN, (pod(1, 100),), 0.9, 0.9, False, False, "pg-2 is the chosen successor"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_judge(
    why: str,
    who: Candidate,
    lease: LeaseState,
    pods: tuple[Pod, ...],
    age: float,
    waited: float,
    cold: bool,
    claims: bool,
    words: str,
) -> None:
    if "chosen successor" in words and not claims:
        pods = (*pods, Pod("pg-2", "u2", "1", 2))
    verdict = judge(who, lease, "50", pods, age=age, ttl=6.0, waited=waited, reported_for=waited, cold=cold, max_lag=60)
    assert (verdict.claim, words in verdict.reason) == (claims, True), verdict.reason


@pytest.mark.parametrize(("reported_for", "pods", "claims"), [(2.9, BOTH, False), (3.0, BOTH, True), (0.1, (*BOTH, pod(0, 90)), True)])
def test_who_comes_late_waits_for_the_last_holder_once_more(reported_for: float, pods: tuple[Pod, ...], claims: bool) -> None:
    """No server could start for a while: what has ended for one may have ended for all."""
    verdict = judge(me(1, 100), DIED, "50", pods, age=60, ttl=6.0, waited=60.0, reported_for=reported_for, cold=False, max_lag=60)
    assert verdict.claim is claims, verdict.reason


def test_a_claimer_waits_for_the_longer_ttl() -> None:
    longer = replace(LEASE, ttl_s=9.0)
    verdict = judge(me(1, 100), longer, "50", ALL, age=8.0, ttl=6.0, waited=0.0, reported_for=0.0, cold=False, max_lag=60)
    assert verdict.reason == "pg-0 holds the Lease, last changed 8.0 s ago"


LEFT_OUT = replace(LEASE, holder=Holder("pg-2", "u2"), volume="v2")
"""Lost by the pod with the highest ordinal, which fewer replicas leave out."""
judged = partial(judge, version="50", ttl=6.0, max_lag=60)


def without_successor(lease: LeaseState) -> LeaseState:
    return lease if lease.release is None else replace(lease, release=replace(lease.release, successor=None))


@pytest.mark.parametrize(
    ("why", "lease", "who", "pods", "replicas", "cold", "claims", "words"),
    [
        (
            "more than the permitted lag is left out",
            replace(LEASE, position=Position(4, 900)),
            1,
            (pod(1, 100),),
            2,
            True,
            False,
            "at least 3",
        ),
        ("the last leader's volume is left out", LEASE, 1, BOTH, 3, True, True, "best of 2"),
        (
            "a dormant release with fewer replicas",
            LEFT_OUT,
            1,
            (pod(1, 100),),
            2,
            True,
            False,
            "volume of pg-2 may have more WAL than ours, and replicas 2 leaves it out: set replicas to at least 3",
        ),
        ("another member's volume is left out, and the leader's is lost", LEASE, 1, (pod(1, 100),), 2, True, False, "at least 3"),
        ("the leader has reported", LEASE, 1, (pod(1, 100), pod(0, 95)), 2, True, True, "best of 2"),
        ("a leader is lost while the release is scaled", LEASE, 1, (pod(1, 100),), 2, False, True, "best of 1"),
        ("it lacks a part of a clean release", replace(CLEAN, eligible=LEASE.eligible[:1]), 1, (pod(1, 99),), 2, False, False, "pg-0"),
        ("it has all of a clean release", replace(CLEAN, holder=Holder("pg-2", "u2"), volume="v2"), 1, (pod(1, 100),), 2, True, True, ""),
        (
            "it lacks what was scaled away",
            replace(CLEAN, holder=Holder("pg-2", "u2"), volume="v2"),
            1,
            (pod(1, 99),),
            2,
            False,
            False,
            "at least 3",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_volume_that_the_release_leaves_out(
    why: str, lease: LeaseState, who: int, pods: tuple[Pod, ...], replicas: int, cold: bool, claims: bool, words: str
) -> None:
    """Rule 4H: a dormant release that is installed with fewer replicas never starts from a volume that may be stale."""
    [candidate] = [me(who, each.report.position.lsn) for each in pods if each.ordinal == who and each.report and each.report.position]
    verdict = judged(
        candidate,
        without_successor(lease),
        pods=pods,
        age=90.0,
        waited=84.0,
        reported_for=84.0,
        cold=cold,
        hold=300.0,
        replicas=replicas,
    )
    assert (verdict.claim, words in verdict.reason) == (claims, True), verdict.reason


def test_a_left_out_volume_blocks_from_the_moment_when_positions_are_no_longer_waited_for() -> None:
    """Rules 4D and 4H agree on when that is: the report counts, not the age of the Lease."""
    for reported_for, words in ((29.9, "29.9 of 30 s"), (30.1, "at least 3")):
        verdict = judged(
            me(1, 100),
            LEFT_OUT,
            pods=(pod(1, 100),),
            age=36.0,
            waited=29.9,
            reported_for=reported_for,
            cold=True,
            replicas=1,
        )
        assert (verdict.claim, words in verdict.reason) == (False, True), verdict.reason


@pytest.mark.parametrize(
    ("clean", "included_for", "words"),
    [
        (False, 0.0, "0.0 of 30 s"),
        (False, 29.9, "29.9 of 30 s"),
        (False, 30.1, "best of 1"),
        (True, 30.1, "for another 270 s"),
        (True, 300.1, "best of 1"),
    ],
)
def test_a_volume_that_is_no_longer_left_out_has_time_to_come_back(clean: bool, included_for: float, words: str) -> None:
    """Rule 4H: its pod is created only when the number of replicas is put back, however long ago the Lease became free."""
    lease = replace(CLEAN if clean else LEASE, holder=Holder("pg-2", "u2"), volume="v2", eligible=LEASE.eligible[:1])
    verdict = judged(
        me(1, 99),
        without_successor(lease),
        pods=(pod(1, 99),),
        age=900.0,
        waited=894.0,
        reported_for=894.0,
        cold=True,
        hold=300.0,
        replicas=3,
        included_for=included_for,
    )
    assert (verdict.claim, verdict.leaves_out, words in verdict.reason) == (words == "best of 1", False, True), verdict.reason


def test_a_verdict_says_while_a_volume_is_left_out_also_during_the_wait_for_positions() -> None:
    for waited in (1.0, 60.0):
        verdict = judged(
            me(1, 100),
            LEFT_OUT,
            pods=(pod(1, 100),),
            age=90.0,
            waited=waited,
            reported_for=waited,
            cold=True,
            replicas=2,
        )
        assert (verdict.claim, verdict.leaves_out) == (False, True), verdict.reason


@pytest.mark.parametrize(("unblocked_for", "claims"), [(0.9, False), (1.1, True)])
def test_rank_counts_from_the_end_of_what_kept_all_from_claiming(unblocked_for: float, claims: bool) -> None:
    def asked(who: Candidate) -> bool:
        return judge(
            who, LEASE, "50", BOTH, age=90.0, ttl=6.0, waited=84.0, reported_for=84.0, cold=False, max_lag=60, unblocked_for=unblocked_for
        ).claim

    assert (asked(me(1, 100)), asked(me(2, 90))) == (True, claims)


@pytest.mark.parametrize(("reported_for", "claims"), [(0.1, False), (0.9, False), (1.1, True)])
def test_rank_counts_from_the_own_report_where_all_start_late(reported_for: float, claims: bool) -> None:
    """No server could start for a while; then all of them start and report at the same moment."""
    free = replace(DIED, volume="v1")

    def asked(who: Candidate) -> bool:
        return judge(who, free, "50", BOTH, age=60, ttl=6.0, waited=60.0, reported_for=reported_for, cold=False, max_lag=60).claim

    assert (asked(me(1, 100)), asked(me(2, 90))) == (True, claims)


def test_a_verdict_says_whether_somebody_is_missing() -> None:
    whole = judge(me(1, 100), LEASE, "50", ALL, age=8.0, ttl=6.0, waited=2.0, reported_for=2.0, cold=False, max_lag=60)
    part = judge(me(1, 100), LEASE, "50", BOTH, age=8.0, ttl=6.0, waited=2.0, reported_for=2.0, cold=False, max_lag=60)
    assert (part.claim, part.complete) == (True, False)
    assert whole.complete


def test_a_claim_reserves_a_term_and_a_timeline() -> None:
    claimed = claim(me(1, 100), "10.0.0.2", DIED, (pod(1, 100), pod(2, 90, max_term=11)), 9, 6.0)
    assert (claimed.holder, claimed.term, claimed.timeline) == (Holder("pg-1", "u1"), 12, 5)
    assert (claimed.volume, claimed.address, claimed.release) == ("v1", "10.0.0.2", None)
    assert claimed.eligible == (EligibleReplica("pg-2", "v2", streaming=False), EligibleReplica("pg-0", "v0", streaming=False))


@pytest.mark.parametrize(("cause", "counted"), [(ReleaseCause.HUNG, 2), (ReleaseCause.DEATH, 1), (ReleaseCause.SWITCHOVER, 1)])
def test_a_claim_counts_a_holder_that_lost_the_lease_to_a_hung_volume(cause: ReleaseCause, counted: int) -> None:
    lost = replace(DIED, release=Release(cause.words, clean=False, cause=cause), hangs=1)
    assert claim(me(1, 100), "a", lost, (), 0, 6.0).hangs == counted


def test_a_claim_never_takes_a_timeline_that_is_ours_already() -> None:
    assert claim(me(1, 100, 9), "a", LEASE, (), 0, 6.0).timeline == 10


def empty(number: int) -> Pod:
    return Pod(f"pg-{number}", f"u{number}", "1", number, report=PositionReport(NO_LEASE, "n", VolumeState.EMPTY))


@pytest.mark.parametrize(
    ("ordinal", "pods", "claims", "words"),
    [
        (0, (empty(0), empty(1)), True, "all 2 volumes are empty"),
        (1, (empty(0), empty(1)), False, "which ordinal 0 creates"),
        (0, (empty(0),), False, "the pod of ordinal 1 has not reported yet"),
        (0, (empty(0), pod(1, 5, version=NO_LEASE)), False, "pg-1 has data"),
    ],
)
def test_the_first_server_is_made_once(ordinal: int, pods: tuple[Pod, ...], claims: bool, words: str) -> None:
    verdict = judge_bootstrap(ordinal, 2, NO_LEASE, pods)
    assert (verdict.claim, words in verdict.reason) == (claims, True), verdict.reason


def kept(number: int, lsn: int, **changes: object) -> Pod:
    return pod(number, lsn, 4, NO_LEASE, **changes)


@pytest.mark.parametrize(
    ("pods", "waited", "claims", "words"),
    [
        ((kept(0, 9), kept(1, 8), kept(2, 7)), 0.0, True, "best of 3 volumes"),
        ((kept(0, 9), kept(1, 8)), 59.0, False, "2 of 3 pods have reported"),
        ((kept(0, 9), kept(1, 8)), 60.0, True, "best of 2 volumes"),
        ((kept(0, 9),), 99.0, False, "1 of 3 pods"),
        ((kept(0, 9), kept(1, 10), kept(2, 7)), 0.0, False, "pg-1 has more WAL"),
        ((kept(0, 9), kept(1, 10, foreign=True), kept(2, 7)), 0.0, True, "best of 2 volumes"),
        ((kept(0, 9), kept(1, 8, max_term=8)), 99.0, False, "not the highest term"),
        ((kept(0, 9), kept(1, 8, max_term=8), kept(2, 7)), 0.0, True, "best of 3 volumes"),
        ((kept(0, 9), kept(1, 8, system_identifier="x"), kept(2, 7)), 0.0, False, "different clusters: system and x"),
    ],
)
def test_resuming_without_a_lease(pods: tuple[Pod, ...], waited: float, claims: bool, words: str) -> None:
    verdict = judge_resume(me(0, 9), "system", 3, NO_LEASE, pods, waited)
    assert (verdict.claim, words in verdict.reason) == (claims, True), verdict.reason


def test_a_server_that_somebody_else_has_promoted_makes_no_lease_and_is_no_member() -> None:
    pods = (kept(0, 9), kept(1, 10, foreign=True), kept(2, 7))
    verdict = judge_resume(promoted(1, 10), "system", 3, NO_LEASE, pods, 99.0)
    assert (verdict.claim, "promoted outside the Lease" in verdict.reason) == (False, True)
    made = resume_state(me(0, 9), "a", "system", NO_LEASE, pods, 7, 6.0)
    assert [member.pod for member in made.eligible] == ["pg-2"]


def test_a_lease_that_is_made_anew_reserves_a_timeline_above_every_term() -> None:
    """A lost primary's replicas know its term, but maybe not its timeline; a last claim may be known to nobody."""
    made = resume_state(me(0, 9), "a", "system", NO_LEASE, (kept(0, 9), kept(1, 8, max_term=12)), 7, 6.0)
    assert (made.term, made.timeline) == (12 + 16 + 1, 12 + 16 + 1)


def test_what_was_said_when_another_lease_was_gone_does_not_count() -> None:
    """A replica reported, followed the next primary and was lost; now that primary's Lease is gone too."""
    pods = (pod(0, 9, 4, "none@70"), pod(1, 8, 4, "none@70"), pod(2, 5, 4, "none@50"))
    verdict = judge_resume(me(0, 9), "system", 3, "none@70", pods, 1e6, strict=True)
    assert (verdict.claim, verdict.reason) == (False, "no Lease: 2 of 3 pods have reported")
    again = (*pods[:2], pod(2, 5, 4, "none@70"))
    assert judge_resume(me(0, 9), "system", 3, "none@70", again, 0.0, strict=True).claim
