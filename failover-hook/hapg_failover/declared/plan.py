"""What to do about one object: its properties, what is remembered of them, and so what is changed and what is only reported.

A property is made true when it is declared for the first time or with another value. That is remembered, as a digest of name and value,
beside the object in the data, so that it survives failovers, restarts and restores. If it is no longer true and still remembered, somebody
has changed it by hand: that is reported and left alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from .statements import Kind, Statement

MAINTENANCE = "postgres"
"""The database in which roles and databases are changed."""
_DIGEST = 12


@dataclass(frozen=True)
class Property:
    """A declared property of an object.

    key, value: as declared; holds: it is so; now: what is so, in words; statements: make it so; obstacle: why that can't be done, and what
    to do, '' if it can; database: where the statements run.
    """

    key: str
    value: object
    holds: bool
    now: str
    statements: tuple[Statement, ...] = ()
    obstacle: str = ""
    database: str = MAINTENANCE

    @property
    def digest(self) -> str:
        """Identifies key and value."""
        return hashlib.sha256(json.dumps([self.key, self.value]).encode()).hexdigest()[:_DIGEST]

    @property
    def words(self) -> str:
        """The declaration in words."""
        return f"{self.key} {_words(self.value)}".rstrip()


@dataclass(frozen=True)
class Change:
    """Statements that run in one transaction of a database, and their reason; digests: to be remembered once they have succeeded."""

    statements: tuple[Statement, ...]
    reason: str
    database: str = MAINTENANCE
    digests: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Problem:
    """What is not as declared, in a sentence without a full stop. is_drift: it was changed by hand, and nothing is done about it."""

    text: str
    is_drift: bool = False


@dataclass(frozen=True)
class Plan:
    """What to do about one object.

    remembered: digests in the data, kept: those that stay whatever becomes of the changes; kind: None for an object without a memory.
    """

    name: str
    kind: Kind | None = None
    changes: tuple[Change, ...] = ()
    problems: tuple[Problem, ...] = ()
    remembered: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


def of_properties(kind: Kind, name: str, properties: Sequence[Property], remembered: frozenset[str], first: Sequence[Change] = ()) -> Plan:
    """Return the plan for an object that has these properties. first: changes that come before those of the properties."""
    changes, problems, kept = list(first), [], set()
    what = f"{kind.value.lower()} {name}"
    for each in properties:
        if each.holds:
            kept.add(each.digest)
        elif each.digest in remembered:
            kept.add(each.digest)
            problems.append(Problem(f"{what}: {each.words} is declared, but somebody has changed it: {each.now}", is_drift=True))
        elif each.obstacle:
            problems.append(Problem(f"{what}: {each.obstacle}"))
        else:
            changes.append(Change(each.statements, f"{what}: {each.words}", each.database, frozenset({each.digest})))
    return Plan(name, kind, tuple(changes), tuple(problems), remembered, frozenset(kept))


def no_role(name: str) -> str:
    """Return what is wrong with a reference to a role that does not exist, and what to do."""
    return f"there is no role {name}; declare it in roles, or create it"


def _words(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case tuple():
            return "[" + ", ".join(map(str, value)) + "]"
        case _:
            return str(value)
