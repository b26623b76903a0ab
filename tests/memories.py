"""A member's memory for tests, by field names alone: they are unique across all parts."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from hapg_failover.core.state.memory import Memory

PLACES = {field.name: place for place, part in vars(Memory()).items() if is_dataclass(part) for field in fields(part)}


def changed(memory: Memory, **changes: Any) -> Memory:
    """Return the memory with some fields changed, in any of its parts."""
    for name, value in changes.items():
        place = PLACES.get(name)
        if place is None:
            memory = replace(memory, **{name: value})
        else:
            memory = replace(memory, **{place: replace(getattr(memory, place), **{name: value})})
    return memory


def remembering(*standing: Any, **changes: Any) -> Memory:
    """Return a memory. standing: phase, phase_since and nonce."""
    return changed(Memory(*standing), **changes)
