"""Physical replication slots on the primary, one for each other pod, so that no WAL is removed that a replica still needs.

A slot is named after the pod, not the volume, so a pod that is cloned again keeps using its slot. max_slot_wal_keep_size limits how much
WAL slots may retain; a slot that has lost its WAL retains nothing, and is replaced by the standby that asks for it.
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
    """Slots to create and to drop, by name."""

    make: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


def name_of(pod: str) -> str:
    """Return the name of a pod's slot: PostgreSQL allows only lower-case letters, digits and underscores."""
    return _FOREIGN.sub("_", pod.lower())


def plan(me: str, replicas: int, eligible: Iterable[EligibleReplica], streaming: Iterable[Streaming], existing: Iterable[Slot]) -> Change:
    """Return the slots that the primary `me` (a pod's name) must create and drop.

    Every ordinal below `replicas` has a slot, and so does each higher one that is still in the Lease (`eligible`) or streams (`streaming`).
    Slots with other names, such as a copy's (`clone.POD`), aren't ours. An `existing` slot in use is never dropped.
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
