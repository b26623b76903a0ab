"""Where the time of a failover goes, from what the agents log."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence

from tests.robustness.agents import Line

PHASES = ("detect", "fence", "seal", "report", "claim", "promote", "label", "endpoints", "first_write")
"""In their order. Each ends with what it is named after:

detect: an agent knows that the primary has ended, or that it must have; fence: the old server is proven dead and the Lease
given back, or else it has run out; seal: the new primary has stopped receiving WAL; report: its position stands on its pod; claim:
the Lease is its own; promote: its server writes; label: its pod has the role; endpoints: the Service leads to it; first_write: a
client that uses the Service is told of its first row.
"""


POSITION_REPORT = "ha-postgres/position-report"


def marks(log: Sequence[Line], injected: float, old: str, new: str, end: float) -> dict[str, float]:
    """When each phase ended that the agents know of; those that the log doesn't show are left out.

    log: by time; injected: when the fault was begun; old, new: the pods of the primaries; end: when the client's wait was over.
    """
    lines = [line for line in log if injected <= line.at <= end]
    promoted = _last(lines, lambda line: line.pod == new and line.operation == "promote")
    upto = [line for line in lines if promoted is None or line.at <= promoted]
    claimed = _last(upto, lambda line: line.pod == new and line.is_put("claim"))
    asked = _last(upto, lambda line: line.pod == new and line.orders("claim"))
    released = _last(upto, lambda line: line.pod == old and line.is_put("release"))
    found = {
        "detect": _first(lines, lambda line: _is_detection(line, old)),
        "fence": released if released is not None else asked,
        "seal": _last(_before(upto, asked), lambda line: line.pod == new and line.operation in ("seal", "start")),
        "report": _last(_before(upto, claimed), lambda line: line.pod == new and line.event == "patch" and _reports(line)),
        "claim": claimed,
        "promote": promoted,
        "label": _first(lines, lambda line: line.event == "patch" and line.fields.get("pod_patched") == new and _is_primary(line)),
    }
    return {name: at for name, at in found.items() if at is not None}


def durations(found: dict[str, float], begin: float, end: float) -> dict[str, float]:
    """How long each phase kept the client waiting, in seconds; together they are its wait.

    found: when they ended; begin, end: of the wait. What was over before a phase that comes earlier in the order cost nothing.
    """
    spent, at = {}, begin
    for name in PHASES:
        if name == "first_write":
            spent[name] = end - at
        elif name in found:
            then = min(max(at, found[name]), end)
            spent[name], at = then - at, then
    return spent


def medians(all_durations: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of each phase over all times that show it, in seconds."""
    every = list(all_durations)
    shown = [name for name in PHASES if any(name in each for each in every)]
    return {name: round(statistics.median(each[name] for each in every if name in each), 3) for name in shown}


def _first(lines: Iterable[Line], wanted: Callable[[Line], bool]) -> float | None:
    return next((line.at for line in lines if wanted(line)), None)


def _last(lines: Iterable[Line], wanted: Callable[[Line], bool]) -> float | None:
    return max((line.at for line in lines if wanted(line)), default=None)


def _before(lines: Iterable[Line], at: float | None) -> list[Line]:
    return [line for line in lines if at is None or line.at <= at]


def _is_detection(line: Line, old: str) -> bool:
    ended = line.pod == old and line.event == "decision" and line.fields.get("phase") in ("down", "stopping")
    told = line.event == "supervisor" and line.fields.get("result") in ("died", "fenced")
    return ended or told or line.orders("seal")


def _reports(line: Line) -> bool:
    return POSITION_REPORT in (line.fields.get("annotations") or ())


def _is_primary(line: Line) -> bool:
    return "primary" in (line.fields.get("labels") or {}).values()
