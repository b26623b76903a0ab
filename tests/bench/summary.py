"""From measurements to a line of JSON and a table."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass

SYSTEM = "ha-postgres"


@dataclass(frozen=True)
class Measurement:
    """One fault: the gap that the writer saw, how many acknowledged rows are gone, and the time until all replicas streamed again."""

    gap_s: float
    lost: int
    full_strength_s: float


@dataclass(frozen=True)
class Summary:
    """All measurements of a fault: quantiles of the gap, the sum of lost rows, the median time to full strength."""

    system: str
    fault: str
    n: int
    p50_s: float
    p95_s: float
    max_s: float
    min_s: float
    lost: int
    full_strength_s: float

    def line(self) -> dict[str, object]:
        """For a line of JSON."""
        return asdict(self)


def quantile(values: Sequence[float], share: float) -> float:
    """The nearest-rank quantile: a value that was measured."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summarize(fault: str, measurements: Sequence[Measurement]) -> Summary:
    """Sum up at least one measurement of a fault."""
    gaps = [each.gap_s for each in measurements]
    return Summary(
        system=SYSTEM,
        fault=fault,
        n=len(measurements),
        p50_s=round(statistics.median(gaps), 3),
        p95_s=round(quantile(gaps, 0.95), 3),
        max_s=round(max(gaps), 3),
        min_s=round(min(gaps), 3),
        lost=sum(each.lost for each in measurements),
        full_strength_s=round(statistics.median(each.full_strength_s for each in measurements), 1),
    )


def table(summaries: Sequence[Summary]) -> str:
    """A table for people."""
    head = f"{'fault':<12}{'n':>3}{'min s':>8}{'p50 s':>8}{'p95 s':>8}{'max s':>8}{'lost':>6}{'full strength s':>17}"
    rows = [
        f"{each.fault:<12}{each.n:>3}{each.min_s:>8.2f}{each.p50_s:>8.2f}{each.p95_s:>8.2f}{each.max_s:>8.2f}"
        f"{each.lost:>6}{each.full_strength_s:>17.1f}"
        for each in summaries
    ]
    return "\n".join([head, *rows])
