"""Replaying a recorded run from its events alone gives the same decisions, byte for byte."""

from __future__ import annotations

import pytest

from . import faults
from .recording import replay
from .scenarios import primary_of
from .world import World


def of_a_failover(seed: int) -> World:
    world = World(3, seed)
    world.record()
    world.settle(60.0)
    faults.power_off(world, primary_of(world))
    world.run(20.0)
    world.settle(60.0)
    return world


@pytest.mark.parametrize("seed", range(3))
def test_every_decision_of_a_failover_is_made_again(seed: int) -> None:
    world = of_a_failover(seed)
    assert len(world.recordings) == 4  # one agent was restarted with its node
    for recording in world.recordings:
        assert replay(recording.lines) == recording.lines


def test_a_decision_that_differs_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    recording = of_a_failover(0).recordings[1]
    monkeypatch.setattr("hapg_failover.core.election.REPORT_WAIT_S", 3.0)
    assert replay(recording.lines) != recording.lines
