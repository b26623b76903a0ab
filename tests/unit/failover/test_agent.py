"""Data that the agent's threads pass to each other."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover import agent
from hapg_failover.adapters.ports.supervisor import Hello
from hapg_failover.adapters.ports.volume import Assessment
from hapg_failover.adapters.threads import Threads
from hapg_failover.agent import Adapters, Agent, OperationStuck
from hapg_failover.core.state.actions import Op, Promote, Run, Start, Stop
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.streaming import Streaming
from hapg_failover.core.state.volume import DATA_VOLUME, WAL_VOLUME
from hapg_failover.core.timing import Timing
from hapg_protocol.model import VolumeState
from hapg_protocol.version_profile import VersionProfile
from tests.memories import changed

FILLED_UP = 3 * 1024 * 1024


class FillingVolume:
    """A volume on which WAL takes the last free space while the server runs."""

    claim = None

    def __init__(self) -> None:
        self.room = 1 << 30

    def assess(self) -> Assessment:
        return Assessment(VolumeState.EMPTY, "")

    def term(self) -> int:
        return 0

    def promotion_is_pending(self) -> bool:
        return True

    def production(self) -> None:
        return None

    def foreign(self) -> bool:
        return False

    def accepted_configuration(self) -> None:
        return None

    def recorded_limits(self) -> dict[str, int]:
        return {}

    def scarcest(self) -> tuple[str, int]:
        return WAL_VOLUME, self.room


def _agent(monkeypatch: pytest.MonkeyPatch, volume: FillingVolume, result: OpResult) -> Agent:
    """An agent whose operations fill the volume and end with this result."""

    def fill(*_: object) -> OpResult:
        volume.room = FILLED_UP
        return result

    monkeypatch.setattr(agent, "perform", fill)
    settings: Any = SimpleNamespace(profile=VersionProfile(major="15", bounds_slots=False), port=5432, grace=30.0, timing=Timing())
    identity: Any = SimpleNamespace(pod="pg-0", uid="u0")
    disk: Any = volume
    nothing: Any = Mock()
    nothing.started_configuration.return_value = None
    one = Agent(lambda: settings, identity, Adapters(Threads(), nothing, nothing, nothing, disk, nothing, nothing, nothing))
    one.world.hello = Hello("n1", "boot", 1.0)
    return one


def _looks(monkeypatch: pytest.MonkeyPatch, phase: Phase, still_s: float) -> Any:
    """Return the log after two looks at a server whose last progress was `still_s` ago, in this phase for 20 s."""
    one, now = _agent(monkeypatch, FillingVolume(), OpResult(1, Op.PROMOTE, Outcome.OK, "n1")), Threads().now()
    one._log = log = Mock()
    one.memory = changed(one.memory, phase=phase, phase_since=now - 20.0)
    progress, answer = one._recovering, "00000001000000000000000A 17 - D 70 jbd2_log_wait_commit startup"
    monkeypatch.setattr(one._commands, "call", lambda *_, **__: (answer, "1"))
    progress.look()
    assert not log.called, "the first look counts as progress"
    nonce, seen = progress._seen or pytest.fail("nothing was seen")
    progress._seen = nonce, replace(seen, moved_at=now - still_s)
    progress.look()
    return log


def test_the_log_says_what_a_server_is_doing_whose_promotion_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _looks(monkeypatch, Phase.PROMOTING, 12.0)
    assert log.call_args.args == ("warning", "promotion", "the server being promoted makes no progress and has not taken the request yet")
    startup = {"title": "startup", "state": "D", "waits_in": "jbd2_log_wait_commit", "ticks": 17, "switches": 70}
    assert log.call_args.kwargs["startup_process"] == startup
    assert (log.call_args.kwargs["seconds"], log.call_args.kwargs["wal_receiver"]) == (12, False)


@pytest.mark.parametrize(("phase", "still_s"), [(Phase.PROMOTING, 2.0), (Phase.SEALED, 12.0)])
def test_the_log_says_nothing_of_a_server_that_waits_or_moves(monkeypatch: pytest.MonkeyPatch, phase: Phase, still_s: float) -> None:
    assert not _looks(monkeypatch, phase, still_s).called


@pytest.mark.parametrize(("op", "known"), [(Op.PROMOTE, 0), (Op.STANDBYS, 1)])
def test_nobody_is_known_to_stream_from_a_server_that_was_just_promoted(monkeypatch: pytest.MonkeyPatch, op: Op, known: int) -> None:
    """Known standbys are from this agent's last time as the primary; they might make a replica eligible that lacks WAL."""
    one = _agent(monkeypatch, FillingVolume(), OpResult(1, op, Outcome.OK, "n1"))
    one.world.streaming = (Streaming("pg-1", 1.0, 2.0, 0x400),)
    one._run_operation(Run(1, Stop() if op is Op.STANDBYS else Promote(2, None)))
    one.world.apply(one._events.get(timeout=10))
    assert len(one.world.streaming) == known


def test_an_operation_comes_with_a_look_at_the_room_of_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = _agent(monkeypatch, FillingVolume(), OpResult(1, Op.START, Outcome.OK, "n1"))
    one.world.room, one.world.room_on = 1 << 30, DATA_VOLUME
    one._run_operation(Run(1, Start()))
    one.world.apply(one._events.get(timeout=10))
    assert (one.world.room_on, one.world.room) == (WAL_VOLUME, FILLED_UP)
    assert [result.op for result in one.world.ops] == [Op.START]


@pytest.mark.parametrize(
    ("op", "begun_s", "moved_s", "stuck"),
    [
        (Op.FOLLOW, 151.0, 1e9, True),
        (Op.FOLLOW, 149.0, 1e9, False),
        (Op.SEAL, 500.0, 149.0, False),
        (Op.CLONE, 5000.0, 1e9, False),
        (None, 5000.0, 1e9, False),
    ],
)
def test_an_operation_whose_thread_is_lost_ends_the_agent(
    monkeypatch: pytest.MonkeyPatch, op: Op | None, begun_s: float, moved_s: float, stuck: bool
) -> None:
    """Each step of sealing and following has its time limit, so neither takes long without any progress."""
    one = _agent(monkeypatch, FillingVolume(), OpResult(1, Op.FOLLOW, Outcome.OK, "n1"))
    now = one._runtime.now()
    one.memory = changed(one.memory, op=op, op_begun=now - begun_s)
    monkeypatch.setattr(one._recovering, "moved_at", lambda: now - moved_s)
    with pytest.raises(OperationStuck, match="has not ended after") if stuck else nullcontext():
        one._check_operation()
