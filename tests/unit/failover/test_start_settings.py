"""Which settings need a restart, as far as the configurations and the control file tell."""

from __future__ import annotations

import pytest

from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_failover.core.state.start_settings import StartSettings, compare
from hapg_failover.events import OperationEnded, StartSettingsSeen, VolumeFacts
from hapg_failover.world import World
from hapg_protocol.model import VolumeState
from hapg_protocol.start_settings import RELOADED, Shown, decode

RECORDED = {"max_connections": 100, "max_wal_senders": 99, "max_worker_processes": 8, "max_prepared_transactions": 0}
FACTS = VolumeFacts(VolumeState.EMPTY, None, None, 0)


def conf(*settings: str, reloaded: str = "work_mem = '4MB'") -> str:
    return "\n".join(("# a comment", "max_wal_senders = 99", *settings, RELOADED, reloaded)) + "\n"


def found(before: str, after: str) -> StartSettings:
    settings = compare(before, after, RECORDED)
    assert settings is not None
    return settings


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (conf("a = 1", "b = 2"), conf("b = 2", "", "# another comment", "A = 1")),
        (conf("a = 1"), conf("a = 1", reloaded="work_mem = '8MB'")),
        (conf("a = 1"), conf("a = 2", "a = 1")),
    ],
    ids=["order, comments and case", "below the line", "the last counts"],
)
def test_nothing_to_restart_for(before: str, after: str) -> None:
    assert not found(before, after).changed


@pytest.mark.parametrize("after", [conf("a = 2"), conf(), conf("a = 1", "b = 1")], ids=["another value", "left out", "added"])
def test_something_to_restart_for(after: str) -> None:
    assert found(conf("a = 1"), after).changed


@pytest.mark.parametrize("text", [None, "max_connections = 100\n"], ids=["no file", "a file of an earlier chart"])
def test_what_can_not_be_compared_restarts_nothing(text: str | None) -> None:
    assert compare(text, conf(), {}) is None
    assert compare(conf(), text, {}) is None


@pytest.mark.parametrize(
    ("before", "after", "lacks", "raises"),
    [
        ("max_connections = 100", "max_connections = 101", False, True),
        ("max_connections = 100", "max_connections = '99'", True, False),
        ("max_connections = 100", "max_connections = 100", False, False),
        ("max_connections = 50", "max_connections = 60", True, True),
        ("shared_buffers = 1GB", "shared_buffers = 1MB", False, False),
        ("max_worker_processes = 8", "", False, False),
        ("max_worker_processes = 9", "", False, False),
        ("", "max_worker_processes = 7", True, False),
        ("", "max_prepared_transactions = 1", False, True),
        ("", "max_locks_per_transaction = 1", False, False),
        ("", "max_connections = 0x10", False, False),
    ],
)
def test_limits(before: str, after: str, lacks: bool, raises: bool) -> None:
    """The control file tells whether a limit would be too low; one that it doesn't show, or in another notation, counts for nothing."""
    settings = found(conf(before), conf(after))
    assert (settings.lacks, settings.raises) == (lacks, raises)


def test_what_a_pod_shows() -> None:
    shown = Shown("0123456789abcdef", "fedcba9876543210")
    assert decode(shown.encode()) == shown
    assert decode(None) is decode("") is decode("0123456789abcdef") is decode('{"running": "x"}') is None
    settings = found(conf("a = 1"), conf("a = 2"))
    assert decode(Shown(settings.running, settings.wanted).encode()) is not None


def test_a_look_from_before_an_operation_does_not_outlast_it() -> None:
    """Otherwise a server that has just restarted would seem to need it, and restart again."""
    world = World(FACTS)
    before, after = found(conf("a = 1"), conf("a = 2")), found(conf("a = 2"), conf("a = 2"))
    world.apply(StartSettingsSeen(before, 1.0))
    world.apply(OperationEnded(OpResult(1, Op.START, Outcome.OK, "n"), FACTS, "data volume", 1, after, 3.0))
    world.apply(StartSettingsSeen(before, 2.0))
    assert world.start_settings == after
    world.apply(StartSettingsSeen(before, 4.0))
    assert world.start_settings == before
