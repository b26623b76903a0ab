"""How often a primary makes a checkpoint before a switchover, with a fake server that takes its time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.volume import Volume
from hapg_failover.core.state.actions import Prepare, Run
from hapg_failover.core.state.results import Outcome
from hapg_failover.operations.dispatch import attempt
from hapg_failover.operations.operation import Operation
from hapg_failover.operations.tools import Tools

LIMIT_S = 30.0


class Primary:
    """Its checkpoints take these times, one after the other; only they advance the clock."""

    def __init__(self, took: list[float]) -> None:
        self.left = took
        self.time = 100.0
        self.made = 0

    def now(self) -> float:
        return self.time

    def checkpoint(self, timeout: float) -> None:
        assert timeout == LIMIT_S
        self.time += self.left.pop(0)
        self.made += 1


@pytest.mark.parametrize(
    ("took", "made"),
    [
        ([0.2], 1),
        ([0.9, 0.24], 2),
        ([8.0, 1.6, 0.5, 0.2], 4),
        ([8.0, 1.6, 0.9, 0.7, 0.2], 4),
        ([29.0, 6.0, 0.9], 2),
    ],
    ids=["idle", "some load", "much load", "no end to it", "its time is over"],
)
def test_a_checkpoint_is_repeated_for_what_was_written_during_a_long_one(took: list[float], made: int, tmp_path: Path) -> None:
    primary = Primary(list(took))
    nothing: Any = Mock()
    tools = Tools(cast("Any", primary), nothing, nothing, cast("Any", primary), Volume(tmp_path, "15", "pg_wal"), nothing, 5432, 60)
    assert attempt(Operation(tools, Run(1, Prepare(LIMIT_S), 7), "n1")).outcome is Outcome.OK
    assert primary.made == made
