"""The way onto the primary's timeline."""

from __future__ import annotations

import pytest

from hapg_failover.core.rejoin import Way, plan
from hapg_protocol.lsn import Position

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


@pytest.mark.parametrize(
    ("own", "way", "words"),
    [
        (Position(4, 0x2500), Way.REWIND, "the primary is on 3"),
        (Position(3, 0x2500), Way.CLONE, "the primary has a different one of that number"),
        (Position(2, 0x1FFF), Way.CLONE, "the primary has a different one of that number"),
    ],
)
def test_the_way_of_a_server_that_somebody_else_has_promoted(own: Position, way: Way, words: str) -> None:
    """Its number may have been reserved for another timeline, and both may have begun at the same LSN."""
    found = plan(own, 3, HISTORY, HISTORY, foreign=True)
    assert found.way is way
    assert words in found.reason
