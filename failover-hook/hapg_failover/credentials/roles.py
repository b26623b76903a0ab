"""The roles whose passwords are in the Secrets, and the changes a primary must make so that they match the Secrets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import scram
from .secret_entries import Passwords

SUPERUSER = "postgres"
REPLICATION = "ha_postgres_replication"
FUNCTIONS = (
    "pg_ls_dir(text,boolean,boolean)",
    "pg_stat_file(text,boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text,bigint,bigint,boolean)",
)
"""The functions that pg_rewind calls on its source (its documentation, Notes); the agents also call the second and the third."""
MEMBERSHIPS = ("pg_read_all_stats",)
"""Needed to read the size of a database that PUBLIC may not connect to, and to see whether a standby streams."""


@dataclass(frozen=True)
class Login:
    """A login on another pod's server."""

    user: str
    password: str


@dataclass(frozen=True)
class Role:
    """A row of pg_authid, and which of the FUNCTIONS and MEMBERSHIPS above the role lacks.

    stored: the stored password; login, replication, superuser: the attributes of that name.
    """

    name: str
    stored: str | None
    login: bool
    replication: bool
    superuser: bool
    lacks_functions: tuple[str, ...] = ()
    lacks_memberships: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """SQL statements, and the reason for them in words."""

    statements: tuple[str, ...]
    reason: str


def logins(passwords: Passwords, own_role: bool) -> tuple[Login, ...]:
    """Return the logins to try on another pod's server, in order of preference.

    passwords: from the Secrets; own_role: this major has the replication role. The superuser is the fallback, because a primary whose agent
    is older than the role has no other login.
    """
    superuser = Login(SUPERUSER, passwords.superuser)
    return (Login(REPLICATION, passwords.replication), superuser) if own_role else (superuser,)


def names(own_role: bool) -> tuple[str, ...]:
    """Return the roles that a primary manages. own_role: this major has the replication role."""
    return (SUPERUSER, REPLICATION) if own_role else (SUPERUSER,)


def plan(found: Sequence[Role], passwords: Passwords, *, own_role: bool, method: str, salt: bytes) -> tuple[Change, ...]:
    """Return the changes needed, or nothing if everything is as it should be.

    found: the roles as they are; passwords: from the Secrets; own_role: this major has the replication role; method: the method in
    pg_hba.conf, scram-sha-256 or md5; salt: for a new verifier.
    """
    by_name = {role.name: role for role in found}
    changes = [_superuser(by_name.get(SUPERUSER), passwords.superuser, method, salt)]
    if own_role:
        changes.append(_replication(by_name.get(REPLICATION), passwords.replication, method, salt))
    return tuple(change for change in changes if change is not None)


def _superuser(role: Role | None, password: str, method: str, salt: bytes) -> Change | None:
    if role is None or fits(SUPERUSER, role.stored, password, method):
        return None
    stored = verifier(SUPERUSER, password, method, salt)
    return Change((f"ALTER ROLE {SUPERUSER} PASSWORD '{stored}'",), f"{SUPERUSER} has the password from the Secret")


def _replication(role: Role | None, password: str, method: str, salt: bytes) -> Change | None:
    stored = verifier(REPLICATION, password, method, salt)
    if role is None:
        create = f"CREATE ROLE {REPLICATION} LOGIN REPLICATION PASSWORD '{stored}'"
        return Change((create, *_grants(FUNCTIONS, MEMBERSHIPS)), f"the role {REPLICATION} is created")
    statements = []
    reason = f"the rights of {REPLICATION} are restored"
    if not role.login or not role.replication or role.superuser:
        statements.append(f"ALTER ROLE {REPLICATION} LOGIN REPLICATION NOSUPERUSER")
    if not fits(REPLICATION, role.stored, password, method):
        statements.append(f"ALTER ROLE {REPLICATION} PASSWORD '{stored}'")
        reason = f"{REPLICATION} has the password from the Secret"
    statements += _grants(role.lacks_functions, role.lacks_memberships)
    return Change(tuple(statements), reason) if statements else None


def _grants(functions: Sequence[str], memberships: Sequence[str]) -> list[str]:
    grants = [f"GRANT EXECUTE ON FUNCTION {function} TO {REPLICATION}" for function in functions]
    return grants + [f"GRANT {membership} TO {REPLICATION}" for membership in memberships]


def fits(user: str, stored: str | None, password: str, method: str) -> bool:
    """True if a role's stored password is this one, in the form for `method`."""
    if method == "md5":
        return stored == scram.md5(password, user)
    return scram.fits_scram(stored, password)


def verifier(user: str, password: str, method: str, salt: bytes) -> str:
    """Return the form in which a password is stored for `method`, scram-sha-256 or md5."""
    return scram.md5(password, user) if method == "md5" else scram.scram(password, salt)
