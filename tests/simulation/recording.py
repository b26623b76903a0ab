"""A recorded run of one agent: the events it applied and the decisions it made, one line of JSON each.

`replay` repeats the decisions from the events alone, with the real World and the real `decide`, and tells whether they are byte-for-byte
the same.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, Union, cast, get_args, get_origin

from hapg_failover import events
from hapg_failover.core.decide import decide
from hapg_failover.core.state.decision import Decision
from hapg_failover.core.state.memory import Memory
from hapg_failover.events import Event, TurnBegan, VolumeFacts
from hapg_failover.settings import Identity
from hapg_failover.world import World

KINDS = {kind.__name__: kind for kind in get_args(events.Event)}


class Recording:
    """Records what an agent reports. The first line identifies the agent and the initial contents of its volume."""

    def __init__(self, identity: Identity, volume: VolumeFacts) -> None:
        self.lines = [_line("begin", identity=_plain(identity), volume=_plain(volume))]

    def event(self, event: Event) -> None:
        """An event was applied."""
        self.lines.append(_line(type(event).__name__, **_plain(event)))

    def decision(self, decision: Decision) -> None:
        """A decision was made."""
        self.lines.append(decided(decision))


def decided(decision: Decision) -> str:
    """Return a decision as a line."""
    actions = [{"": type(action).__name__, **_plain(action)} for action in decision.actions]
    return _line("decided", phase=decision.memory.phase.value, reason=decision.reason, actions=actions)


def replay(lines: Iterable[str]) -> list[str]:
    """Return the recording with its decisions repeated."""
    made, first, *rest = [], *lines
    begun = json.loads(first)
    identity, world, memory = _read(begun["identity"], Identity), World(_read(begun["volume"], VolumeFacts)), Memory()
    made.append(first)
    for line in rest:
        entry = json.loads(line)
        kind = KINDS.get(entry.pop("is"))
        if kind is None:
            continue
        event = _read(entry, kind)
        world.apply(event)
        made.append(line)
        if isinstance(event, TurnBegan):
            decision = decide(world.observe(event, identity, memory), memory)
            memory = decision.memory
            made.append(decided(decision))
    return made


def _line(kind: str, **fields: Any) -> str:
    return json.dumps({"is": kind, **fields}, separators=(",", ":"))


def _plain(value: Any) -> Any:
    """Convert a value made of frozen dataclasses to JSON values."""
    match value:
        case Enum():
            return value.value
        case tuple() | list():
            return [_plain(each) for each in value]
        case frozenset():
            return sorted(value)
        case Mapping():
            return {key: _plain(each) for key, each in value.items()}
        case _ if dataclasses.is_dataclass(value):
            return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        case _:
            return value


def _read(value: Any, kind: Any) -> Any:
    """Convert the JSON value `value` to the type `kind`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        [inner] = [each for each in arguments if each is not type(None)]
        return None if value is None else _read(value, inner)
    if origin is tuple:
        each = [arguments[0]] * len(value) if arguments[1:] == (...,) else arguments
        return tuple(_read(item, of) for item, of in zip(value, each, strict=True))
    if origin is frozenset:
        return frozenset(value)
    if origin is not None and issubclass(origin, Mapping):
        return {key: _read(item, arguments[1]) for key, item in value.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return cast("Callable[..., Any]", kind)(
            **{field.name: _read(value[field.name], hints[field.name]) for field in dataclasses.fields(kind)}
        )
    return float(value) if kind is float else value
