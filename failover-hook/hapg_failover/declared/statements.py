"""The statements that make a declaration true, as values; the adapter quotes and runs them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """The kinds of objects with properties in common, by their SQL word."""

    ROLE = "ROLE"
    DATABASE = "DATABASE"
    SCHEMA = "SCHEMA"


@dataclass(frozen=True)
class CreateRole:
    """CREATE ROLE, with PostgreSQL's defaults."""

    name: str


@dataclass(frozen=True)
class DropRole:
    """DROP ROLE."""

    name: str


@dataclass(frozen=True)
class SetFlag:
    """ALTER ROLE … LOGIN and the like. flag: one of desired.FLAGS."""

    role: str
    flag: str
    on: bool


@dataclass(frozen=True)
class SetValidUntil:
    """ALTER ROLE … VALID UNTIL. until: ISO 8601, or infinity."""

    role: str
    until: str


@dataclass(frozen=True)
class SetPassword:
    """ALTER ROLE … PASSWORD. verifier: as PostgreSQL stores it."""

    role: str
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Grant:
    """GRANT group TO role."""

    group: str
    role: str


@dataclass(frozen=True)
class Revoke:
    """REVOKE group FROM role. grantor: who granted it, None if that role no longer exists."""

    group: str
    role: str
    grantor: str | None


@dataclass(frozen=True)
class SetConnectionLimit:
    """ALTER … CONNECTION LIMIT. limit: -1 for none."""

    kind: Kind
    name: str
    limit: int


@dataclass(frozen=True)
class SetOwner:
    """ALTER … OWNER TO."""

    kind: Kind
    name: str
    owner: str


@dataclass(frozen=True)
class CreateDatabase:
    """CREATE DATABASE, which can't be part of a transaction."""

    name: str
    owner: str | None
    encoding: str | None
    locale: str | None
    template: str | None


@dataclass(frozen=True)
class DropDatabase:
    """DROP DATABASE, which can't be part of a transaction."""

    name: str


@dataclass(frozen=True)
class SetParameter:
    """ALTER DATABASE … SET, or RESET if there are no values. values: more than one for a list such as search_path."""

    database: str
    parameter: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class CreateSchema:
    """CREATE SCHEMA."""

    name: str
    owner: str | None


@dataclass(frozen=True)
class DropSchema:
    """DROP SCHEMA, of an empty one."""

    name: str


@dataclass(frozen=True)
class CreateExtension:
    """CREATE EXTENSION. schema: None for the extension's own, or public."""

    name: str
    version: str | None
    schema: str | None


@dataclass(frozen=True)
class UpdateExtension:
    """ALTER EXTENSION … UPDATE TO."""

    name: str
    version: str


@dataclass(frozen=True)
class DropExtension:
    """DROP EXTENSION, if nothing depends on it."""

    name: str


@dataclass(frozen=True)
class Remember:
    """ALTER … SET of found.MEMORY. digests: separated by blanks, '' for none."""

    kind: Kind
    name: str
    digests: str


Statement = (
    CreateRole
    | DropRole
    | SetFlag
    | SetValidUntil
    | SetPassword
    | Grant
    | Revoke
    | SetConnectionLimit
    | SetOwner
    | CreateDatabase
    | DropDatabase
    | SetParameter
    | CreateSchema
    | DropSchema
    | CreateExtension
    | UpdateExtension
    | DropExtension
    | Remember
)
OUTSIDE_TRANSACTIONS = (CreateDatabase, DropDatabase)
