"""The rules of synchronous replication, removed one at a time; the simulation must find each."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg_failover.core import election, synchronous, write_quorum
from hapg_failover.core.state.decision import Step
from hapg_failover.core.write_quorum import OFF, Move, Record, Set, Setting, Situation
from hapg_protocol.model import LeaseState

from .server import Server


def nobody_counts(patch: pytest.MonkeyPatch) -> None:
    """A claimer doesn't check whose positions are known."""
    patch.setattr(election, "shortfall", lambda record, holder, reported: None)


def one_is_enough(patch: pytest.MonkeyPatch) -> None:
    """One recorded volume is enough for a claim."""
    patch.setattr(election, "shortfall", lambda record, holder, reported: None if {holder, *record.volumes} & set(reported) else "none")


def behind(patch: pytest.MonkeyPatch) -> None:
    """Once enough positions are known, any replica within maxLagBytes may claim, whatever its rank."""
    judge = election.judge

    def lax(me: election.Candidate, lease: LeaseState, *args: Any, **named: Any) -> election.Verdict:
        verdict = judge(me, lease, *args, **named)
        return verdict if verdict.claim or verdict.blocked else judge(me, replace(lease, sync=None), *args, **named)

    patch.setattr(election, "judge", lax)
    patch.setattr(election, "_rank_wait", lambda rank, cold, lease, ttl, behind: 0.0)
    patch.setattr(election, "RANK_STEP_S", 0.0)


def no_barrier(patch: pytest.MonkeyPatch) -> None:
    """A volume leaves the recorded quorum as soon as its pod has left synchronous_standby_names."""
    next_move = write_quorum.next_move
    patch.setattr(synchronous, "next_move", lambda s: next_move(replace(s, base=0)))


def setting_before_record(patch: pytest.MonkeyPatch) -> None:
    """A standby may acknowledge before its volume is recorded in the quorum."""
    next_move = write_quorum.next_move

    def eager(s: Situation) -> Move:
        move = next_move(s)
        live = {x.pod for x in s.standbys if x.live}
        if isinstance(move, Record) and s.record is not None and s.setting is not None and s.setting.names and live - set(s.setting.names):
            return Set(Setting(s.record.k, tuple(sorted({*s.setting.names, *live}))), "")
        return move

    patch.setattr(synchronous, "next_move", eager)
    patch.setattr(synchronous, "check_invariants", lambda situation, move: [])


def record_in_claim(patch: pytest.MonkeyPatch) -> None:
    """A claim removes its own volume from the recorded quorum."""
    claim = election.claim

    def changing(me: election.Candidate, *args: Any) -> LeaseState:
        state = claim(me, *args)
        if state.sync is None or len(state.sync.volumes) <= state.sync.k:
            return state
        return replace(state, sync=replace(state.sync, volumes=tuple(v for v in state.sync.volumes if v != me.volume)))

    patch.setattr(election, "claim", changing)


def no_guard(patch: pytest.MonkeyPatch) -> None:
    """A server starts without synchronous_standby_names."""
    promote = Server.promote

    def anyway(self: Server, timeline: int, term: int, setting: Setting = OFF) -> str | None:
        self.guard = 1
        return promote(self, timeline, term, setting)

    patch.setattr(Step, "guard", 0)
    patch.setattr(Server, "promote", anyway)
