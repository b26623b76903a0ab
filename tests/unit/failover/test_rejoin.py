"""The way onto the primary's timeline."""

from __future__ import annotations

import pytest

from hapg_failover.core.lsn import Position
from hapg_failover.core.rejoin import Way, plan

HISTORY = ((1, 0x1000), (2, 0x2000))


@pytest.mark.parametrize(
    ("own", "timeline", "way", "words"),
    [
        (Position(3, 0x2500), 3, Way.FOLLOW, "on the primary's timeline 3"),
        (Position(2, 0x2000), 3, Way.FOLLOW, "not past the fork at 0/2000"),
        (Position(2, 0x1FFF), 3, Way.FOLLOW, "not past the fork at 0/2000"),
        (Position(2, 0x2001), 3, Way.REWIND, "1 bytes past the fork at 0/2000"),
        (Position(1, 0x1800), 3, Way.REWIND, "2048 bytes past the fork at 0/1000"),
        (Position(4, 0x100), 5, Way.REWIND, "our timeline 4 isn't in the history of 5"),
        (Position(4, 0x100), 3, Way.REWIND, "our timeline 4 was never reserved: the primary is on 3"),
    ],
)
def test_the_way(own: Position, timeline: int, way: Way, words: str) -> None:
    found = plan(own, timeline, HISTORY)
    assert found.way is way
    assert words in found.reason
