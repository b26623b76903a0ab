"""The database of an application, the role that owns it, and the Secret with which the application connects.

The Secret's keys are those of CloudNativePG's Secret CLUSTER-app, so that applications can read either; `ro-uri` is ours.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from . import roles
from .roles import Change, Role
from .secret_entries import escape_pgpass

PASSWORD_KEY = "password"  # noqa: S105
_UNRESERVED = frozenset((string.ascii_letters + string.digits + "-._~").encode())


@dataclass(frozen=True)
class App:
    """The value `app`.

    database, owner: names; secret: name of the Secret; makes_secret: the pods create it and keep its entries, otherwise they only read its
    password; host, port: of the primary's Service; read_host: of the Service for reads, which takes the same port.
    """

    database: str
    owner: str
    secret: str
    makes_secret: bool
    host: str
    port: int
    read_host: str


def entries(app: App, password: str, hot: bool) -> dict[str, str | None]:
    """Return the Secret's entries besides the password; None: the entry must not exist. hot: the standbys answer queries."""
    user, secret, database = (_percent(text) for text in (app.owner, password, app.database))
    fields = (app.host, str(app.port), app.database, app.owner, password)
    return {
        "host": app.host,
        "port": str(app.port),
        "dbname": app.database,
        "user": app.owner,
        "username": app.owner,
        "uri": f"postgresql://{user}:{secret}@{app.host}:{app.port}/{database}",
        "jdbc-uri": f"jdbc:postgresql://{app.host}:{app.port}/{database}?password={secret}&user={user}",
        "pgpass": ":".join(escape_pgpass(text) for text in fields) + "\n",
        "ro-uri": f"postgresql://{user}:{secret}@{app.read_host}:{app.port}/{database}" if hot else None,
    }


def first(app: App, password: str, method: str, salt: bytes) -> tuple[str, ...]:
    """Return the statements that create role and database on a new server. method, salt: as for `plan`."""
    stored = roles.verifier(app.owner, password, method, salt)
    return (f"CREATE ROLE {_identifier(app.owner)} LOGIN PASSWORD '{stored}'", _create_database(app))


def plan(app: App, role: Role | None, database_owner: str | None, password: str, method: str, salt: bytes) -> tuple[Change, ...]:
    """Return what a primary has to create or change; nothing if role and database exist and the role has the password.

    role: the owner as it is; database_owner: the role to which the database belongs; None: it doesn't exist. method: the method in
    pg_hba.conf, scram-sha-256 or md5; salt: for a new verifier.
    """
    changes = []
    if role is None:
        changes.append(Change(first(app, password, method, salt)[:1], f"the role {app.owner} is created"))
    elif not roles.fits(app.owner, role.stored, password, method):
        stored = roles.verifier(app.owner, password, method, salt)
        statement = f"ALTER ROLE {_identifier(app.owner)} PASSWORD '{stored}'"
        changes.append(Change((statement,), f"{app.owner} has the password from the Secret"))
    if database_owner is None:
        changes.append(Change((_create_database(app),), f"the database {app.database} is created"))
    return tuple(changes)


def drift(app: App, role: Role | None, database_owner: str | None) -> str:
    """Return how an existing role and database differ from the values, '' if they don't. Nobody changes that but the user."""
    found = []
    if database_owner not in (None, app.owner):
        found.append(f"the database {app.database} belongs to {database_owner}, not to {app.owner}")
    if role is not None and not role.login:
        found.append(f"the role {app.owner} may not log in")
    if role is not None and role.superuser:
        found.append(f"the role {app.owner} is a superuser")
    return "; ".join(found)


def _create_database(app: App) -> str:
    return f"CREATE DATABASE {_identifier(app.database)} OWNER {_identifier(app.owner)}"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _percent(text: str) -> str:
    """Return a part of a URI (RFC 3986). A blank is %20 and a plus sign is %2B, because JDBC takes + for a blank."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())
