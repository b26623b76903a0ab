"""Whether a live server can be cloned into a release, and what the release does while it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.decide import decide
from hapg_failover.core.seeding import SourceState, major_of, problem
from hapg_failover.core.state.actions import Annotate, Announce, Op, Run
from hapg_failover.core.state.phases import Phase
from hapg_failover.core.state.results import OpResult, Outcome
from hapg_protocol.model import Pod, VolumeState

from .test_decide import MINE, lease, remembered, seen

GOOD = SourceState(150004, 1 << 30)


@pytest.mark.parametrize(("version", "major"), [(90624, "9.6"), (120001, "12"), (150004, "15"), (180000, "18")])
def test_the_major_of_a_version(version: int, major: str) -> None:
    assert major_of(version) == major


@pytest.mark.parametrize(
    ("state", "sentence"),
    [
        (GOOD, ""),
        (SourceState(160000), "has PostgreSQL 16, this is the chart of PostgreSQL 15: a clone needs the same major"),
        (replace(GOOD, may_copy=False), "lets me not replicate: ALTER ROLE me REPLICATION"),
        (replace(GOOD, has_superuser=False), "has no role postgres that is a superuser and may log in"),
        (replace(GOOD, has_database=False), "has no database postgres that accepts connections"),
        (replace(GOOD, tablespaces=("a", "b")), "move everything in a, b to pg_default and drop them"),
    ],
)
def test_what_keeps_a_server_from_being_cloned(state: SourceState, sentence: str) -> None:
    found = problem(state, "15", "me")
    assert sentence in found
    assert bool(found) == bool(sentence)


EMPTY = seen(
    volume_state=VolumeState.EMPTY,
    volume=None,
    system_identifier=None,
    server="down",
    lease=lease(replace(MINE, system_identifier=None, eligible=())),
    seeded=True,
)


def test_the_first_server_is_a_clone_if_the_release_says_so() -> None:
    decision = decide(EMPTY, remembered(Phase.EMPTY))
    assert [action.op for action in decision.actions if isinstance(action, Run)] == [Op.SEED]


def test_a_failure_is_an_event_and_is_shown_on_the_pod_until_it_succeeds() -> None:
    own = Pod("pg-1", "u1", "1", 1, "10.0.0.2", role="replica")
    memory = remembered(Phase.EMPTY, op=Op.SEED, op_number=1)
    failed = decide(replace(EMPTY, pods=(own,), op=OpResult(1, Op.SEED, Outcome.FAILED, "n1", "it is away")), memory)
    [event] = [action for action in failed.actions if isinstance(action, Announce)]
    assert event.reason == "CloneFailed"
    assert "it is away; nothing is kept; next attempt in" in event.message
    shown = [action.annotations for action in failed.actions if isinstance(action, Annotate)]
    assert (("ha-postgres/not-created", "seed failed: it is away"),) in shown
    assert failed.memory.telling.uncreated == "seed failed: it is away"
