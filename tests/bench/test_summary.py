"""The statistics of the bench, and the lines and tables made from them."""

from __future__ import annotations

import json

from tests.bench import summary
from tests.bench.summary import DIRECT, GAPS, NAMES, Measurement, Summary


def measurement(gap_s: float, lost: int = 0, full_strength_s: float = 20.0, **more: object) -> Measurement:
    values = {"direct_gap_s": gap_s / 2, "lost_pinned": 0, "split_brain_acks": 0, **more}
    return Measurement(gap_s=gap_s, lost=lost, full_strength_s=full_strength_s, **values)  # type: ignore[arg-type]


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 21)]
    assert summary.quantile(values, 0.95) == 19
    assert summary.quantile([3.0], 0.95) == 3
    assert summary.quantile([3.0, 1.0], 0.0) == 1


def test_a_fault_is_summed_up() -> None:
    found = summary.summarize(
        "ha-postgres",
        "node",
        [
            measurement(7.0, lost=2, full_strength_s=30.0, phases={"detect": 3.5, "promote": 0.2}, tps=800.0),
            measurement(6.0, split_brain_acks=3, phases={"detect": 3.7}, tps=900.0),
            measurement(
                9.0, lost=1, full_strength_s=40.0, lost_pinned=4, stuck=True, recovered=False, anomalies=2, promotions=2, tps=1000.0
            ),
        ],
        "load",
    )
    assert found.line() == {
        "system": "ha-postgres",
        "fault": "node",
        "n": 3,
        "min_s": 6.0,
        "p50_s": 7.0,
        "p95_s": 9.0,
        "max_s": 9.0,
        "lost": 3,
        "lost_pinned": 4,
        "split_brain_acks": 3,
        "full_strength_s": 30.0,
        "stuck": 1,
        "direct": {"min_s": 3.0, "p50_s": 3.5, "p95_s": 4.5, "max_s": 4.5},
        "phases": {"detect": 3.6, "promote": 0.2},
        "gaps_s": [7.0, 6.0, 9.0],
        "unrecovered": 1,
        "anomalies": 2,
        "mode": "load",
        "promotions": [1, 1, 2],
        "tps": 900.0,
    }


def test_a_line_can_be_read_again() -> None:
    found = summary.summarize("patroni", "node", [measurement(7.0, phases={"claim": 0.1})])
    assert Summary.from_line(json.loads(json.dumps(found.line()))) == found


def test_a_line_from_before_there_were_modes_can_be_read() -> None:
    found = summary.summarize("patroni", "node", [measurement(7.0)])
    old = {name: value for name, value in found.line().items() if name not in ("mode", "promotions", "tps")}
    assert Summary.from_line(old).mode == "quiet"


def test_more_than_one_promotion_is_told() -> None:
    assert "promotions" not in measurement(7.0).text
    assert ", 3 promotions, 812 tps before" in measurement(7.0, promotions=3, tps=812.3).text


def test_table_has_a_row_for_each_fault_of_each_system() -> None:
    found = [summary.summarize(system, "node", [measurement(7.25, lost=2)]) for system in ("ha-postgres", "patroni")]
    rows = summary.table(found, (*NAMES, *GAPS)).splitlines()
    assert [row.split()[:3] for row in rows] == [["system", "fault", "n"], ["ha-postgres", "node", "1"], ["patroni", "node", "1"]]
    assert rows[1].split()[3:] == ["7.25", "7.25", "7.25", "7.25", "2", "0", "0", "0", "0", "20.0"]
    assert summary.table(found, (*NAMES, *DIRECT)).splitlines()[2].split()[3:] == ["3.62", "3.62", "3.62", "3.62", "7.25"]


def test_phases_are_shown_where_they_are_known() -> None:
    ours = summary.summarize("ha-postgres", "node", [measurement(7.0, phases={"detect": 3.5})])
    others = summary.summarize("patroni", "node", [measurement(7.0)])
    text = summary.report([ours, others])
    assert text.splitlines()[-1].split() == ["ha-postgres", "node", "1", "3.50", *["-"] * 8]
    assert "by phase" not in summary.report([others])
