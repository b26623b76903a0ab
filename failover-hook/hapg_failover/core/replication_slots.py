"""Physical replication slots on the primary, one for each other member, so that no WAL is removed that a member still needs.

A slot is named after the pod and not the volume: a member that is cloned anew goes on with it. How much WAL slots may hold back is
bounded by max_slot_wal_keep_size; a slot that has lost its WAL holds nothing and is replaced by the standby that asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from hapg_protocol.model import EligibleReplica

from .state.observation import Slot
from .state.streaming import Streaming

_FOREIGN = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Change:
    """Slots to make and to drop, by name."""

    make: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def name_of(pod: str) -> str:
    """Return the name of a pod's slot: lower-case letters, digits and underscores are allowed."""
    return _FOREIGN.sub("_", pod.lower())


def plan(me: str, replicas: int, eligible: Iterable[EligibleReplica], streaming: Iterable[Streaming], existing: Iterable[Slot]) -> Change:
    """Return what the primary `me` (a pod's name) has to change.

    Every ordinal below `replicas` has a slot, and so has each higher one that the Lease still lists or that streams. Slots with other
    names, such as that of a copy (`clone.POD`), aren't ours, and a slot in use is never dropped.
    """
    release = me.rpartition("-")[0]
    wanted = {name_of(f"{release}-{ordinal}") for ordinal in range(replicas)}
    wanted |= {name_of(member.pod) for member in eligible}
    wanted |= {name_of(sender.pod) for sender in streaming if sender.since is not None}
    wanted.discard(name_of(me))
    ours = re.compile(re.escape(name_of(release)) + "_[0-9]+")
    wanted = {name for name in wanted if ours.fullmatch(name)}
    there = {slot.name: slot for slot in existing if ours.fullmatch(slot.name)}
    drop = sorted(name for name, slot in there.items() if name not in wanted and not slot.active)
    return Change(tuple(sorted(wanted - there.keys())), tuple(drop))
