"""Breadth-first search of a model's states: the first trace to a violation is a shortest one."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Moves = Callable[[int], Iterable[tuple[str, int]]]
Test = Callable[[int], bool]


@dataclass(frozen=True)
class Search:
    """The result. parents: every visited state, and the one it was reached from; complete: no state is left unvisited; trace: the moves
    to the first bad state, () if there is none.
    """

    parents: dict[int, int]
    complete: bool
    trace: tuple[str, ...]


def search(start: int, moves: Moves, bad: Test, limit: int = 1 << 60) -> Search:
    """Visit every state reachable from `start` by `moves`, until one is bad or more than `limit` are known."""
    parents = {start: start}
    level = [start]
    while level:
        following: list[int] = []
        for state in level:
            for _, reached in moves(state):
                if reached not in parents:
                    parents[reached] = state
                    if bad(reached):
                        return Search(parents, complete=False, trace=_trace(parents, moves, reached))
                    following.append(reached)
        if len(parents) > limit:
            return Search(parents, complete=False, trace=())
        level = following
    return Search(parents, complete=True, trace=())


def _trace(parents: dict[int, int], moves: Moves, state: int) -> tuple[str, ...]:
    steps: list[str] = []
    while parents[state] != state:
        before = parents[state]
        steps.append(next(label for label, reached in moves(before) if reached == state))
        state = before
    return tuple(reversed(steps))


def avoiding(states: Iterable[int], moves: Moves, good: Test) -> list[int]:
    """Return the states from which some run of `moves` never reaches a good one: it loops forever, or can't continue."""
    left: dict[int, int] = {}
    before: dict[int, list[int]] = {}
    done: list[int] = []
    for state in states:
        if good(state):
            continue
        ahead = {reached for _, reached in moves(state) if not good(reached)}
        left[state] = len(ahead)
        for reached in ahead:
            before.setdefault(reached, []).append(state)
        if not ahead and any(True for _ in moves(state)):
            done.append(state)
    while done:
        state = done.pop()
        if left.pop(state, None) is None:
            continue
        for earlier in before.get(state, ()):
            if earlier in left:
                left[earlier] -= 1
                if left[earlier] == 0:
                    done.append(earlier)
    return list(left)
