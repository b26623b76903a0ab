"""The numbers of the bench."""

from __future__ import annotations

from tests.bench import summary
from tests.bench.summary import Measurement


def test_quantiles_are_values_that_were_measured() -> None:
    values = [float(number) for number in range(1, 21)]
    assert summary.quantile(values, 0.95) == 19
    assert summary.quantile([3.0], 0.95) == 3
    assert summary.quantile([3.0, 1.0], 0.0) == 1


def test_a_fault_is_summed_up() -> None:
    found = summary.summarize("node", [Measurement(7.0, 2, 30.0), Measurement(6.0, 0, 20.0), Measurement(9.0, 1, 40.0)])
    assert found.line() == {
        "system": "ha-postgres",
        "fault": "node",
        "n": 3,
        "p50_s": 7.0,
        "p95_s": 9.0,
        "max_s": 9.0,
        "min_s": 6.0,
        "lost": 3,
        "full_strength_s": 30.0,
    }


def test_table_has_a_row_for_each_fault() -> None:
    rows = summary.table([summary.summarize("node", [Measurement(7.0, 2, 30.0)])]).splitlines()
    assert [row.split()[0] for row in rows] == ["fault", "node"]
    assert len({len(row) for row in rows}) == 1
