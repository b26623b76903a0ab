"""Which replicas stream, followed over successive looks at pg_stat_replication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Streaming:
    """A replica as the primary sees it. since: boot time since when it streams, or None; seen: when it last did; flushed: bytes or None."""

    pod: str
    since: float | None
    seen: float
    flushed: int | None


def update(known: tuple[Streaming, ...], streaming: Iterable[tuple[str, int | None]], now: float) -> tuple[Streaming, ...]:
    """Return the replicas as known now.

    streaming: (application_name, flushed LSN) of the rows in state 'streaming'; now: boot time in seconds.
    A replica that isn't among them keeps when it was seen last, so that a short break isn't a departure.
    """
    before = {s.pod: s for s in known}
    live = dict(streaming)
    result = []
    for pod in sorted(before.keys() | live.keys()):
        old = before.get(pod)
        if pod in live:
            since = old.since if old is not None and old.since is not None else now
            result.append(Streaming(pod, since, now, live[pod]))
        elif old is not None:
            result.append(Streaming(pod, None, old.seen, old.flushed))
    return tuple(result)
