"""What the values `roles` and `databases` declare, as the chart writes it to roles.json (docs/contract.md).

A property that is None is not declared: it is left as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

FLAGS = ("login", "superuser", "createdb", "createrole", "inherit", "replication", "bypassrls")
RESERVED = frozenset({"none", "postgres", "public", "template0", "template1"})
RESERVED_PREFIXES = ("pg_", "ha_postgres_")
RESERVED_SETTINGS = "ha_postgres."
"""How the names of settings begin that agents and imports make."""
LONGEST = 63
"""Bytes of a name, as PostgreSQL is built (NAMEDATALEN)."""
FOREVER = "infinity"


@dataclass(frozen=True)
class Entry:
    """An entry of a Secret."""

    secret: str
    key: str

    def __str__(self) -> str:
        return f"Secret {self.secret}, key {self.key}"


@dataclass(frozen=True)
class Role:
    """A role. present: False if it is to be removed; flags: declared ones of FLAGS; valid_until: ISO 8601 in UTC, or FOREVER; password:
    where its password is.
    """

    name: str
    present: bool = True
    flags: tuple[tuple[str, bool], ...] = ()
    connection_limit: int | None = None
    valid_until: str | None = None
    member_of: tuple[str, ...] | None = None
    password: Entry | None = None


@dataclass(frozen=True)
class Extension:
    """An extension of a database. schema: where it is created."""

    name: str
    present: bool = True
    version: str | None = None
    schema: str | None = None


@dataclass(frozen=True)
class Schema:
    """A schema of a database."""

    name: str
    present: bool = True
    owner: str | None = None


@dataclass(frozen=True)
class Database:
    """A database. encoding, locale, template: for its creation; settings: by name, None for one to reset."""

    name: str
    present: bool = True
    owner: str | None = None
    connection_limit: int | None = None
    encoding: str | None = None
    locale: str | None = None
    template: str | None = None
    settings: tuple[tuple[str, str | None], ...] = ()
    schemas: tuple[Schema, ...] = ()
    extensions: tuple[Extension, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """All that is declared."""

    roles: tuple[Role, ...] = ()
    databases: tuple[Database, ...] = ()

    @property
    def names_of_roles(self) -> tuple[str, ...]:
        """The roles that are declared or referred to."""
        owners = [database.owner for database in self.databases]
        owners += [schema.owner for database in self.databases for schema in database.schemas]
        groups = [group for role in self.roles for group in role.member_of or ()]
        return tuple(dict.fromkeys(name for name in (*(role.name for role in self.roles), *groups, *owners) if name is not None))

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The entries of Secrets that hold passwords."""
        return tuple(dict.fromkeys(role.password for role in self.roles if role.password is not None))


def parse(text: str) -> Declaration:
    """Return what roles.json declares. A key that is unknown here is left out. Raise ValueError, with the path of what is wrong."""
    root = _object(json.loads(text), "roles.json")
    return Declaration(
        tuple(_role(entry, f"roles[{number}]") for number, entry in enumerate(_list(root, "roles", "roles.json"))),
        tuple(_database(entry, f"databases[{number}]") for number, entry in enumerate(_list(root, "databases", "roles.json"))),
    )


def _role(value: object, where: str) -> Role:
    found = _object(value, where)
    secret = found.get("passwordSecret")
    until = _text(found, "validUntil", where)
    groups = (
        None
        if found.get("memberOf") is None
        else tuple(sorted({_identifier(each, f"{where}.memberOf") for each in _list(found, "memberOf", where)}))
    )
    return Role(
        name=_own_name(found, where),
        present=_present(found, where),
        flags=tuple((flag, _flag(found[flag], f"{where}.{flag}")) for flag in FLAGS if found.get(flag) is not None),
        connection_limit=_limit(found, where),
        valid_until=None if until is None else _time(until, f"{where}.validUntil"),
        member_of=groups,
        password=None if secret is None else _entry(_object(secret, f"{where}.passwordSecret"), f"{where}.passwordSecret"),
    )


def _entry(found: Mapping[str, Any], where: str) -> Entry:
    name, key = _word(found.get("name"), f"{where}.name"), _text(found, "key", where) or "password"
    if "/" in name or "/" in key or ".." in (name, key):
        raise ValueError(f"{where}: {name!r} or {key!r} is not a name")
    return Entry(name, key)


def _database(value: object, where: str) -> Database:
    found = _object(value, where)
    settings = _object(found.get("settings") or {}, f"{where}.settings")
    if own := [name for name in settings if name.lower().startswith(RESERVED_SETTINGS)]:
        raise ValueError(f"{where}.settings: {own[0]} is reserved")
    return Database(
        name=_own_name(found, where),
        present=_present(found, where),
        owner=_other(found, "owner", where),
        connection_limit=_limit(found, where),
        encoding=_text(found, "encoding", where),
        locale=_text(found, "locale", where),
        template=_other(found, "template", where),
        settings=tuple((name, _setting(each, f"{where}.settings.{name}")) for name, each in sorted(settings.items())),
        schemas=tuple(_schema(each, f"{where}.schemas") for each in _list(found, "schemas", where)),
        extensions=tuple(_extension(each, f"{where}.extensions") for each in _list(found, "extensions", where)),
    )


def _schema(value: object, where: str) -> Schema:
    found = _object(value, where)
    name = _identifier(found.get("name"), f"{where}.name")
    if name.startswith("pg_") or name == "information_schema":
        raise ValueError(f"{where}: {name} is PostgreSQL's own")
    return Schema(name, _present(found, where), _other(found, "owner", where))


def _extension(value: object, where: str) -> Extension:
    found = _object(value, where)
    name = _identifier(found.get("name"), f"{where}.name")
    return Extension(name, _present(found, where), _text(found, "version", where), _other(found, "schema", where))


def _own_name(found: Mapping[str, Any], where: str) -> str:
    name = _identifier(found.get("name"), f"{where}.name")
    if name in RESERVED or name.startswith(RESERVED_PREFIXES):
        raise ValueError(f"{where}: {name} is reserved")
    return name


def _present(found: Mapping[str, Any], where: str) -> bool:
    ensure = found.get("ensure", "present")
    if ensure not in ("present", "absent"):
        raise ValueError(f"{where}.ensure: {ensure!r} is not allowed; present or absent")
    return bool(ensure == "present")


def _limit(found: Mapping[str, Any], where: str) -> int | None:
    value = found.get("connectionLimit")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < -1:
        raise ValueError(f"{where}.connectionLimit: {value!r} is not allowed; a number from 0, or -1 for no limit")
    return int(value)


def _time(text: str, where: str) -> str:
    if text == FOREVER:
        return FOREVER
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{where}: {text!r} is not a time such as 2030-01-31T12:00:00Z, or infinity") from None
    return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def _setting(value: object, where: str) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return "on" if value else "off"
        case str() | int() | float():
            return str(value)
        case _:
            raise ValueError(f"{where}: {value!r} is not allowed; text, a number, true, false, or null")


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{where}: {value!r} is not allowed; true or false")
    return value


def _text(found: Mapping[str, Any], key: str, where: str) -> str | None:
    value = found.get(key)
    return None if value is None else _word(value, f"{where}.{key}")


def _other(found: Mapping[str, Any], key: str, where: str) -> str | None:
    """Return the name of another object, None if there is none."""
    value = found.get(key)
    return None if value is None else _identifier(value, f"{where}.{key}")


def _word(value: object, where: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{where}: {value!r} is not allowed; text")
    return value


def _identifier(value: object, where: str) -> str:
    name = _word(value, where)
    if len(name.encode()) > LONGEST:
        raise ValueError(f"{where}: {name!r} is longer than {LONGEST} bytes, where PostgreSQL cuts names off")
    return name


def _list(found: Mapping[str, Any], key: str, where: str) -> Sequence[object]:
    value = found.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{where}.{key}: expected a list, found {value!r}")
    return value


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, found {value!r}")
    return value
