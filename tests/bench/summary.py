"""From measurements to lines of JSON and tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from tests.bench import phases
from tests.bench.modes import QUIET_NAME


@dataclass(frozen=True)
class Measurement:
    """One fault.

    gap_s, direct_gap_s: the longest wait of the writer that uses the Service, and of the one that uses the pods' addresses; lost,
    lost_pinned: acknowledged rows that are gone, of the writer that uses the Service and of the one that keeps to the old primary;
    split_brain_acks: acknowledgements by the old primary after the new one's first; full_strength_s: time until all replicas
    streamed again; recovered: whether they did within the limit; stuck: writes didn't go on within the limit, or before the fault was
    undone; anomalies: rows that were refused and are there, or are gone though a later one of the same timeline is there; phases: how
    long each kept the client waiting; promotions: how many timelines were begun; tps: transactions of pgbench a second, up to the fault.
    """

    gap_s: float
    direct_gap_s: float
    lost: int
    lost_pinned: int
    split_brain_acks: int
    full_strength_s: float
    stuck: bool = False
    recovered: bool = True
    anomalies: int = 0
    phases: Mapping[str, float] = field(default_factory=dict)
    promotions: int = 1
    tps: float = 0.0

    @property
    def text(self) -> str:
        """In a line."""
        spent = ", ".join(f"{name} {seconds:.2f}" for name, seconds in self.phases.items())
        return (
            f"gap {self.gap_s:.2f} s ({self.direct_gap_s:.2f} at the pods' addresses), lost {self.lost} and {self.lost_pinned}, "
            f"split-brain acks {self.split_brain_acks}, full strength after {self.full_strength_s:.1f} s"
            f"{f', {self.anomalies} ANOMALIES' if self.anomalies else ''}{', STUCK' if self.stuck else ''}"
            f"{f', {self.promotions} promotions' if self.promotions > 1 else ''}{f', {self.tps:.0f} tps before' if self.tps else ''}"
            f"{'' if self.recovered else ', NOT RECOVERED'}{f' ({spent})' if spent else ''}"
        )


@dataclass(frozen=True)
class Quantiles:
    """Quantiles of durations in seconds; each is a measured value, except the median of an even
    number.
    """

    min_s: float
    p50_s: float
    p95_s: float
    max_s: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Quantiles:
        """Those of at least one value."""
        return cls(
            min_s=round(min(values), 3),
            p50_s=round(statistics.median(values), 3),
            p95_s=round(quantile(values, 0.95), 3),
            max_s=round(max(values), 3),
        )


@dataclass(frozen=True)
class Summary:
    """All measurements of a fault: quantiles of the gaps, sums of rows, how often writes didn't go on in time and how often full
    strength didn't come back, medians of the time to full strength, of the phases and of pgbench's speed; promotions of each.
    """

    system: str
    fault: str
    n: int
    min_s: float
    p50_s: float
    p95_s: float
    max_s: float
    lost: int
    lost_pinned: int
    split_brain_acks: int
    full_strength_s: float
    stuck: int
    direct: Quantiles
    phases: Mapping[str, float]
    gaps_s: Sequence[float]
    unrecovered: int = 0
    anomalies: int = 0
    mode: str = QUIET_NAME
    promotions: Sequence[int] = ()
    tps: float = 0.0

    def line(self) -> dict[str, object]:
        """Return a mapping for a line of JSON."""
        return asdict(self)

    @classmethod
    def from_line(cls, line: Mapping[str, object]) -> Summary:
        """Read what `line` gave."""
        direct = line["direct"]
        assert isinstance(direct, Mapping)
        return cls(**{**line, "direct": Quantiles(**direct)})  # type: ignore[arg-type]


def quantile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank quantile, which is a measured value."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summarize(system: str, fault: str, measurements: Sequence[Measurement], mode: str = QUIET_NAME) -> Summary:
    """Return the summary of at least one measurement of a fault."""
    gaps = [each.gap_s for each in measurements]
    return Summary(
        system=system,
        fault=fault,
        n=len(measurements),
        **asdict(Quantiles.of(gaps)),
        lost=sum(each.lost for each in measurements),
        lost_pinned=sum(each.lost_pinned for each in measurements),
        split_brain_acks=sum(each.split_brain_acks for each in measurements),
        full_strength_s=round(statistics.median(each.full_strength_s for each in measurements), 1),
        stuck=sum(each.stuck for each in measurements),
        direct=Quantiles.of([each.direct_gap_s for each in measurements]),
        phases=phases.medians(dict(each.phases) for each in measurements),
        gaps_s=[round(gap, 3) for gap in gaps],
        unrecovered=sum(not each.recovered for each in measurements),
        anomalies=sum(each.anomalies for each in measurements),
        mode=mode,
        promotions=[each.promotions for each in measurements],
        tps=round(statistics.median(each.tps for each in measurements), 1),
    )


Column = tuple[str, Callable[[Summary], str]]

NAMES: tuple[Column, ...] = (("system", lambda s: s.system), ("fault", lambda s: s.fault), ("n", lambda s: str(s.n)))
GAPS: tuple[Column, ...] = (
    ("min s", lambda s: f"{s.min_s:.2f}"),
    ("p50 s", lambda s: f"{s.p50_s:.2f}"),
    ("p95 s", lambda s: f"{s.p95_s:.2f}"),
    ("max s", lambda s: f"{s.max_s:.2f}"),
    ("lost", lambda s: str(s.lost)),
    ("split-brain acks", lambda s: str(s.split_brain_acks)),
    ("anomalies", lambda s: str(s.anomalies)),
    ("stuck", lambda s: str(s.stuck)),
    ("not recovered", lambda s: str(s.unrecovered)),
    ("full strength s", lambda s: f"{s.full_strength_s:.1f}"),
)
DIRECT: tuple[Column, ...] = (
    ("min s", lambda s: f"{s.direct.min_s:.2f}"),
    ("p50 s", lambda s: f"{s.direct.p50_s:.2f}"),
    ("p95 s", lambda s: f"{s.direct.p95_s:.2f}"),
    ("max s", lambda s: f"{s.direct.max_s:.2f}"),
    ("through the Service, p50 s", lambda s: f"{s.p50_s:.2f}"),
)


def phase_columns() -> tuple[Column, ...]:
    """Return a column per phase with its median in seconds."""

    def column(name: str) -> Column:
        return name.replace("_", " "), lambda s: f"{s.phases[name]:.2f}" if name in s.phases else "-"

    return tuple(column(name) for name in phases.PHASES)


def table(summaries: Sequence[Summary], columns: Sequence[Column]) -> str:
    """Return a text table for the terminal."""
    rows = [[title for title, _ in columns], *([cell(each) for _, cell in columns] for each in summaries)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(columns))]
    lines = []
    for row in rows:
        names = [text.ljust(width) for text, width in zip(row[:2], widths[:2], strict=True)]
        numbers = [text.rjust(width) for text, width in zip(row[2:], widths[2:], strict=True)]
        lines.append("  ".join([*names, *numbers]).rstrip())
    return "\n".join(lines)


def report(summaries: Sequence[Summary]) -> str:
    """Return the tables: through the Service, at the pods' addresses, and the phases."""
    parts = [
        "gap between acknowledged writes through the Service",
        table(summaries, (*NAMES, *GAPS)),
        "",
        "gap for a client that goes to the pods' addresses (target_session_attrs=read-write)",
        table(summaries, (*NAMES, *DIRECT)),
    ]
    told = [each for each in summaries if each.phases]
    if told:
        parts += ["", "where the gap goes: seconds by phase, medians", table(told, (*NAMES, *phase_columns()))]
    return "\n".join(parts)
