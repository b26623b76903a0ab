"""What transactions wait without and with a backup, under two loads: from latencies to lines of JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain

from tests.bench.summary import quantile

RATE = 100


@dataclass(frozen=True)
class Load:
    """A load. name: in the lines; title: in the table; options: of pgbench."""

    name: str
    title: str
    options: tuple[str, ...] = ()


LOADS = (Load("fixed_rate", f"{RATE} transactions/s", (f"--rate={RATE}",)), Load("full_speed", "as fast as it goes"))


@dataclass(frozen=True)
class Window:
    """A time in which pgbench ran. seconds: its length; latencies_s: of the transactions that ended in it, at least one."""

    seconds: float
    latencies_s: Sequence[float]


@dataclass(frozen=True)
class Latency:
    """The transactions of all windows: their number, their speed, quantiles of their latencies; and the 99th percentile of each window."""

    windows: int
    seconds: float
    transactions: int
    tps: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    each_p99_ms: Sequence[float]

    @classmethod
    def of(cls, windows: Sequence[Window]) -> Latency:
        """That of at least one window."""
        every = sorted(chain.from_iterable(window.latencies_s for window in windows))
        seconds = sum(window.seconds for window in windows)
        return cls(
            windows=len(windows),
            seconds=round(seconds, 1),
            transactions=len(every),
            tps=round(len(every) / seconds, 1),
            p50_ms=_ms(quantile(every, 0.5)),
            p95_ms=_ms(quantile(every, 0.95)),
            p99_ms=_ms(quantile(every, 0.99)),
            max_ms=_ms(every[-1]),
            each_p99_ms=[_ms(quantile(window.latencies_s, 0.99)) for window in windows],
        )


@dataclass
class Comparison:
    """Windows without a backup and with one, and the size of the database in bytes."""

    without: list[Window] = field(default_factory=list)
    during: list[Window] = field(default_factory=list)
    size: int = 0

    def line(self) -> dict[str, object]:
        """Return a mapping for a line of JSON; there is a window of each kind."""
        return {
            "without": asdict(Latency.of(self.without)),
            "during": asdict(Latency.of(self.during)),
            "backup_s": [round(window.seconds, 1) for window in self.during],
            "bytes": self.size,
        }


def told(line: Mapping[str, object]) -> Load | None:
    """Return the load that a line of results is about."""
    return next((load for load in LOADS if load.name in line), None)


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
