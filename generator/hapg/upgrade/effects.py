"""The effects that a change can have on a running release, and what is said of one change."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from hapg.upgrade.differences import Change


class Effect(enum.IntEnum):
    """The effect of a change, from harmless to harmful. The exit code is the value plus 10; for NOTHING it is 0."""

    NOTHING = 0
    RELOAD = 1
    STANDBYS = 2
    SWITCHOVER = 3
    CUT_OFF = 4
    IMMUTABLE = 5
    DATA = 6

    @property
    def words(self) -> str:
        """The effect as shown to the user."""
        return ("nothing", "reload", "restart of standbys", "switchover", "clients cut off", "immutable", "data at risk")[self]

    @property
    def exit_code(self) -> int:
        """The exit code of `hapg diff`."""
        return 10 + self if self else 0


@dataclass(frozen=True)
class Finding:
    """A change of one object, its effect and the reason. change: None if the object is added or removed."""

    effect: Effect
    reason: str
    change: Change | None = None


@dataclass(frozen=True)
class ObjectDiff:
    """The changes of one object. name: KIND/NAME, with the namespace if it has one; findings: at least one."""

    name: str
    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Effect:
        """The worst effect of this object's changes."""
        return max(finding.effect for finding in self.findings)
