"""The phases of a failover, from the agents' logs."""

from __future__ import annotations

import pytest

from tests.bench import phases, watching
from tests.robustness import agents
from tests.robustness.agents import Line

OLD, NEW = "pg-0", "pg-1"


def decision(at: float, pod: str, *actions: str, phase: str = "follow") -> Line:
    return Line(at, pod, {"event": "decision", "phase": phase, "actions": list(actions)})


def operation(at: float, pod: str, op: str, outcome: str = "ok") -> Line:
    return Line(at, pod, {"event": "operation", "op": op, "outcome": outcome})


def put(at: float, pod: str, kind: str, outcome: str = "ok") -> Line:
    return Line(at, pod, {"event": "put", "kind": kind, "outcome": outcome})


def report(at: float, pod: str) -> Line:
    return Line(at, pod, {"event": "patch", "pod_patched": pod, "annotations": [phases.POSITION_REPORT]})


def label(at: float, by: str, pod: str, role: str) -> Line:
    return Line(at, by, {"event": "patch", "pod_patched": pod, "labels": {"role": role}})


DEATH = [
    Line(10.1, OLD, {"event": "supervisor", "result": "died"}),
    decision(10.1, OLD, "release", "start", phase="down"),
    put(10.12, OLD, "release"),
    decision(10.13, NEW, "seal"),
    decision(10.13, "pg-2", "seal"),
    operation(10.15, NEW, "seal"),
    report(10.2, NEW),
    decision(10.21, NEW, "claim", phase="claiming"),
    put(10.25, NEW, "claim"),
    operation(10.35, NEW, "promote"),
    label(10.4, NEW, NEW, "primary"),
    label(10.45, NEW, OLD, "replica"),
    operation(10.9, OLD, "seal"),
]


def test_a_death_in_office_is_told_phase_by_phase() -> None:
    found = phases.marks(DEATH, 10.0, OLD, NEW, 10.6)
    assert found == {
        "detect": 10.1,
        "fence": 10.12,
        "seal": 10.15,
        "report": 10.2,
        "claim": 10.25,
        "promote": 10.35,
        "label": 10.4,
    }


def test_what_was_logged_before_the_fault_does_not_count() -> None:
    earlier = [operation(9.0, NEW, "promote"), label(9.1, NEW, NEW, "primary"), decision(9.2, NEW, "seal")]
    assert phases.marks([*earlier, *DEATH], 10.0, OLD, NEW, 10.6) == phases.marks(DEATH, 10.0, OLD, NEW, 10.6)


def test_without_a_release_the_old_right_ends_when_the_new_one_is_asked_for() -> None:
    silent = [
        decision(13.5, NEW, "seal"),
        operation(13.8, NEW, "seal"),
        report(13.9, NEW),
        decision(16.2, NEW, "claim", phase="claiming"),
        put(16.3, NEW, "claim"),
        operation(16.5, NEW, "promote"),
    ]
    found = phases.marks(silent, 10.0, OLD, NEW, 17.0)
    assert found["fence"] == 16.2
    spent = phases.durations(found, 10.0, 17.0)
    assert spent == pytest.approx(
        {"detect": 3.5, "fence": 2.7, "seal": 0.0, "report": 0.0, "claim": 0.1, "promote": 0.2, "first_write": 0.5}
    )


def test_a_claim_that_was_lost_is_not_the_one() -> None:
    found = phases.marks(
        [put(10.5, NEW, "claim", "conflict"), put(11.0, NEW, "claim"), operation(11.2, NEW, "promote")], 10.0, OLD, NEW, 12
    )
    assert found["claim"] == 11.0
    assert phases.marks([operation(11.0, NEW, "promote", "failed")], 10.0, OLD, NEW, 12) == {}


def test_phases_are_together_the_wait() -> None:
    found = {"detect": 4.0, "fence": 6.0, "claim": 5.0, "endpoints": 9.5}
    spent = phases.durations(found, 5.0, 9.0)
    assert spent == {"detect": 0.0, "fence": 1.0, "claim": 0.0, "endpoints": 3.0, "first_write": 0.0}
    assert sum(spent.values()) == 4.0


def test_medians_are_of_those_times_that_show_a_phase() -> None:
    assert phases.medians([{"detect": 1.0, "first_write": 3.0}, {"first_write": 5.0}]) == {"detect": 1.0, "first_write": 4.0}
    assert phases.medians([]) == {}


def test_lines_of_an_agent_are_understood() -> None:
    line = agents.parse("pg-0", '{"ts": "2026-01-01T00:00:00.500Z", "event": "put", "kind": "claim", "outcome": "ok"}\n')
    assert line is not None
    assert line.at == 1767225600.5
    assert line.is_put("claim")
    assert agents.parse("pg-0", "Traceback (most recent call last):") is None
    assert agents.parse("pg-0", '"text"') is None


def test_a_slice_leads_to_the_addresses_that_are_ready() -> None:
    lines = [(1.0, "10.0.0.1|true\n"), (2.0, "|\n"), (3.0, "10.0.0.2 10.0.0.1|false true\n"), (4.0, "10.0.0.2 10.0.0.1|true false\n")]
    assert watching.leads_to(lines, "10.0.0.1", 0.0) == 1.0
    assert watching.leads_to(lines, "10.0.0.1", 1.5) == 3.0
    assert watching.leads_to(lines, "10.0.0.2", 0.0) == 4.0
    assert watching.leads_to(lines, "10.0.0.3", 0.0) is None
