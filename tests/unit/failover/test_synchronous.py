"""Synchronous replication in a member's decisions: what is started, promoted, recorded and reported."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce, Op, PutKind, PutLease, Run
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.lease_view import LeaseView
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.observation import Observation
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome, PutOutcome, PutResult
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.core.timing import Timing
from hapg_failover.core.write_quorum import OFF, Policy, Setting
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, PositionReport, SyncRecord, VolumeState
from tests.memories import changed, remembering
from tests.orders import said

NOW = 1000.0
ME = Holder("pg-0", "u0")
END = Position(3, 0x500)
ONE, TWO = EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2")
MINE = LeaseState(ME, 5, 6.0, "system", "v0", "10.0.0.1", 3, (ONE, TWO), sync=SyncRecord(1, ("v1", "v2")))
BOTH = Setting(1, ("pg-1", "pg-2"))


def pod(number: int, volume: str | None = None) -> Pod:
    said = PositionReport("40", f"n{number}", VolumeState.DATA, volume or f"v{number}", "system", END, True, 5)
    return Pod(f"pg-{number}", f"u{number}", "1", number, role="primary" if number == 0 else "replica", report=said)


def live(number: int, silent: float | None = None) -> Streaming:
    return Streaming(f"pg-{number}", None if silent else NOW - 50, NOW - (silent or 0.0), END.lsn)


def seen(state: LeaseState = MINE, **changes: object) -> Observation:
    base = Observation(
        now=NOW,
        me=ME,
        ordinal=0,
        address="10.0.0.1",
        replicas=3,
        standby_mode="hot",
        max_lag=1000,
        timing=Timing(),
        nonce="n0",
        server="primary",
        heartbeat_at=NOW - 0.1,
        term_in_force=5,
        volume_state=VolumeState.DATA,
        volume="v0",
        system_identifier="system",
        max_term=5,
        lease=LeaseView("40", state, NOW - 1.0, NOW - 0.1),
        pods=(pod(0), pod(1), pod(2)),
        pods_listed_at=NOW - 0.5,
        streaming=(live(1), live(2)),
        position=END,
        probe_at=NOW - 0.5,
        policy=Policy(1),
        standby_names=BOTH.text,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def primary(setting: Setting | None = BOTH, **changes: object) -> Memory:
    base = remembering(
        Phase.PRIMARY,
        NOW - 100,
        "n0",
        held_term=5,
        renewed_at=NOW - 1.0,
        put_at=NOW - 1.0,
        recorded_ttl=6.0,
        first_version="1",
        guarded=True,
        recorded=True,
        setting=setting,
        ordered=setting,
        base=END.lsn,
        sync_told="Synchronous",
    )
    return changed(base, **changes)


def sealed(**changes: object) -> Memory:
    return changed(remembering(Phase.SEALED, NOW - 10, "n0", position=END, first_version="1"), **changes)


def ordered(decision: Decision, kind: type) -> list:
    return [action for action in decision.actions if isinstance(action, kind)]


def run_of(decision: Decision) -> Run:
    [run] = ordered(decision, Run)
    assert isinstance(run, Run)
    return run


def put_of(decision: Decision) -> PutLease:
    [put] = ordered(decision, PutLease)
    assert isinstance(put, PutLease)
    return put


def test_nothing_is_changed_in_a_set_that_is_as_it_should_be() -> None:
    assert decide(seen(), primary()).actions == ()


def test_a_server_is_started_with_a_guard() -> None:
    boot = Memory(Phase.BOOT, NOW - 1, "n0")
    assert said(run_of(decide(seen(server="down"), boot))).guard == 1
    assert said(run_of(decide(seen(replace(MINE, sync=None), server="down", policy=Policy(2)), boot))).guard == 2
    assert said(run_of(decide(seen(replace(MINE, sync=None), server="down", policy=Policy()), boot))).guard == 0


@pytest.mark.parametrize("phase", [Phase.SEALED, Phase.FOLLOW])
def test_a_server_without_a_guard_is_started_anew(phase: Phase) -> None:
    held = replace(MINE, holder=Holder("pg-1", "u1"), eligible=(EligibleReplica("pg-0", "v0"),))
    memory = sealed(phase=phase, follow_term=5, mode="hot")
    run = run_of(decide(seen(held, server="standby"), memory))
    assert (run.op, said(run).guard) == (Op.START, 1)
    assert "acknowledges no commit alone" in decide(seen(held, server="standby"), memory).reason
    guarded = decide(seen(held, server="standby"), changed(memory, guarded=True))
    assert [run.op for run in ordered(guarded, Run)] != [Op.START]


@pytest.mark.parametrize(
    ("sync", "policy", "setting"),
    [
        (SyncRecord(1, ("v0", "v1")), Policy(1), Setting(1, ("pg-1",))),
        (SyncRecord(2, ("v0", "v1", "v2")), Policy(), Setting(2, ("pg-1", "pg-2"))),
        (SyncRecord(1, ("v0",)), Policy(1), Setting(1)),
        (None, Policy(2), Setting(2)),
        (None, Policy(2, strict=False), OFF),
        (None, Policy(), OFF),
    ],
)
def test_the_setting_at_promotion_is_the_record_without_ourselves(sync: SyncRecord | None, policy: Policy, setting: Setting) -> None:
    claimed = replace(MINE, sync=sync, term=6)
    put = PutResult(PutKind.CLAIM, PutOutcome.OK, NOW - 0.1, claimed, "41")
    memory = sealed(phase=Phase.CLAIMING, put=PutKind.CLAIM, guarded=True)
    run = run_of(decide(seen(claimed, server="standby", policy=policy, put=put), memory))
    assert (run.op, said(run).setting) == (Op.PROMOTE, setting)


def test_a_new_agent_does_nothing_to_the_set_before_its_first_renewal() -> None:
    fresh = primary(None, recorded=False)
    assert ordered(decide(seen(), fresh), Run) == []
    renewed = PutResult(PutKind.RENEW, PutOutcome.OK, NOW - 0.1, MINE, "41")
    memory = decide(seen(put=renewed), changed(fresh, put=PutKind.RENEW)).memory
    assert memory.sync.recorded
    assert said(run_of(decide(seen(), memory))).setting == BOTH


def test_growth_is_recorded_before_it_takes_force() -> None:
    small = replace(MINE, sync=SyncRecord(1, ("v1",)))
    decision = decide(seen(small), primary(Setting(1, ("pg-1",))))
    assert ordered(decision, Run) == []
    assert put_of(decision).state.sync == MINE.sync
    assert not decision.memory.sync.recorded
    waiting = decide(seen(small, now=NOW + 0.1), decision.memory)
    assert waiting.actions == ()


@pytest.mark.parametrize("outcome", [PutOutcome.UNKNOWN, PutOutcome.CONFLICT])
def test_a_record_without_an_answer_is_not_relied_on(outcome: PutOutcome) -> None:
    """The write may still be carried out: pg-2 has then left the record, and a read in the meantime must not bring it back."""
    without = replace(MINE, sync=SyncRecord(1, ("v1",)))
    memory = primary(Setting(1, ("pg-1",)), recorded=False, put=PutKind.RENEW)
    after = decide(seen(put=PutResult(PutKind.RENEW, outcome, NOW - 0.1, without)), memory).memory
    assert ordered(decide(seen(), after), Run) == []
    answered = PutResult(PutKind.RENEW, PutOutcome.OK, NOW - 0.1, MINE, "41")
    after = decide(seen(put=answered), changed(after, put=PutKind.RENEW)).memory
    assert said(run_of(decide(seen(), after))).setting == BOTH


def test_a_change_of_the_setting_is_relied_on_once_it_is_in_force() -> None:
    silent = seen(streaming=(live(1), live(2, 11.0)))
    decision = decide(silent, primary())
    run = run_of(decision)
    assert (run.op, said(run).setting, said(run).waited) == (Op.STANDBYS, Setting(1, ("pg-1",)), True)
    assert decision.memory.sync.setting is None
    result = OpResult(run.number, Op.STANDBYS, Outcome.OK, "n0", "", Position(3, END.lsn + 50))
    later = decide(replace(silent, op=result), decision.memory)
    assert (later.memory.sync.setting, later.memory.sync.base) == (Setting(1, ("pg-1",)), END.lsn + 50)
    assert put_of_none(decide(silent, later.memory)), "pg-1 hasn't flushed past the barrier yet"
    passed = replace(silent, streaming=(replace(live(1), flushed=END.lsn + 50), live(2, 11.0)))
    assert put_of(decide(passed, later.memory)).state.sync == SyncRecord(1, ("v1",))


def put_of_none(decision: Decision) -> bool:
    return ordered(decision, PutLease) == []


def test_a_setting_that_does_not_take_force_is_tried_again() -> None:
    decision = decide(seen(streaming=(live(1), live(2, 11.0))), primary())
    run = run_of(decision)
    result = OpResult(run.number, Op.STANDBYS, Outcome.FAILED, "n0", "the walsender of pg-2 hasn't read the new setting yet")
    later = decide(seen(op=result), decision.memory)
    assert later.memory.sync.setting is None
    assert Announce("Warning", "SyncStandbyNamesNotApplied", result.text) in later.actions
    again = decide(seen(now=NOW + 1.0), changed(later.memory, renewed_at=NOW, put_at=NOW))
    assert said(run_of(again)).setting == BOTH


def test_a_recorded_volume_stays_a_member_though_it_is_silent() -> None:
    alone = replace(MINE, eligible=(ONE,), sync=SyncRecord(1, ("v1",)))
    decision = decide(seen(alone, streaming=(live(1, 99.0),)), primary(Setting(1, ("pg-1",)), renewed_at=NOW - 1.9))
    assert ordered(decision, PutLease) == []


@pytest.mark.parametrize(
    ("policy", "setting", "streaming", "sync", "reason"),
    [
        (Policy(1), BOTH, (live(1), live(2)), MINE.sync, "Synchronous"),
        (Policy(1), BOTH, (live(1, 5.0), live(2, 5.0)), MINE.sync, "WaitingForSyncStandbys"),
        (Policy(1, strict=False), OFF, (), None, "Asynchronous"),
    ],
)
def test_what_becomes_of_commits_is_told_once(
    policy: Policy, setting: Setting, streaming: tuple[Streaming, ...], sync: SyncRecord | None, reason: str
) -> None:
    observation = seen(replace(MINE, sync=sync), policy=policy, streaming=streaming, standby_names=setting.text)
    decision = decide(observation, primary(setting, sync_told=None))
    assert [said.reason for said in ordered(decision, Announce)] == [reason]
    assert ordered(decide(observation, decision.memory), Announce) == []


def test_a_break_of_a_moment_is_not_told() -> None:
    assert ordered(decide(seen(streaming=(live(1, 2.0), live(2, 2.0))), primary()), Announce) == []


def test_asynchronous_again() -> None:
    asynchronous = seen(policy=Policy())
    run = run_of(decide(asynchronous, primary()))
    assert said(run).setting == OFF
    decision = decide(asynchronous, primary(OFF))
    assert put_of(decision).state.sync is None


def test_a_new_agent_of_an_asynchronous_primary_ends_a_wait_that_is_left_over() -> None:
    none = replace(MINE, sync=None)
    left = seen(none, policy=Policy(), standby_names=Setting(1).text)
    assert said(run_of(decide(left, primary(None)))).setting == OFF
    assert ordered(decide(seen(none, policy=Policy(), standby_names=""), primary(None)), Run) == []


def test_a_pod_with_a_new_volume_joins_under_its_name() -> None:
    cloned = (pod(0), pod(1, "w1"), pod(2))
    members = (EligibleReplica("pg-1", "v1"), EligibleReplica("pg-1", "w1"), TWO)
    decision = decide(seen(replace(MINE, eligible=members), pods=cloned), primary())
    assert put_of(decision).state.sync == SyncRecord(1, ("v1", "v2", "w1"))


@given(
    policy=st.sampled_from([Policy(), Policy(1), Policy(2), Policy(1, strict=False)]),
    sync=st.sampled_from([None, SyncRecord(1, ("v1",)), MINE.sync, SyncRecord(1, ("v0", "v9")), SyncRecord(2, ("v0", "v1", "v2"))]),
    setting=st.sampled_from([None, OFF, Setting(1), Setting(1, ("pg-1",)), BOTH, Setting(2, ("pg-1", "pg-9"))]),
    members=st.sampled_from([(), (ONE,), (ONE, TWO), (EligibleReplica("pg-1", "w1"), ONE, TWO)]),
    streaming=st.sampled_from([(), (live(1),), (live(1), live(2, 11.0)), (live(2), live(9))]),
    pods=st.sampled_from([(), (pod(0),), (pod(0), pod(1, "w1"), pod(2))]),
    recorded=st.booleans(),
    base=st.integers(0, 2 * END.lsn),
)
def test_whatever_is_seen_no_step_is_unsound(
    policy: Policy,
    sync: SyncRecord | None,
    setting: Setting | None,
    members: tuple[EligibleReplica, ...],
    streaming: tuple[Streaming, ...],
    pods: tuple[Pod, ...],
    recorded: bool,
    base: int,
) -> None:
    state = replace(MINE, sync=sync, eligible=members)
    observation = seen(state, policy=policy, streaming=streaming, pods=pods)
    decision = decide(observation, primary(setting, recorded=recorded, base=base))
    for put in ordered(decision, PutLease):
        assert put.state.sync == sync or recorded
        assert put.state.sync is None or len(put.state.sync.volumes) >= put.state.sync.k
        kept = {member.volume for member in members if sync is not None and member.volume in sync.volumes}
        assert kept <= {member.volume for member in put.state.eligible}
    for run in ordered(decision, Run):
        known = set(setting.names) if setting is not None else set()
        assert run.op is Op.STANDBYS
        assert recorded
        assert run.order.setting is not None
        shown = {each.name: each.report.volume for each in pods if each.report is not None}
        for name in set(run.order.setting.names) - known:
            assert sync is not None
            assert shown.get(name, f"v{name[-1]}") in sync.volumes
