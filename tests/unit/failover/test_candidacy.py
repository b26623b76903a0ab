"""The state that a candidate carries from one decision to the next."""

from __future__ import annotations

from dataclasses import replace

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import PutKind, PutLease
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import PutOutcome, PutResult
from hapg_protocol.lsn import Position
from hapg_protocol.model import NO_LEASE, EligibleReplica, Pod, PositionReport, VolumeState
from tests.memories import changed
from tests.unit.failover.test_decide import END, HELD, NOW, POD, RELEASED, SAID, lease, seen
from tests.unit.failover.test_forced_failover import SEALED

WAITED_S = 200.0
NEWER = Pod("pg-0", "u0", "1", 0, report=replace(SAID, nonce="n0", volume="v0", position=Position(9, 1)))
BETTER = Pod("pg-2", "u2", "1", 2, report=replace(SAID, nonce="n2", volume="v2", position=Position(3, 0x501)))


def test_a_lease_below_the_term_of_a_member_is_not_claimed() -> None:
    """Our volume hasn't obeyed that term; etcd went back to a term before it."""
    other = replace(BETTER, report=replace(SAID, lease_version="12", max_term=RELEASED.term + 1, nonce="n2", volume="v2"))
    m = changed(SEALED, reported_at=NOW - WAITED_S)
    claimed = decide(seen(lease=lease(RELEASED, WAITED_S), pods=(POD,), pods_listed_at=NOW), m)
    assert claimed.memory.phase is Phase.CLAIMING
    kept = decide(seen(lease=lease(RELEASED, WAITED_S), pods=(POD, other), pods_listed_at=NOW), m)
    assert "rolled back" in kept.reason
    assert kept.memory.phase is Phase.SEALED
    stranger = replace(other, report=replace(other.report, system_identifier="another"))  # type: ignore[type-var]
    assert decide(seen(lease=lease(RELEASED, WAITED_S), pods=(POD, stranger), pods_listed_at=NOW), m).memory.phase is Phase.CLAIMING


def test_who_was_kept_from_claiming_lets_a_better_one_go_first_when_that_is_gone() -> None:
    """A dead server's position on a newer timeline kept all others from claiming until its pod was recreated."""
    free = lease(replace(RELEASED, timeline=9, eligible=(*RELEASED.eligible, EligibleReplica("pg-2", "v2"))), WAITED_S)
    kept = decide(seen(lease=free, pods=(NEWER, POD, BETTER)), changed(SEALED, reported_at=NOW - WAITED_S))
    assert "is older than 9" in kept.reason
    gone = seen(lease=free, pods=(POD, BETTER))
    soon = decide(replace(gone, now=NOW + 0.5), kept.memory)
    assert "a better candidate goes first" in soon.reason
    later = decide(replace(gone, now=NOW + 1.5, pods_listed_at=NOW + 1.4), soon.memory)
    assert later.memory.phase is Phase.CLAIMING


def test_where_all_start_long_after_the_release_the_best_goes_first() -> None:
    """No server could start for a while; then all of them start and report at the same moment."""
    holder = Pod("pg-0", "u0", "1", 0, report=replace(SAID, nonce="n0", volume="v0", position=Position(3, 0x400)))
    released = replace(RELEASED, eligible=(*RELEASED.eligible, EligibleReplica("pg-2", "v2")))
    free = seen(lease=lease(released, WAITED_S), pods=(holder, POD, BETTER))
    soon = decide(free, changed(SEALED, reported_at=NOW - 0.1))
    assert "a better candidate goes first" in soon.reason
    later = decide(replace(free, now=NOW + 1.0, pods_listed_at=NOW + 0.9), soon.memory)
    assert later.memory.phase is Phase.CLAIMING


def run_out(age: float, **memory: object) -> str:
    """Return the decision of a member that reported when the Lease had been written, while another member's position is missing."""
    o = seen(lease=lease(replace(HELD, eligible=(*HELD.eligible, EligibleReplica("pg-2", "v2"))), age), pods=(POD,), pods_listed_at=NOW)
    return decide(o, changed(SEALED, reported_at=NOW - age, first_version="1", **memory)).reason


def test_who_was_sealed_before_the_holder_ended_lets_the_others_report() -> None:
    """The others follow until the Lease is 5.635 s old, or as long as they have promised."""
    assert run_out(6.1).startswith("waiting for the positions of 1 volume(s), 0.5 of 1 s")
    assert run_out(6.7).startswith("claim term")
    assert run_out(60.0, promised_until=NOW - 0.4).startswith("waiting for the positions of 1 volume(s), 0.4 of 1 s")
    assert run_out(60.0, promised_until=NOW - 1.1).startswith("claim term")


def test_a_recreated_lease_gives_back_no_timeline_that_a_volume_may_be_on() -> None:
    """Its claim succeeded too late to be used. With a lower number every server's timeline would count as one that was never reserved."""
    mine = PositionReport(NO_LEASE, "n1", VolumeState.DATA, "v1", "system", END, True, 5)
    pods = (
        replace(POD, report=mine),
        Pod("pg-0", "u0", "1", 0, report=replace(mine, nonce="n0", volume="v0", position=Position(2, 0x400))),
    )
    gone = seen(lease=LeaseView(NO_LEASE, None, NOW - 70, NOW), pods=pods)
    stale = changed(SEALED, promised=(NO_LEASE, True), first_version=NO_LEASE, former="v0", reserved=1)
    recreating = decide(gone, stale)
    (put,) = [a for a in recreating.actions if isinstance(a, PutLease)]
    assert (put.kind, put.version) == (PutKind.CLAIM, None)
    late = PutResult(PutKind.CLAIM, PutOutcome.OK, NOW, put.state, "41")
    shown = LeaseView("41", put.state, NOW + 5.9, NOW + 5.9)
    missed = decide(replace(gone, now=NOW + 6, put=late, heartbeat_at=NOW + 5.9, lease=shown), recreating.memory)
    (release,) = [a for a in missed.actions if isinstance(a, PutLease)]
    assert (release.kind, release.state.timeline) == (PutKind.RELEASE, put.state.timeline - 1)
    assert release.state.timeline >= END.timeline
    assert missed.memory.hold.former is None
