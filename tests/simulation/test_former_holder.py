"""An intact former primary whose successor fails early."""

from __future__ import annotations

import pytest

from . import scenarios
from .scenarios import primary_of
from .seeds import seeds

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
