"""The order in which a rewind and a clone mark the volume, on real files; the supervisor and the primary are fakes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hapg_failover.adapters.clock import boottime
from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.actions import Clone, Follow, Op, Order, Rewind, Run, Seal, Start
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.inspection import Inspection
from hapg_failover.operations import rewind
from hapg_failover.operations.dispatch import attempt
from hapg_failover.operations.operation import Operation
from hapg_failover.operations.tools import Tools
from hapg_failover.supervisor_commands import OperationFailed
from hapg_protocol.lsn import Position
from hapg_protocol.model import VolumeState

HOST = "10.0.0.1"
CONTROLDATA = """\
Database system identifier:           7000
Database cluster state:               shut down in recovery
Latest checkpoint location:           0/3000060
Latest checkpoint's REDO location:    0/3000028
Latest checkpoint's TimeLineID:       3
Minimum recovery ending location:     0/3000100
Min recovery ending loc's timeline:   3
Backup start location:                0/0
Bytes per WAL segment:                16777216
"""


ORDERS: dict[Op, Order] = {
    Op.REWIND: Rewind(HOST, 3),
    Op.CLONE: Clone(HOST, 3),
    Op.START: Start("hot"),
    Op.SEAL: Seal(),
    Op.FOLLOW: Follow(HOST, 3, Position(3, 0x2000000)),
}


class Release:
    """A supervisor that obeys, or fails at one command, and a primary whose last checkpoint is on `timeline`."""

    def __init__(self, base: Path, timeline: int = 3, fails: str = "", answer: str = "error") -> None:
        self.volume = Volume(base, "15", "pg_wal")
        self.timeline = timeline
        self.fails = fails
        self.answer = answer
        self.calls: list[tuple[str, bool]] = []

    def call(
        self,
        nonce: str,
        term: int,
        command: str,
        *args: str,
        timeout: float,
        moved_at: Callable[[], float] | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> tuple[str, str]:
        self.calls.append((command, self.volume.dirty()))
        if command == self.fails:
            raise OperationFailed(f"{command}: {self.answer}")
        return "0", "id"

    def heartbeat(self) -> Any:
        class Down:
            state = "down"
            uptime = 1e12

        return Down()

    def now(self) -> float:
        return boottime()

    def sleep(self, seconds: float) -> None:
        pass

    def unique_id(self) -> str:
        return "new"

    def output(self, command_id: str) -> str:
        return CONTROLDATA

    def remote_checkpoint(self, host: str, port: int, timeout: float) -> int:
        if self.fails == "connect":
            raise SqlError("sorry, too many clients already")
        self.calls.append(("checkpoint of the source", self.volume.dirty()))
        return self.timeline

    def remote_history(self, host: str, port: int, timeline: int, timeout: float) -> str:
        return "1\t0/1000000\tno recovery target specified\n"

    def remote_has_segment(self, host: str, port: int, name: str, timeout: float) -> bool:
        return True

    def remote_user(self, host: str, port: int, timeout: float, as_client: bool = False) -> str:
        return "postgres"

    def remote_size(self, host: str, port: int, timeout: float) -> int:
        return 0

    def perform(self, op: Op) -> OpResult:
        def inspect(run: Callable[..., str]) -> Inspection:
            return Inspection(run, self.volume, frozenset())

        me: Any = self
        tools = Tools(me, me, me, me, self.volume, inspect, 5432, 60)
        return attempt(Operation(tools, Run(1, ORDERS[op], 7), "n1"))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "pgdata" / "pg_wal").mkdir(parents=True)
    (tmp_path / "pgdata" / "PG_VERSION").write_text("15\n")
    Volume(tmp_path, "15", "pg_wal").write_marker(Marker("old", "7000"))
    return tmp_path


def test_a_rewind_is_marked_while_it_lasts(base: Path) -> None:
    release = Release(base)
    assert release.perform(Op.REWIND).outcome is Outcome.OK
    assert release.calls == [("checkpoint of the source", False), ("rewind", True)]
    assert release.volume.assess().state is VolumeState.DATA


def test_a_rewind_that_breaks_off_leaves_a_volume_that_is_never_started(base: Path) -> None:
    release = Release(base, fails="rewind")
    assert release.perform(Op.REWIND).outcome is Outcome.FAILED
    assert release.volume.assess().state is VolumeState.DAMAGED
    release.calls.clear()
    assert release.perform(Op.START).outcome is Outcome.FAILED
    assert release.calls == []


@pytest.mark.parametrize(
    ("fails", "answer"),
    [
        ("connect", ""),
        ("rewind", 'exit code 1: pg_rewind: error: connection to server at "10.0.0.1", port 5432 failed: FATAL:  sorry, too many clients'),
        ("rewind", "exit code 1: pg_rewind: fatal: could not connect to server: FATAL:  sorry, too many clients already"),
    ],
)
def test_a_rewind_that_gets_no_connection_has_touched_nothing(base: Path, fails: str, answer: str) -> None:
    release = Release(base, fails=fails, answer=answer)
    result = release.perform(Op.REWIND)
    assert result.outcome is Outcome.BUSY
    assert "too many clients" in result.text
    assert release.volume.assess().state is VolumeState.DATA


def test_a_rewind_waits_for_the_sources_checkpoint_on_its_timeline(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewind, "SOURCE_CHECKPOINT_S", 0.0)
    release = Release(base, timeline=2)
    assert release.perform(Op.REWIND).text == "the primary's last checkpoint is on timeline 2, not yet on 3"
    assert {call for call, _ in release.calls} == {"checkpoint of the source"}


def test_a_rewind_goes_on_as_soon_as_the_source_has_its_checkpoint(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary makes a checkpoint on its own: replicas have no right to request one."""
    release = Release(base, timeline=2)
    monkeypatch.setattr(release, "sleep", lambda seconds: setattr(release, "timeline", 3))
    assert release.perform(Op.REWIND).outcome is Outcome.OK
    assert [call for call, _ in release.calls] == ["checkpoint of the source", "checkpoint of the source", "rewind"]


def test_a_clone_is_another_volume(base: Path) -> None:
    release = Release(base)
    assert release.perform(Op.CLONE).outcome is Outcome.OK
    marker = release.volume.marker()
    assert marker is not None
    assert marker.uuid != "old"
    assert ("clone", True) in release.calls
    assert release.volume.assess().state is VolumeState.DATA


def test_a_clone_that_fails_leaves_a_sound_volume_sound_and_a_dirty_one_dirty(base: Path) -> None:
    release = Release(base, fails="clone")
    assert release.perform(Op.CLONE).outcome is Outcome.FAILED
    assert release.volume.marker() == Marker("old", "7000")
    assert release.volume.assess().state is VolumeState.DATA
    release.volume.set_dirty()
    release.perform(Op.CLONE)
    assert release.volume.assess().state is VolumeState.DAMAGED


def test_a_higher_term_that_only_the_supervisor_has_heard_is_taken_over(base: Path) -> None:
    """A previous agent sent it; the Lease with that term is gone."""
    release = Release(base, fails="seal", answer="refused term 7 is below 12")
    assert release.perform(Op.SEAL).outcome is Outcome.FAILED
    assert release.volume.term() == 12


@pytest.mark.parametrize("op", [Op.SEAL, Op.FOLLOW])
def test_a_term_that_the_supervisor_has_heard_is_kept(base: Path, op: Op) -> None:
    release = Release(base)
    release.perform(op)
    assert op.value in [call for call, _ in release.calls]
    assert release.volume.term() == 7
