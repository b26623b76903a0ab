"""An intact former primary whose successor fails early."""

from __future__ import annotations

import pytest

from . import faults, scenarios
from .scenarios import primary_of, wait_until
from .seeds import seeds
from .server import Server

SEEDS = seeds(6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_former_primary_takes_over_again_if_its_successor_never_wrote(seed: int) -> None:
    world = scenarios.successor_lost(seed)
    assert world.primary() == 0
    assert world.lost[-1] == []
    world.settle()
    assert world.violations == []
    assert world.primary() == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_it_does_not_once_its_successor_has_written(seed: int) -> None:
    world = scenarios.successor_lost(seed, wrote_for=5.0)
    assert world.primary() is None
    world.settle()
    assert world.violations == []
    assert primary_of(world) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_what_it_wrote_before_it_was_replaced_keeps_nobody_from_a_later_failover(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It becomes the primary again, and its promotion hangs: in its renewals it must not name WAL that was rewound away."""
    world = scenarios.back_with_less(seed)
    assert primary_of(world) != 0
    with monkeypatch.context() as hangs:
        hangs.setattr(Server, "_writable", lambda *_: None)
        faults.switchover(world, primary_of(world), 0)
        wait_until(world, lambda: world.server[0].state == "primary")
        world.run(5.0)
    world.settle(200.0)
    assert world.violations == []
