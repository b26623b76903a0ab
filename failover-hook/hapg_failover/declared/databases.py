"""Databases: from what is declared and found to the changes."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from .desired import Database, Extension, Schema
from .found import Contents, FoundDatabase
from .plan import Change, Plan, Problem, Property, no_role, of_properties
from .statements import (
    CreateDatabase,
    CreateExtension,
    CreateSchema,
    DropDatabase,
    DropExtension,
    DropSchema,
    Kind,
    SetConnectionLimit,
    SetOwner,
    SetParameter,
    UpdateExtension,
)

LISTS = frozenset({"local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces", "unix_socket_directories"})
"""Parameters whose value is a list of names (GUC_LIST_QUOTE in guc_tables.c)."""


def existence(declared: Sequence[Database], found: Mapping[str, FoundDatabase], roles: Collection[str]) -> tuple[Plan, ...]:
    """Return a plan for each database that is to be created or removed. roles: that exist."""
    plans = []
    for database in declared:
        now = found.get(database.name)
        if now is None and database.present:
            plans.append(_creation(database, roles))
        elif now is not None and not database.present:
            plans.append(_removal(now))
    return tuple(plans)


def plan(database: Database, now: FoundDatabase, contents: Contents | None, roles: Collection[str]) -> Plan:
    """Return the plan for a database that exists and is to. contents: None if it accepts no connections; roles: that exist."""
    schemas = {name for name, _ in contents.schemas} if contents is not None else set()
    inside: list[Property] = []
    problems = _fixed(database, now)
    if contents is None and (database.schemas or database.extensions):
        problems.append(Problem(f"database {database.name}: accepts no connections, so its schemas and extensions are not looked at"))
    elif contents is not None:
        coming = schemas | {schema.name for schema in database.schemas if schema.present}
        inside += [each for schema in database.schemas if schema.present for each in _schema(database, schema, contents, roles)]
        inside += [each for extension in database.extensions for each in _extension(database, extension, contents, coming)]
        inside += [each for schema in database.schemas if not schema.present for each in _schema(database, schema, contents, roles)]
    result = of_properties(Kind.DATABASE, database.name, [*_outside(database, now, roles), *inside], now.memory)
    return Plan(result.name, result.kind, result.changes, (*problems, *result.problems), result.remembered, result.kept)


def _creation(database: Database, roles: Collection[str]) -> Plan:
    if database.owner is not None and database.owner not in roles:
        return Plan(database.name, problems=(Problem(f"database {database.name}: {no_role(database.owner)}"),))
    template = database.template or ("template0" if database.encoding or database.locale else None)
    create = CreateDatabase(database.name, database.owner, database.encoding, database.locale, template)
    return Plan(database.name, changes=(Change((create,), f"database {database.name}: created"),))


def _removal(now: FoundDatabase) -> Plan:
    if now.sessions:
        why = f"database {now.name}: can't be removed while {now.sessions} sessions use it; end them"
        return Plan(now.name, problems=(Problem(why),))
    return Plan(now.name, changes=(Change((DropDatabase(now.name),), f"database {now.name}: removed"),))


def _fixed(database: Database, now: FoundDatabase) -> list[Problem]:
    """Return what can't be changed any more, and is different."""
    found = [
        ("encoding", database.encoding, now.encoding),
        ("locale", database.locale, now.collate),
        ("locale", database.locale, now.ctype),
    ]
    return [
        Problem(
            f"database {database.name}: {key} {wanted} is declared, and it was created with {has}, which can't be changed: "
            "declare that, or dump the database, remove it and restore it"
        )
        for key, wanted, has in dict.fromkeys(found)
        if wanted is not None and _plain(wanted) != _plain(has)
    ]


def _plain(name: str) -> str:
    """Return the name of an encoding or locale as PostgreSQL and the C library compare it."""
    plain = re.sub(r"[-_.]", "", name).lower()
    return "utf8" if plain == "unicode" else plain


def _outside(database: Database, now: FoundDatabase, roles: Collection[str]) -> list[Property]:
    """Return the properties that the database's row has."""
    found: list[Property] = []
    if (owner := database.owner) is not None:
        obstacle = "" if owner in roles else no_role(owner)
        found.append(Property("owner", owner, now.owner == owner, now.owner, (SetOwner(Kind.DATABASE, now.name, owner),), obstacle))
    if (limit := database.connection_limit) is not None:
        statement = SetConnectionLimit(Kind.DATABASE, now.name, limit)
        found.append(Property("connectionLimit", limit, now.connection_limit == limit, f"{now.connection_limit}", (statement,)))
    settings = {name.lower(): value for name, value in now.settings}  # PostgreSQL keeps its own spelling, such as TimeZone
    for name, value in database.settings:
        set_to = settings.get(name.lower())
        wanted, has = (() if each is None else _values(name, each) for each in (value, set_to))
        found.append(
            Property(
                f"settings.{name}", value, wanted == has, "not set" if set_to is None else set_to, (SetParameter(now.name, name, wanted),)
            )
        )
    return found


def _values(name: str, text: str) -> tuple[str, ...]:
    """Return the elements of a list, or the one value of another parameter."""
    if name.lower() not in LISTS:
        return (text,)
    words = [word.strip() for word in re.findall(r'\s*("(?:[^"]|"")*"|[^,]*)\s*(?:,|$)', text) if word.strip()]
    return tuple(word[1:-1].replace('""', '"') if word.startswith('"') else word for word in words or [""])


def _schema(database: Database, schema: Schema, contents: Contents, roles: Collection[str]) -> list[Property]:
    owners = dict(contents.schemas)
    key, is_there = f"schemas.{schema.name}", schema.name in owners
    if not schema.present:
        return [Property(key, "absent", not is_there, "it exists", (DropSchema(schema.name),), database=database.name)]
    obstacle = no_role(schema.owner) if schema.owner is not None and schema.owner not in roles else ""
    create = (CreateSchema(schema.name, schema.owner),)
    found = [Property(key, "present", is_there, "it does not exist", create, obstacle, database.name)]
    if schema.owner is not None and (is_there or obstacle):
        statement = SetOwner(Kind.SCHEMA, schema.name, schema.owner)
        now = owners.get(schema.name, "")
        found.append(Property(f"{key}.owner", schema.owner, now == schema.owner, now, (statement,), obstacle, database.name))
    return found


def _extension(database: Database, extension: Extension, contents: Contents, schemas: Collection[str]) -> list[Property]:
    versions = dict(contents.extensions)
    name, wanted, has = extension.name, extension.version, versions.get(extension.name)
    key = f"extensions.{name}"
    if not extension.present:
        return [Property(key, "absent", has is None, "it exists", (DropExtension(name),), database=database.name)]
    offered = {version for each, version in contents.available if each == name}
    obstacle = ""
    if has is None and not offered:
        obstacle = f"extension {name} is not available; use an image that has it"
    elif wanted is not None and wanted != has and wanted not in offered:
        obstacle = f"extension {name} has no version {wanted}; the image has {', '.join(sorted(offered)) or 'none'}"
    elif has is None and extension.schema is not None and extension.schema not in schemas:
        obstacle = f"extension {name}: there is no schema {extension.schema}; declare it in schemas"
    create = (CreateExtension(name, wanted, extension.schema),)
    found = [Property(key, "present", has is not None, "it does not exist", create, obstacle, database.name)]
    if wanted is not None and has is not None:
        found.append(Property(f"{key}.version", wanted, has == wanted, has, (UpdateExtension(name, wanted),), obstacle, database.name))
    return found
