"""The eligible replicas in the Lease: who may claim (docs/protocol.md, rule 7)."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import EligibleReplica, Pod

from .state.streaming import Streaming
from .timing import DROP_AFTER_S, SEEN_S

KEEPS_UP_BYTES = 1 << 30
"""What a replica that streams may lack and still be taken for one that keeps up: to become eligible, and to be switched over to.

This isn't what a failover may lose (maxLagBytes). Under a bulk load a healthy replica says it lacks up to a WAL segment of 16 MiB,
because a WAL receiver flushes at a segment's end while more keeps coming, and a burst makes it more for seconds; with maxLagBytes as
the bound it would be kept from the list just then, and with it the failover. Rule 4D has the last word on what a replica lacks, and a
switchover waits for it.
"""
KEEPS_UP_BYTES = 1 << 30
"""What a replica that streams may lack and still be taken for one that keeps up: to become eligible, and to be switched over to.

This isn't what a failover may lose (maxLagBytes). Under a bulk load a healthy replica says it lacks up to a WAL segment of 16 MiB,
because a WAL receiver flushes at a segment's end while more keeps coming, and a burst makes it more for seconds; with maxLagBytes as
the bound it would be kept from the list just then, and with it the failover. Rule 4D has the last word on what a replica lacks, and a
switchover waits for it.
"""


def is_news(recorded: tuple[EligibleReplica, ...], eligible: tuple[EligibleReplica, ...]) -> bool:
    """Tell whether a change is worth a write of its own: who comes, goes, or streams. That one doesn't for a moment is said by the next."""
    streamed = {m.volume: m.streaming for m in recorded}
    return {(m.pod, m.volume) for m in recorded} != {(m.pod, m.volume) for m in eligible} or any(
        m.streaming and not streamed[m.volume] for m in eligible
    )


def with_streaming(current: tuple[EligibleReplica, ...], eligible: tuple[EligibleReplica, ...]) -> tuple[EligibleReplica, ...]:
    """Return the same replicas, each with what `eligible` says of its streaming."""
    known = {m.volume: m.streaming for m in eligible}
    return tuple(replace(m, streaming=known.get(m.volume, m.streaming)) for m in current)


def next_eligible(
    current: tuple[EligibleReplica, ...],
    streaming: tuple[Streaming, ...],
    pods: tuple[Pod, ...],
    flushed: int | None,
    now: float,
    held_for: float,
    former: str | None = None,
) -> tuple[EligibleReplica, ...]:
    """Return the eligible replicas as the holder should record them now.

    A replica is added when it streams, lacks no more than KEEPS_UP_BYTES of `flushed`, and its volume's UUID is in its position report;
    one that hasn't streamed for 30 s is dropped (counted from our own promotion at the earliest: held_for, in seconds), the volume
    `former`, of the holder before us, as soon as it lacks what we have written since. A replica is recorded to stream if its pod shows the
    volume that is recorded: another one may have its name.
    """
    volumes = {p.name: p.report.volume for p in pods if p.report is not None}
    live = {s.pod: s for s in streaming}
    kept = []
    for member in current:
        sender = live.get(member.pod)
        silent = held_for if sender is None else min(held_for, now - sender.seen)
        volume = volumes.get(member.pod)
        replaced = sender is not None and sender.since is not None and volume not in (None, member.volume)
        gone = member.volume == former and (sender is None or sender.since is None)
        if silent < DROP_AFTER_S and not replaced and not gone:
            streams = sender is not None and sender.since is not None and now - sender.seen < SEEN_S and volume == member.volume
            kept.append(replace(member, streaming=streams))
    known = {m.volume for m in kept}
    for sender in streaming:
        volume = volumes.get(sender.pod)
        if sender.since is None or volume is None or volume in known or sender.flushed is None or flushed is None:
            continue
        if flushed - sender.flushed <= KEEPS_UP_BYTES:
            kept.append(EligibleReplica(sender.pod, volume))
            known.add(volume)
    return tuple(sorted(kept, key=lambda m: (m.pod, m.volume)))
