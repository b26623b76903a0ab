"""Agents of two versions in one release: an agent keeps unknown fields, and never acts under rules it doesn't know (rule 15)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hapg_failover.core import election
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce, PutLease
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.phases import Phase
from hapg_protocol import lease, position_report
from hapg_protocol.lsn import Position
from hapg_protocol.model import LeaseState, Pod, PositionReport, VolumeState
from tests.memories import changed
from tests.unit.failover import test_decide
from tests.unit.failover.test_decide import END, FOLLOWING, HELD, MINE, NOW, POD, PRIMARY, RELEASED, SAID, kinds, remembered, seen
from tests.unit.failover.test_election import ALL, CLEAN, DIED, LEASE, me
from tests.unit.failover.test_forced_failover import SEALED, answers, forced

LATER = {"later": {"a": [1, 2.5, None, "ä"]}, "laterToo": False}
SENTENCE = "the Lease uses protocol 2, this agent supports 1: upgrade the failover image"


def written_later(state: LeaseState) -> LeaseState:
    """The state as a newer agent would have written it, with additional fields."""
    return lease.decode(json.dumps(json.loads(lease.encode(state)) | LATER))


def fields_kept(state: LeaseState) -> bool:
    """True if the next reader finds all of them, each with its value."""
    found = json.loads(lease.encode(state))
    return {name: found.get(name) for name in LATER} == LATER


def newer(state: LeaseState) -> LeaseState:
    return replace(state, protocol=2)


def view(state: LeaseState, age: float = 20.0) -> LeaseView:
    return test_decide.lease(state, age)


def put(decision: Decision) -> LeaseState:
    [found] = [action.state for action in decision.actions if isinstance(action, PutLease)]
    return found


# --- fields ---


def test_what_is_read_is_written_back() -> None:
    assert fields_kept(written_later(HELD))


def test_a_renewal_keeps_fields_that_it_does_not_know() -> None:
    decision = decide(seen(server="primary", term_in_force=5, lease=view(written_later(MINE), 2.5)), changed(PRIMARY, renewed_at=NOW - 2.5))
    assert fields_kept(put(decision))


def test_a_claim_keeps_fields_that_it_does_not_know() -> None:
    assert fields_kept(election.claim(me(1, 100), "10.0.0.9", written_later(CLEAN), ALL, 3, 6.0))


def test_a_release_keeps_fields_that_it_does_not_know() -> None:
    down = remembered(Phase.DOWN, dead_reason="the server died", held_term=None)
    decision = decide(seen(server="down", lease=view(written_later(MINE), 1.0), container_dead=True), replace(down, nonce=None))
    assert kinds(decision.actions)[0] == "release"
    assert fields_kept(put(decision))


def test_a_field_within_another_goes_with_it() -> None:
    """Whoever writes a release, a replica's entry or a set writes all of it: another version's extra fields would then describe
    something else."""
    document = json.loads(lease.encode(CLEAN))
    document["release"]["later"] = 1
    document["eligibleReplicas"][0]["later"] = 1
    assert "later" not in lease.encode(lease.decode(json.dumps(document)))


def test_a_field_that_we_know_is_never_kept_from_before() -> None:
    kept = replace(HELD, unknown=(("term", "1"), ("release", "{}")))
    assert lease.decode(lease.encode(kept)) == HELD


def test_fields_of_a_report_that_we_do_not_know_are_passed_over() -> None:
    said = PositionReport("40", "n1", VolumeState.DATA, "v1", "system", END, True, 5, protocol=2)
    assert position_report.decode(json.dumps(json.loads(position_report.encode(said)) | LATER)) == said


def test_a_report_without_a_number_is_of_the_first_protocol() -> None:
    document = json.loads(position_report.encode(SAID))
    del document["protocol"]
    assert position_report.decode(json.dumps(document)).protocol == 1


# --- the number ---


def test_a_claim_says_which_protocol_it_was_made_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(election, "PROTOCOL", 2)
    assert election.claim(me(1, 100), "10.0.0.9", CLEAN, ALL, 3, 6.0).protocol == 2
    assert not election.too_new(newer(CLEAN))


@pytest.mark.parametrize(
    ("why", "state", "who"),
    [
        ("run out", LEASE, me(1, 100)),
        ("released", DIED, me(1, 100)),
        ("its chosen successor", CLEAN, me(2, 100)),
        ("its former holder", DIED, me(0, 100)),
        ("no server was made yet", replace(DIED, system_identifier=None), me(0, 100)),
    ],
)
def test_a_lease_of_a_newer_protocol_is_not_claimed(why: str, state: LeaseState, who: election.Candidate) -> None:
    verdict = election.judge(
        who,
        newer(state),
        "50",
        ALL,
        age=99.0,
        ttl=6.0,
        waited=90.0,
        reported_for=90.0,
        cold=False,
        max_lag=10,
        ended=True,
    )
    assert (verdict.claim, verdict.blocked, verdict.reason) == (False, "protocol", SENTENCE)


def test_people_are_told_that_it_is_not_claimed() -> None:
    decision = decide(seen(lease=view(newer(RELEASED))), SEALED)
    assert decision.memory.phase is Phase.SEALED
    assert (decision.memory.telling.blocked, decision.reason) == ("protocol", SENTENCE)
    [told] = [action for action in decision.actions if isinstance(action, Announce)]
    assert (told.reason, told.message) == ("NoEligibleCandidate", f"{SENTENCE}; a forced failover is not possible")


def test_it_is_not_claimed_by_force() -> None:
    decision = decide(seen(lease=view(newer(RELEASED)), pods=(forced(),)), SEALED)
    assert "claim" not in kinds(decision.actions)
    assert [(each["outcome"], each["reason"]) for each in answers(decision)] == [("refused", SENTENCE)]


def test_it_is_not_made_anew_either_once_it_is_gone() -> None:
    gone = replace(view(newer(HELD), 200.0), missing_since=NOW - 120.0, last_read=NOW)
    version = "none@40"
    behind = replace(SAID, lease_version=version, nonce="n0", volume="v0", position=Position(3, 0x400))
    pods = (replace(POD, report=replace(SAID, lease_version=version)), Pod("pg-0", "u0", "1", 0, report=behind))
    memory = changed(SEALED, promised=(version, True), reported_at=NOW - 100.0)
    assert kinds(decide(seen(lease=replace(gone, state=HELD), pods=pods, max_term=9), memory).actions)[0] == "claim"
    decision = decide(seen(lease=gone, pods=pods, max_term=9), memory)
    assert decision.reason == SENTENCE
    assert kinds(decision.actions) == ["Announce"]


def test_no_first_server_is_made_under_it() -> None:
    empty = tuple(Pod(f"pg-{n}", f"u{n}", "1", n, report=PositionReport("40", f"n{n}", VolumeState.EMPTY)) for n in (0, 1))
    memory = remembered(Phase.EMPTY, promised=("40", False))
    bare = replace(RELEASED, system_identifier=None, volume=None)
    first = seen(server="down", volume_state=VolumeState.EMPTY, volume=None, pods=empty, lease=view(bare))
    o = replace(first, ordinal=0, me=replace(HELD.holder, uid="u9"))
    assert kinds(decide(o, memory).actions) == ["bootstrap"]
    decision = decide(replace(o, lease=view(newer(bare))), memory)
    assert (kinds(decision.actions), decision.reason) == ([], SENTENCE)


def test_a_holder_goes_on_renewing_and_leaves_the_number() -> None:
    held = newer(written_later(MINE))
    decision = decide(seen(server="primary", term_in_force=5, lease=view(held, 2.5)), changed(PRIMARY, renewed_at=NOW - 2.5))
    assert (put(decision).protocol, fields_kept(put(decision))) == (2, True)


def test_a_replica_goes_on_following() -> None:
    decision = decide(seen(lease=view(newer(HELD), 1.0)), FOLLOWING)
    assert (decision.memory.phase, decision.reason) == (Phase.FOLLOW, "following pg-0")


def test_a_replica_still_publishes_where_its_wal_ends() -> None:
    decision = decide(seen(lease=view(newer(RELEASED), 1.0), pods=(replace(POD, report=None),)), changed(SEALED, promised=None))
    assert kinds(decision.actions)[0] == "Report"
