"""The model of synchronous replication: nothing is lost in any order of events, but something is lost if any one rule is left out.

Complete: every state within the bounds of `Bounds` and `State` is visited, one for all that differ only in the members' numbers.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from .sync import Bounds, Model, Rules, State, alike, begin, lost, renamed, search

ONE, TWO = Bounds(length=2, term=3, k=1), Bounds(length=1, term=3, k=2)
FOUR = begin(record=0b1110, members=4)
# k = 1 tolerates one lost volume, but not two; changes of the set are bounded with four members, which have many states.
RULES = [
    ("record_first", ONE, begin(record=0b010)),
    ("setting_first", ONE, begin()),
    ("barrier", ONE, begin()),
    ("copied", ONE, begin()),
    ("all_read", ONE, begin()),
    ("exact", ONE, begin()),
    ("bound", ONE, begin()),
    ("sealed_start", ONE, begin()),
    ("by_volume", ONE, begin(losses=1)),
    ("record_first", TWO, begin(record=0b0110, members=4)),
    ("setting_first", TWO, FOUR),
    ("barrier", TWO, FOUR),
    ("copied", TWO, FOUR._replace(changes=1)),
    ("all_read", TWO, FOUR._replace(changes=1)),
    ("bound", TWO, FOUR._replace(changes=1)),
    ("sealed_start", TWO, FOUR._replace(changes=1)),
    ("by_volume", TWO, FOUR._replace(changes=1, losses=1)),
]


@pytest.mark.parametrize(("bounds", "start"), [(ONE, begin(losses=1)), (TWO, FOUR._replace(losses=1))], ids=["of 2", "of 3"])
def test_no_rule_depends_on_the_members_numbers(bounds: Bounds, start: State) -> None:
    """So one state stands for all that differ only in these. Seen for every move from the states nearest to the start."""
    model = Model(Rules(), bounds)
    known, left = {start}, [start]
    for s in left:
        for order in itertools.permutations(range(len(s.members))):
            other = renamed(s, order)
            assert alike(other) == alike(s)
            assert lost(other) == lost(s)
            assert {after for _, after in model.steps(other)} == {renamed(after, order) for _, after in model.steps(s)}
        if len(known) < 300:
            ahead = {after for _, after in model.steps(s)} - known
            known |= ahead
            left += ahead
    assert len(known) >= 300


@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        (replace(ONE, length=1), begin()),
        (TWO, begin()),
        (replace(TWO, term=2), FOUR._replace(renewals=0, restarts=0, changes=1)),
    ],
    ids=["k = 1 of 2", "k = 2 of 2", "k = 2 of 3"],
)
def test_nothing_acknowledged_is_lost_in_a_short_life(bounds: Bounds, start: State) -> None:
    states, trace = search(Rules(), bounds, start)
    assert trace is None, trace
    assert states > 2_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bounds", "start"),
    [
        pytest.param(ONE, begin(), id="k = 1 of 2"),
        pytest.param(ONE, begin(losses=1), id="k = 1 of 2, a volume lost", marks=pytest.mark.thorough),
        pytest.param(TWO, begin(losses=1), id="k = 2 of 2, a volume lost"),
        pytest.param(TWO, begin(losses=2)._replace(changes=0), id="k = 2 of 2, two lost"),
        pytest.param(replace(TWO, term=2), FOUR, id="k = 2 of 3", marks=pytest.mark.thorough),
        pytest.param(replace(TWO, term=2), FOUR._replace(losses=2, changes=0), id="k = 2 of 3, two lost", marks=pytest.mark.thorough),
    ],
)
def test_nothing_acknowledged_is_lost(bounds: Bounds, start: State) -> None:
    states, trace = search(Rules(), bounds, start)
    assert trace is None, trace
    assert states > 10_000


@pytest.mark.parametrize(("rule", "bounds", "start"), RULES, ids=[f"{rule}, k = {bounds.k}" for rule, bounds, _ in RULES])
def test_each_rule_is_needed(rule: str, bounds: Bounds, start: State) -> None:
    _, trace = search(replace(Rules(), **{rule: False}), bounds, start)
    assert trace is not None, f"nothing is lost without {rule}"
