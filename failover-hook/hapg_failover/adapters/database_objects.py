"""Roles and databases of the local server: what its catalogs say, and the statements that change them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..declared.desired import FLAGS
from ..declared.found import MEMORY, Contents, FoundDatabase, FoundRole
from ..declared.statements import OUTSIDE_TRANSACTIONS, Statement
from .sql import PostgresSql
from .statements import sql_of

_MAINTENANCE = "postgres"
_ROLES = """
SELECT coalesce(json_agg(json_build_object(
         'name', rolname, 'login', rolcanlogin, 'superuser', rolsuper, 'createdb', rolcreatedb, 'createrole', rolcreaterole,
         'inherit', rolinherit, 'replication', rolreplication, 'bypassrls', rolbypassrls, 'connectionLimit', rolconnlimit,
         'validUntil', extract(epoch FROM rolvaliduntil)::text, 'stored', rolpassword,
         'groups', (SELECT coalesce(json_agg(json_build_array(g.rolname, b.rolname) ORDER BY g.rolname, b.rolname), '[]')
                      FROM pg_auth_members AS m JOIN pg_authid AS g ON g.oid = m.roleid LEFT JOIN pg_authid AS b ON b.oid = m.grantor
                     WHERE m.member = r.oid),
         'usedIn', (SELECT coalesce(json_agg(DISTINCT coalesce(datname, '')), '[]')
                      FROM pg_shdepend AS s LEFT JOIN pg_database AS d ON d.oid = s.dbid
                     WHERE refclassid = 'pg_authid'::regclass AND refobjid = r.oid AND classid <> 'pg_auth_members'::regclass),
         'settings', (SELECT coalesce(json_agg(line), '[]') FROM pg_db_role_setting, unnest(setconfig) AS line
                       WHERE setrole = r.oid AND setdatabase = 0)
       )), '[]')::text
  FROM pg_authid AS r WHERE rolname = ANY (%s)
"""
_DATABASES = """
SELECT coalesce(json_agg(json_build_object(
         'name', datname, 'owner', pg_get_userbyid(datdba), 'encoding', pg_encoding_to_char(encoding), 'collate', datcollate,
         'ctype', datctype, 'connectionLimit', datconnlimit, 'allowsConnections', datallowconn AND datconnlimit <> -2,
         'sessions', (SELECT count(*) FROM pg_stat_activity WHERE datid = d.oid AND client_port IS NOT NULL),
         'settings', (SELECT coalesce(json_agg(line), '[]') FROM pg_db_role_setting, unnest(setconfig) AS line
                       WHERE setdatabase = d.oid AND setrole = 0)
       )), '[]')::text
  FROM pg_database AS d WHERE datname = ANY (%s)
"""
_CONTENTS = """
SELECT json_build_object(
         'extensions', (SELECT coalesce(json_agg(json_build_array(extname, extversion)), '[]') FROM pg_extension),
         'schemas', (SELECT coalesce(json_agg(json_build_array(nspname, pg_get_userbyid(nspowner))), '[]') FROM pg_namespace
                      WHERE nspname = ANY (%s)),
         'available', (SELECT coalesce(json_agg(json_build_array(name, version)), '[]') FROM pg_available_extension_versions
                        WHERE name = ANY (%s))
       )::text
"""


class SqlDatabaseObjects:
    """Implements ports.DatabaseObjects."""

    def __init__(self, sql: PostgresSql) -> None:
        """sql: to the local server."""
        self._sql = sql

    def roles(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundRole]:
        """See ports.DatabaseObjects."""
        return {row["name"]: _role(row) for row in self._ask(_MAINTENANCE, timeout, _ROLES, list(names))}

    def databases(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundDatabase]:
        """See ports.DatabaseObjects."""
        return {row["name"]: _database(row) for row in self._ask(_MAINTENANCE, timeout, _DATABASES, list(names))}

    def contents(self, database: str, schemas: Sequence[str], extensions: Sequence[str], timeout: float) -> Contents:
        """See ports.DatabaseObjects."""
        found = self._ask(database, timeout, _CONTENTS, list(schemas), list(extensions))
        return Contents(*(tuple((name, value) for name, value in found[key]) for key in ("extensions", "schemas", "available")))

    def run(self, database: str, statements: Sequence[Statement], timeout: float) -> None:
        """See ports.DatabaseObjects."""
        texts = [text for statement in statements for text in sql_of(statement)]
        is_alone = any(isinstance(statement, OUTSIDE_TRANSACTIONS) for statement in statements)
        self._sql.change(database, texts if is_alone else ["BEGIN", *texts, "COMMIT"], timeout)

    def _ask(self, database: str, timeout: float, statement: str, *arguments: list[str]) -> Any:
        (text,) = self._sql.ask(database, (statement, arguments), timeout)
        return json.loads(text)


def _role(row: Mapping[str, Any]) -> FoundRole:
    until = row["validUntil"]
    return FoundRole(
        name=row["name"],
        flags=frozenset(flag for flag in FLAGS if row[flag]),
        connection_limit=row["connectionLimit"],
        valid_until=float("inf" if until is None else until),
        groups=tuple((group, grantor) for group, grantor in row["groups"]),
        stored=row["stored"],
        used_in=tuple(row["usedIn"]),
        memory=_memory(_settings(row["settings"])),
    )


def _database(row: Mapping[str, Any]) -> FoundDatabase:
    settings = _settings(row["settings"])
    return FoundDatabase(
        name=row["name"],
        owner=row["owner"],
        encoding=row["encoding"],
        collate=row["collate"],
        ctype=row["ctype"],
        connection_limit=row["connectionLimit"],
        allows_connections=row["allowsConnections"],
        sessions=row["sessions"],
        settings=tuple(item for item in settings.items() if item[0] != MEMORY),
        memory=_memory(settings),
    )


def _settings(lines: Sequence[str]) -> dict[str, str]:
    """Return the settings in lines such as work_mem=4MB."""
    pairs = (line.partition("=") for line in lines)
    return {name: value for name, _, value in pairs}


def _memory(settings: Mapping[str, str]) -> frozenset[str]:
    return frozenset(settings.get(MEMORY, "").split())
