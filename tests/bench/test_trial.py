"""How a trial evaluates its writers' answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.bench.trial import Trial
from tests.robustness.release import Pod
from tests.robustness.traffic.writers import Append, Log
from tests.robustness.validate import writes

OLD = Pod("pg-0", "uid", "node1", "10.0.0.1", "primary", "Running", True, False, 0, {})


def log(writer: str, *appends: tuple[int, float, int], refused: tuple[int, ...] = ()) -> Log:
    """A log of (id, moment, timeline)."""
    return Log(writer, [Append(id, moment, moment, f"server-{timeline}", timeline) for id, moment, timeline in appends], list(refused))


DONE = Trial(
    old=OLD,
    injected=1.5,
    ended=12.0,
    service=log("service", (1, 0.0, 1), (2, 1.0, 1), (3, 2.0, 1), (4, 8.0, 2), (5, 11.9, 2)),
    direct=log("direct", (1, 0.0, 1), (2, 5.0, 2), (3, 11.9, 2)),
    pinned=log("pinned", (1, 0.0, 1), (2, 9.0, 1), refused=(3,)),
    present={"service": [1, 2, 4, 5], "direct": [1, 2, 3], "pinned": [1]},
    phases={},
    recovery=3.0,
    recovered=True,
    stuck=False,
)


def test_losses_of_a_tail_and_acknowledgements_by_two_servers_are_figures() -> None:
    found = DONE.measurement
    assert (found.gap_s, found.direct_gap_s) == (6.0, 6.9)
    assert (found.lost, found.lost_pinned, found.split_brain_acks, found.anomalies) == (1, 1, 1, 0)


def test_only_what_ends_after_the_fault_is_its_gap() -> None:
    service = log("service", (1, 0.0, 1), (2, 7.0, 1), (3, 7.1, 1), (4, 9.0, 2), (5, 11.9, 2))
    assert replace(DONE, service=service, injected=7.05).measurement.gap_s == pytest.approx(2.9)
    assert replace(DONE, service=service, injected=6.0).measurement.gap_s == 7.0


def test_promotions_are_the_timelines_that_were_begun() -> None:
    assert DONE.measurement.promotions == 1
    again = log("direct", (1, 0.0, 1), (2, 5.0, 2), (3, 11.9, 4))
    assert replace(DONE, direct=again).measurement.promotions == 3
    stayed = log("service", (1, 0.0, 1), (2, 11.9, 1))
    assert replace(DONE, service=stayed, direct=log("direct", (1, 0.0, 1))).measurement.promotions == 0


def test_a_hole_and_a_refused_row_that_is_there_are_anomalies() -> None:
    found = replace(DONE, present={**DONE.present, "service": [1, 3, 4, 5], "pinned": [1, 2, 3]}).measurement
    assert (found.lost, found.lost_pinned, found.anomalies) == (1, 0, 2)


def test_a_tail_of_each_timeline_is_no_hole() -> None:
    service = DONE.service
    assert writes.holes(service, [3, 5]) == []
    assert writes.holes(service, [2, 4]) == [2, 4]


def test_writes_that_never_went_on_have_waited_until_the_end() -> None:
    service = log("service", (1, 0.0, 1), (2, 1.0, 1))
    found = replace(DONE, service=service, ended=91.0, stuck=True, recovered=False).measurement
    assert found.gap_s == 90.0


def test_without_a_primary_in_the_end_nothing_is_known_to_be_lost() -> None:
    found = replace(DONE, present={}, recovered=False).measurement
    assert (found.lost, found.lost_pinned, found.anomalies) == (0, 0, 0)
