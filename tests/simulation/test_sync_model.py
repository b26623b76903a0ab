"""The model of synchronous sets: nothing is lost in any order, and something is as soon as one of the rules is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .sync_model import Bounds, Rules, State, begin, search

RULES = [
    ("record_first", begin(record=0b010)),
    ("setting_first", begin()),
    ("barrier", begin()),
    ("copied", begin()),
    ("all_read", begin()),
    ("exact", begin()),
    ("bound", begin()),
    ("sealed_start", begin()),
    ("by_volume", begin(losses=1)),
]


def test_nothing_acknowledged_is_lost_in_a_short_life() -> None:
    states, trace = search(Rules(), Bounds(length=1, term=3), begin())
    assert trace is None, trace
    assert states > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("start", [begin(), begin(losses=1)], ids=["volumes live", "a volume is lost"])
def test_nothing_acknowledged_is_lost(start: State) -> None:
    states, trace = search(Rules(), Bounds(length=2, term=3), start)
    assert trace is None, trace
    assert states > 100_000


@pytest.mark.parametrize(("rule", "start"), RULES, ids=[rule for rule, _ in RULES])
def test_each_rule_is_needed(rule: str, start: State) -> None:
    _, trace = search(replace(Rules(), **{rule: False}), Bounds(length=2, term=3), start)
    assert trace is not None, f"nothing is lost without {rule}"
