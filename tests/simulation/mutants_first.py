"""The rules for a release's first server, removed one at a time."""

from __future__ import annotations

import pytest

from hapg_failover.core import bootstrap, startup
from hapg_failover.core.election import Verdict
from hapg_failover.core.state.decision import Step
from hapg_protocol.model import Pod, Release


def anybody_creates(patch: pytest.MonkeyPatch) -> None:
    """Whichever pod is first creates the first server."""
    judge = bootstrap.judge_bootstrap

    def any_ordinal(ordinal: int, replicas: int, version: str, pods: tuple[Pod, ...]) -> Verdict:
        return judge(0, replicas, version, pods)

    patch.setattr(bootstrap, "judge_bootstrap", any_ordinal)


def restored_timelines_are_unreserved(patch: pytest.MonkeyPatch) -> None:
    """A pod whose server was restored releases the Lease as after an initdb."""
    release = Step.release

    def as_after_initdb(self: Step, why: str, record: Release, begun: int = 0) -> None:
        release(self, why, record)

    patch.setattr(Step, "release", as_after_initdb)


def unmarked_ones_are_damaged(patch: pytest.MonkeyPatch) -> None:
    """The first server's directory that was finished and not marked counts as damaged."""
    patch.setattr(startup, "created_unmarked", lambda step: False)
