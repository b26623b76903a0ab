"""When a member's volumes count as full, and when as stuck (docs/protocol.md, rules 1 and 9)."""

from __future__ import annotations

from collections.abc import Mapping

from .state.observation import Observation
from .state.volume import DATA_VOLUME, WAL_VOLUME
from .timing import FULL_HOLD_S, PROBE_FRESH_S

# A server that died for want of a segment ends at the end of one: its promotion takes two, one of the new timeline up to there and the
# next (xlog.c, XLogInitNewTimeline and CreateEndOfRecoveryRecord). One more is for its shutdown, and one to spare.
EMERGENCY_SEGMENTS = 4
ROOMY_SEGMENTS = 16
_MIB = 1024 * 1024


def scarcest(rooms: Mapping[str, int]) -> tuple[str, int]:
    """Return the volume with the least room, and that, of bytes by volume: a server needs every one of them."""
    return min(rooms.items(), key=lambda item: item[1])


def clone_needs(size: int, segments: int, rooms: Mapping[str, int]) -> dict[str, int]:
    """Return what a clone takes of each volume in `rooms`, in bytes. size: of the databases; segments: of WAL meanwhile."""
    return {DATA_VOLUME: size, WAL_VOLUME: segments} if WAL_VOLUME in rooms else {DATA_VOLUME: size + segments}


def is_full(room: int | None, segment: int) -> bool:
    """Tell whether not even one more WAL segment fits: a server that needs one dies. room, segment: bytes; room None: not known."""
    return room is not None and room < segment


def has_room_again(room: int | None, segment: int) -> bool:
    """Tell whether a standby whose volume was full may receive WAL again; two segments, so that it doesn't stop at once."""
    return room is None or room >= 2 * segment


def has_emergency_space_alone(room: int | None, segment: int) -> bool:
    """Tell whether a volume whose emergency space was released has hardly more free than that: not two segments beside it."""
    return room is not None and room < (EMERGENCY_SEGMENTS + 2) * segment


def has_room_for_emergency_space(room: int, segment: int) -> bool:
    """Tell whether a volume has so much room, in bytes, that an emergency space of EMERGENCY_SEGMENTS takes a quarter of it at most."""
    return room >= ROOMY_SEGMENTS * segment


def hold(room: int | None, segment: int, usual: float) -> float:
    """Return how long others wait for a server that died, in seconds.

    One whose volume had little room a second ago may have filled it: then its unreplicated WAL is nowhere else, recovery after a bulk
    load takes longer, and the emergency WAL space lets it start.
    """
    return usual if room is None or has_room_for_emergency_space(room, segment) else max(usual, FULL_HOLD_S)


def room_in_words(room: int | None) -> str:
    """Return what to say about the free room."""
    return "an unknown amount of space" if room is None else f"{room / _MIB:.1f} MiB"


def full_message(o: Observation) -> str:
    """Return what to say about a volume that is full."""
    left, segment = room_in_words(o.room), room_in_words(o.segment)
    return f"the {o.room_on} has {left} left, less than a WAL segment of {segment}: grow the PVC, or free space"


def is_silent(o: Observation, since: float) -> bool:
    """Tell whether the write probe has brought nothing for too long. since: boot time from which on it has been made."""
    return o.now - max(o.probe_at, since) > PROBE_FRESH_S
