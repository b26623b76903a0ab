"""Hypothesis chooses the faults and the pauses between them; the invariants hold at every event, and in the end the release is healthy.

HYPOTHESIS_PROFILE=nightly takes 200,000 steps and more.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from .settings import postgresql_conf
from .walk import FAULTS, apply
from .world import World

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


class Release(RuleBasedStateMachine):
    """One release; each rule is a fault or a pause."""

    world: World | None = None

    @initialize(replicas=st.integers(2, 5), seed=st.integers(0, 10_000), fresh=st.booleans())
    def begin(self, replicas: int, seed: int, fresh: bool) -> None:
        self.world = World(replicas, seed, fresh=fresh)
        self.world.set_up(postgresql_conf(100, 128))
        self.world.run(15.0)

    @precondition(lambda self: self.world is not None)
    @rule(name=st.sampled_from(sorted(FAULTS)), member=st.integers(0, 4), pause=st.floats(0.0, 8.0))
    def fault(self, name: str, member: int, pause: float) -> None:
        assert self.world is not None
        apply(self.world, name, member % self.world.replicas)
        self.world.run(pause)

    @precondition(lambda self: self.world is not None)
    @rule(name=st.sampled_from(sorted(FAULTS)), pause=st.floats(0.0, 8.0))
    def fault_of_the_primary(self, name: str, pause: float) -> None:
        assert self.world is not None
        primary = self.world.primary()
        apply(self.world, name, primary if primary is not None else 0)
        self.world.run(pause)

    @invariant()
    def nothing_is_violated(self) -> None:
        assert self.world is None or self.world.violations == []

    def teardown(self) -> None:
        if self.world is not None and not self.world.violations:
            self.world.settle(400.0)
            self.nothing_is_violated()


Release.TestCase.settings = settings(max_examples=5000 if NIGHTLY else 25, stateful_step_count=50 if NIGHTLY else 25, deadline=None)
TestRelease = pytest.mark.slow(pytest.mark.timeout(8 * 3600 if NIGHTLY else 900)(Release.TestCase))
