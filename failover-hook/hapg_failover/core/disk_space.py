"""When a pod's volumes count as full, and when as hung (docs/protocol.md, rules 1 and 9)."""

from __future__ import annotations

from collections.abc import Mapping

from .state.observation import Observation
from .state.volume import DATA_VOLUME, WAL_VOLUME
from .timing import FULL_HOLD_S, PATIENCE_S, PROBE_FRESH_S

# A server that died because it couldn't create a segment stops at the end of one. Its promotion needs two: one of the new timeline up to
# that point, and the next (xlog.c, XLogInitNewTimeline and CreateEndOfRecoveryRecord). One more is for its shutdown, and one is spare.
EMERGENCY_SEGMENTS = 4
ROOMY_SEGMENTS = 16
_MIB = 1024 * 1024


def scarcest(rooms: Mapping[str, int]) -> tuple[str, int]:
    """Return the volume with the least free space, and that space; a server needs space on every volume. rooms: free bytes by volume."""
    return min(rooms.items(), key=lambda item: item[1])


def clone_needs(size: int, segments: int, rooms: Mapping[str, int]) -> dict[str, int]:
    """Return the bytes that a clone needs on each volume in `rooms`. size: of the databases; segments: WAL written meanwhile, in bytes."""
    return {DATA_VOLUME: size, WAL_VOLUME: segments} if WAL_VOLUME in rooms else {DATA_VOLUME: size + segments}


def is_full(room: int | None, segment: int) -> bool:
    """True if not even one more WAL segment fits: a server that needs one dies. room, segment: bytes; room None: not known."""
    return room is not None and room < segment


def has_room_again(room: int | None, segment: int) -> bool:
    """True if a standby whose volume was full may receive WAL again. It needs two segments, so that it doesn't stop again at once.

    room, segment: bytes; room None: not known.
    """
    return room is None or room >= 2 * segment


def has_emergency_space_alone(room: int | None, segment: int) -> bool:
    """True if a volume whose emergency WAL space was released has less than two segments free beyond it. room, segment: bytes."""
    return room is not None and room < (EMERGENCY_SEGMENTS + 2) * segment


def has_room_for_emergency_space(room: int, segment: int) -> bool:
    """True if `room` is large enough that the EMERGENCY_SEGMENTS take at most a quarter of it. room, segment: bytes."""
    return room >= ROOMY_SEGMENTS * segment


def hold(room: int | None, segment: int, usual: float) -> float:
    """Return how long others wait for a server that died, in seconds.

    A volume that has little free space may have killed its server. Its unreplicated WAL then exists nowhere else, recovery after a bulk
    load takes longer, and the emergency WAL space lets the server start. room, segment: bytes; usual: the wait if the volume has space.
    """
    return usual if room is None or has_room_for_emergency_space(room, segment) else max(usual, FULL_HOLD_S)


def room_in_words(room: int | None) -> str:
    """Return the free space in words. room: bytes, None: not known."""
    return "an unknown amount of space" if room is None else f"{room / _MIB:.1f} MiB"


def full_message(o: Observation) -> str:
    """Return the message about a full volume."""
    left, segment = room_in_words(o.room), room_in_words(o.segment)
    return f"the {o.room_on} has {left} left, less than a WAL segment of {segment}: grow the PVC, or free space"


def patience(hangs: int) -> float:
    """Return how long a write to a volume may take before the primary counts as hung, in seconds.

    Where all disks are as slow, another primary is no better: so each one that follows a hung one waits longer. hangs: as in LeaseState.
    """
    return PATIENCE_S[min(hangs, len(PATIENCE_S) - 1)]


def nothing_written(o: Observation) -> str:
    """Return in words for how long no write to a volume has succeeded."""
    return f"nothing could be written to the {o.probe_on} for {o.now - o.probe_at:.1f} s"


def is_silent(o: Observation, since: float, limit: float = PROBE_FRESH_S) -> bool:
    """True if no write probe has succeeded for `limit` seconds. since: CLOCK_BOOTTIME since which the probe has been running."""
    return o.now - max(o.probe_at, since) > limit
