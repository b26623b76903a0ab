"""What the catalogs of a server say of declared roles and databases."""

from __future__ import annotations

from dataclasses import dataclass, field

MEMORY = "ha_postgres.declared"
"""The setting of a role or database in which the digests of what was made true are kept, in the data itself."""


@dataclass(frozen=True)
class FoundRole:
    """A row of pg_authid; the defaults are those of CREATE ROLE.

    flags: those of desired.FLAGS that are set; valid_until: seconds since the epoch; groups: name and grantor of each membership; stored:
    the stored password; used_in: databases with objects that it owns or has rights to, '' for those of all databases; memory: as MEMORY.
    """

    name: str
    flags: frozenset[str] = frozenset({"inherit"})
    connection_limit: int = -1
    valid_until: float = float("inf")
    groups: tuple[tuple[str, str | None], ...] = ()
    stored: str | None = field(default=None, repr=False)
    used_in: tuple[str, ...] = ()
    memory: frozenset[str] = frozenset()


@dataclass(frozen=True)
class FoundDatabase:
    """A row of pg_database. sessions: of clients; settings: of the database for all roles; memory: as MEMORY."""

    name: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    connection_limit: int = -1
    allows_connections: bool = True
    sessions: int = 0
    settings: tuple[tuple[str, str], ...] = ()
    memory: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Contents:
    """What is in a database. extensions: version by name; schemas: owner by name; available: name and version of each extension that could
    be created.
    """

    extensions: tuple[tuple[str, str], ...] = ()
    schemas: tuple[tuple[str, str], ...] = ()
    available: tuple[tuple[str, str], ...] = ()
