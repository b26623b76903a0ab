"""Which replicas stream, tracked over successive reads of pg_stat_replication."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Streaming:
    """A replica as the primary sees it.

    since: CLOCK_BOOTTIME since which it streams, or None; seen: when it last streamed; flushed: LSN in bytes, or None.
    """

    pod: str
    since: float | None
    seen: float
    flushed: int | None


def update(known: tuple[Streaming, ...], streaming: Iterable[tuple[str, int | None]], now: float) -> tuple[Streaming, ...]:
    """Return the replicas as known now.

    known: the result of the previous read; streaming: (application_name, flushed LSN) of the rows in state 'streaming'; now: CLOCK_BOOTTIME
    in seconds. A replica that isn't among them keeps the time at which it was last seen, so a short interruption doesn't count as leaving.
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
