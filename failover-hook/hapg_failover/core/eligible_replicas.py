"""The eligible replicas in the Lease: which pods may claim (docs/protocol.md, rule 7)."""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import EligibleReplica, Pod

from .state.streaming import Streaming
from .timing import DROP_AFTER_S, SEEN_S

KEEPS_UP_BYTES = 1 << 30
"""How far a streaming replica may lag and still count as keeping up: to become eligible, and to be a switchover's successor.

This is not the loss that a failover may cause (maxLagBytes). Under a bulk load, a healthy replica reports a lag of up to one WAL segment of
16 MiB, because a WAL receiver flushes at the end of a segment while more keeps arriving, and a burst raises that for seconds. With
maxLagBytes as the limit, the replica would be left off the list exactly then, and could not take over. Rule 4D has the final say on the
lag, and a switchover waits until the replica has everything.
"""


def is_news(recorded: tuple[EligibleReplica, ...], eligible: tuple[EligibleReplica, ...]) -> bool:
    """True if a change is worth a write of its own: a replica joins, leaves, or starts streaming.

    A replica that stops streaming for a moment is recorded by the next regular write.
    """
    streamed = {m.volume: m.streaming for m in recorded}
    return {(m.pod, m.volume) for m in recorded} != {(m.pod, m.volume) for m in eligible} or any(
        m.streaming and not streamed[m.volume] for m in eligible
    )


def with_streaming(current: tuple[EligibleReplica, ...], eligible: tuple[EligibleReplica, ...]) -> tuple[EligibleReplica, ...]:
    """Return the replicas in `current`, each with the streaming flag that it has in `eligible`."""
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
    """Return the eligible replicas that the holder should record now.

    A replica is added when it streams, lags `flushed` by at most KEEPS_UP_BYTES, and its volume's UUID is in its position report. A replica
    that hasn't streamed for 30 s is dropped (counted from our own promotion at the earliest: held_for, in seconds). The volume `former`, of
    the previous holder, is dropped as soon as it doesn't stream, because it then lacks what we have written since. A replica is recorded as
    streaming only if its pod shows the recorded volume: a pod with another volume may have the same name.

    current: as recorded in the Lease; streaming, pods: as seen now; flushed: the end of our WAL, in bytes; now: CLOCK_BOOTTIME.
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
