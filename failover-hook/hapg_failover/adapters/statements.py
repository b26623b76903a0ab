"""Statements of `declared` as SQL, with every name and value quoted by psycopg2."""

from __future__ import annotations

from psycopg2.sql import SQL, Composable, Identifier, Literal

from ..declared import statements as declared
from ..declared.found import MEMORY
from ..declared.statements import Kind, Statement


def sql_of(statement: Statement) -> tuple[Composable, ...]:  # noqa: C901 a case for each
    """Return the SQL statements for one of `declared`."""
    match statement:
        case declared.CreateRole(name):
            return (SQL("CREATE ROLE {}").format(Identifier(name)),)
        case declared.DropRole(name):
            return (SQL("DROP ROLE {}").format(Identifier(name)),)
        case declared.SetFlag(role, flag, on):
            return (SQL("ALTER ROLE {} {}").format(Identifier(role), SQL(("" if on else "NO") + flag.upper())),)
        case declared.SetValidUntil(role, until):
            return (SQL("ALTER ROLE {} VALID UNTIL {}").format(Identifier(role), Literal(until)),)
        case declared.SetPassword(role, verifier):
            return (SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(verifier)),)
        case declared.Grant(group, role):
            return (SQL("GRANT {} TO {}").format(Identifier(group), Identifier(role)),)
        case declared.Revoke(group, role, grantor):
            by = SQL("") if grantor is None else SQL(" GRANTED BY {}").format(Identifier(grantor))
            return (SQL("REVOKE {} FROM {}{}").format(Identifier(group), Identifier(role), by),)
        case declared.SetConnectionLimit(kind, name, limit):
            return (SQL("ALTER {} {} CONNECTION LIMIT {}").format(SQL(kind.value), Identifier(name), Literal(limit)),)
        case declared.SetOwner(kind, name, owner):
            return (SQL("ALTER {} {} OWNER TO {}").format(SQL(kind.value), Identifier(name), Identifier(owner)),)
        case declared.CreateDatabase():
            return (_create_database(statement),)
        case declared.DropDatabase(name):
            return (SQL("DROP DATABASE {}").format(Identifier(name)),)
        case declared.SetParameter(database, parameter, values):
            return (_set(Kind.DATABASE, database, parameter, values),)
        case declared.CreateSchema(name, owner):
            to = SQL("") if owner is None else SQL(" AUTHORIZATION {}").format(Identifier(owner))
            return (SQL("CREATE SCHEMA {}{}").format(Identifier(name), to),)
        case declared.DropSchema(name):
            return (SQL("DROP SCHEMA {}").format(Identifier(name)),)
        case declared.CreateExtension():
            return _create_extension(statement)
        case declared.UpdateExtension(name, version):
            return (SQL("ALTER EXTENSION {} UPDATE TO {}").format(Identifier(name), Literal(version)),)
        case declared.DropExtension(name):
            return (SQL("DROP EXTENSION {}").format(Identifier(name)),)
        case declared.Remember(kind, name, digests):
            return (_set(kind, name, MEMORY, (digests,) if digests else ()),)


def _set(kind: Kind, name: str, parameter: str, values: tuple[str, ...]) -> Composable:
    what = Identifier(*parameter.split("."))
    if not values:
        return SQL("ALTER {} {} RESET {}").format(SQL(kind.value), Identifier(name), what)
    return SQL("ALTER {} {} SET {} TO {}").format(SQL(kind.value), Identifier(name), what, SQL(", ").join(map(Literal, values)))


def _create_database(statement: declared.CreateDatabase) -> Composable:
    options: list[Composable] = []
    if statement.owner is not None:
        options.append(SQL(" OWNER {}").format(Identifier(statement.owner)))
    if statement.template is not None:
        options.append(SQL(" TEMPLATE {}").format(Identifier(statement.template)))
    if statement.encoding is not None:
        options.append(SQL(" ENCODING {}").format(Literal(statement.encoding)))
    if statement.locale is not None:
        options.append(SQL(" LC_COLLATE {0} LC_CTYPE {0}").format(Literal(statement.locale)))
    return SQL("CREATE DATABASE {}{}").format(Identifier(statement.name), SQL("").join(options))


def _create_extension(statement: declared.CreateExtension) -> tuple[Composable, ...]:
    """Return the statements; without a schema of its own or a declared one, an extension goes to the first of the search path."""
    options: list[Composable] = []
    if statement.schema is not None:
        options.append(SQL(" SCHEMA {}").format(Identifier(statement.schema)))
    if statement.version is not None:
        options.append(SQL(" VERSION {}").format(Literal(statement.version)))
    create = SQL("CREATE EXTENSION {}{}").format(Identifier(statement.name), SQL("").join(options))
    return (SQL("SET LOCAL search_path TO public"), create)
