"""When a pod is ready: it is the primary, or a replica that has joined (docs/protocol.md, rule 16).

A StatefulSet's rolling update, a drain and `kubectl rollout restart` move on to the next pod as soon as one is ready. So a replica becomes
ready only once it streams from the primary and is listed in the Lease; otherwise the last server with all the data would be restarted too
early. It stays ready through a failover, during which nothing streams for a moment, so that readers don't lose all replicas at once.
"""

from __future__ import annotations

from dataclasses import replace

from .state.decision import Step
from .state.memory import Memory
from .state.phases import Phase
from .timing import NOTED_EVERY_S, STREAM_LOOK_S


def note(step: Step) -> None:
    """Remember when this pod was last seen to be the primary or to have joined; forget it once it is known to be out."""
    o, m = step.o, step.m
    if m.phase in (Phase.EMPTY, Phase.DAMAGED) or _is_out(step):
        step.keep(replace(step.m.upstream, joined_at=None))
        return
    noted = m.upstream.has_joined and m.upstream.joined_at is not None and o.now - m.upstream.joined_at < NOTED_EVERY_S
    if not noted and (m.phase is Phase.PRIMARY or _has_joined(step)):
        step.keep(replace(step.m.upstream, joined_at=o.now, has_joined=True), replace(step.m.retry, starts=0))


def _has_joined(step: Step) -> bool:
    o, m, s = step.o, step.m, step.state
    if (
        m.phase is not Phase.FOLLOW
        or m.operation.op is not None
        or s is None
        or o.lease is None
        or o.lease.first_seen < m.phase_since + STREAM_LOOK_S
    ):
        return False
    return any(x.volume == o.volume and x.streaming for x in s.eligible)


def _is_out(step: Step) -> bool:
    """True if the holder that we should follow no longer lists us, or if our server was promoted by someone else."""
    o, m, s = step.o, step.m, step.state
    if o.foreign:
        return True
    if s is not None and m.sealed.position is not None and m.sealed.position.timeline > s.timeline and o.max_term <= s.term:
        return True
    if m.phase is not Phase.FOLLOW or s is None or not step.live_holder:
        return False
    return o.now - m.phase_since > STREAM_LOOK_S and all(x.volume != o.volume for x in s.eligible)


def is_ready(memory: Memory, now: float, unready_s: float) -> bool:
    """True if a pod with a running server is ready. now: CLOCK_BOOTTIME; unready_s: how long a pod stays ready after it stops streaming."""
    return memory.upstream.joined_at is not None and now - memory.upstream.joined_at < unready_s
