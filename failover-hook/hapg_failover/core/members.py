"""The list of members in the Lease: who may claim (docs/protocol.md, rule 7)."""

from __future__ import annotations

from dataclasses import replace

from .model import Member, Pod
from .observation import Streaming

DROP_AFTER_S = 30.0
SEEN_S = 5.0
"""A look at who streams that is older tells nothing."""


def is_news(recorded: tuple[Member, ...], members: tuple[Member, ...]) -> bool:
    """Tell whether a change is worth a write of its own: who comes, goes, or streams. That one doesn't for a moment is said by the next."""
    streamed = {m.volume: m.streaming for m in recorded}
    return {(m.pod, m.volume) for m in recorded} != {(m.pod, m.volume) for m in members} or any(
        m.streaming and not streamed[m.volume] for m in members
    )


def next_members(
    current: tuple[Member, ...],
    streaming: tuple[Streaming, ...],
    pods: tuple[Pod, ...],
    flushed: int | None,
    max_lag: int,
    now: float,
    held_for: float,
    former: str | None = None,
) -> tuple[Member, ...]:
    """Return the members as the holder should record them now.

    A replica is added when it streams within `max_lag` bytes of `flushed` and its volume's UUID is known from its publication;
    one that hasn't streamed for 30 s is dropped (counted from our own promotion at the earliest: held_for, in seconds), the volume
    `former`, of the holder before us, as soon as it lacks what we have written since. A member is recorded to stream if its pod shows the
    volume that is recorded: another one may have its name.
    """
    volumes = {p.name: p.publication.volume for p in pods if p.publication is not None}
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
        if flushed - sender.flushed <= max_lag:
            kept.append(Member(sender.pod, volume))
            known.add(volume)
    return tuple(sorted(kept, key=lambda m: (m.pod, m.volume)))
