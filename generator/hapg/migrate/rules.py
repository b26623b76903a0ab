"""The rules of which each system's table is made: path in its object, path in ours, and the conversion or the reason why there is none."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from hapg.migrate.walk import Path


class Outcome(Enum):
    """What became of a field. The value heads its section of the report."""

    TAKEN = "Taken"
    CHANGED = "Changed"
    NONE = "No counterpart"
    OFF = "Empty or off, so nothing to take over"
    FILLED = "Not part of a specification"


@dataclass(frozen=True)
class Place:
    """Where a conversion is. document: the whole input; path: of the value in it; major: the chart's; name: the release's; done: the
    paths that earlier rules have dealt with.
    """

    document: Mapping[str, Any]
    path: Path
    major: str
    name: str
    done: Collection[Path] = ()

    @property
    def key(self) -> str:
        """The last key of the path."""
        return str(self.path[-1])

    def above(self, levels: int = 1) -> Any:
        """Return the value that is `levels` above this one."""
        node: Any = self.document
        for part in self.path[:-levels]:
            node = node[part]
        return node


@dataclass(frozen=True)
class Said:
    """What a conversion returns if its rule does not say enough.

    values: ours, by path, or by keys if one of them has a dot; of a mapping all or none are taken, of pairs each by itself. text: a
    sentence for the report; outcome: None for the rule's; left: keys of the value that it does not use; parts_left: paths in the value
    that are left out, with why.
    """

    values: Mapping[Any, Any] | Sequence[tuple[Any, Any]]
    text: str
    outcome: Outcome | None = None
    left: Sequence[str] = ()
    parts_left: Mapping[Path, str] = field(default_factory=dict)


class NoCounterpart(Exception):
    """Raised by a conversion for a value that we have no counterpart for. The text says why and what to do."""


Convert = Callable[[Any, Place], Any]


@dataclass(frozen=True)
class Rule:
    """What becomes of one field, or of everything below it.

    path: `*` is any key, `[]` any item of a list. to: a path of the chart's values; `spec:` before it is one of the spec; `[]` at its
    end appends; `*` is the last key of the field's path. means_empty: an empty value says something too. Earlier rules win over later
    ones that include the same field.
    """

    path: str
    outcome: Outcome
    to: str = ""
    convert: Convert | None = None
    text: str = ""
    means_empty: bool = False


def same(path: str, to: str, means_empty: bool = False) -> Rule:
    """A field that we have too."""
    return Rule(path, Outcome.TAKEN, to, means_empty=means_empty)


def change(path: str, to: str, convert: Convert, text: str, means_empty: bool = False) -> Rule:
    """A field that we have in another form. `convert` returns our value, None for no value, or Said. text: how it differs."""
    return Rule(path, Outcome.CHANGED, to, convert, text, means_empty)


def none(path: str, text: str) -> Rule:
    """A field that we don't have. text: why, and what to do."""
    return Rule(path, Outcome.NONE, text=text)


def filled(path: str) -> Rule:
    """A field that Kubernetes, kubectl or the operator has filled in, or that only says what the object is."""
    return Rule(path, Outcome.FILLED)
