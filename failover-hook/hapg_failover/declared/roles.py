"""Roles: from what is declared and found to the changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from ..credentials.roles import fits, verifier
from .desired import FOREVER, Entry, Role
from .found import FoundRole
from .plan import Change, Plan, Problem, Property, no_role, of_properties
from .statements import CreateRole, DropRole, Grant, Kind, Revoke, SetConnectionLimit, SetFlag, SetPassword, SetValidUntil, Statement


def plan(
    declared: Sequence[Role], found: Mapping[str, FoundRole], passwords: Mapping[Entry, str], *, method: str, salt: bytes
) -> tuple[Plan, ...]:
    """Return a plan for each role that is declared present, groups before their members.

    found: those that are declared or referred to, and exist; passwords: as read from the Secrets; method: of pg_hba.conf, scram-sha-256 or
    md5; salt: for a new verifier.
    """
    known = found.keys() | {role.name for role in declared if role.present}
    return tuple(_plan(role, found.get(role.name), known, passwords, method, salt) for role in _ordered(declared) if role.present)


def removals(declared: Sequence[Role], found: Mapping[str, FoundRole]) -> tuple[Plan, ...]:
    """Return a plan for each role that is declared absent and exists. found: as it is once databases have been removed."""
    return tuple(_removal(found[role.name]) for role in declared if not role.present and role.name in found)


def _removal(role: FoundRole) -> Plan:
    if not role.used_in:
        return Plan(role.name, changes=(Change((DropRole(role.name),), f"role {role.name}: removed"),))
    where = ", ".join(sorted(name or "shared objects" for name in role.used_in))
    why = (
        f"role {role.name}: can't be removed, because it owns objects or has rights to some ({where}); run REASSIGN OWNED and DROP OWNED "
        "for it in each of these databases"
    )
    return Plan(role.name, problems=(Problem(why),))


def _ordered(declared: Sequence[Role]) -> tuple[Role, ...]:
    """Return the roles with each one after those that it is a member of. PostgreSQL refuses a circle."""
    by_name = {role.name: role for role in declared}
    done: dict[str, Role] = {}
    begun: set[str] = set()

    def add(role: Role) -> None:
        begun.add(role.name)
        for group in role.member_of or ():
            if group in by_name and group not in begun:
                add(by_name[group])
        done[role.name] = role

    for role in declared:
        if role.name not in begun:
            add(role)
    return tuple(done.values())


def _plan(role: Role, found: FoundRole | None, known: set[str], passwords: Mapping[Entry, str], method: str, salt: bytes) -> Plan:
    now = found or FoundRole(role.name)
    password, missing = _password(role, now, passwords, method, salt)
    if found is None:
        attributes = [each for each in _attributes(role, now) if not each.holds]
        statements = [CreateRole(role.name), *(statement for each in attributes for statement in each.statements)]
        made = frozenset(each.digest for each in attributes)
        create = Change((*statements, *password), f"role {role.name}: created", digests=made)
        rest = [each for each in _attributes(role, now) if each.holds]
        first: tuple[Change, ...] = (create,)
    else:
        reason = f"role {role.name}: has the password from {role.password}"
        first = (Change(password, reason),) if password else ()
        rest = _attributes(role, now)
    result = of_properties(Kind.ROLE, role.name, [*rest, *_memberships(role, now, known)], now.memory, first)
    problems = (*result.problems, *missing)
    return Plan(result.name, result.kind, result.changes, problems, result.remembered, result.kept)


def _password(
    role: Role, now: FoundRole, passwords: Mapping[Entry, str], method: str, salt: bytes
) -> tuple[tuple[SetPassword, ...], tuple[Problem, ...]]:
    """Return what sets the password, and what is wrong. A password is always the Secret's, also after a change by hand (ADR 0008)."""
    if role.password is None:
        return (), ()
    wanted = passwords.get(role.password)
    if wanted is None:
        stays = "it has none yet" if now.stored is None else "the previous one stays in effect"
        why = f"role {role.name}: no usable password in {role.password}; {stays}. Create the Secret, or wait until the pods have it"
        return (), (Problem(why),)
    if fits(role.name, now.stored, wanted, method):
        return (), ()
    return (SetPassword(role.name, verifier(role.name, wanted, method, salt)),), ()


def _attributes(role: Role, now: FoundRole) -> list[Property]:
    name = role.name
    found = [
        Property(flag, on, (flag in now.flags) == on, f"{flag} {str(flag in now.flags).lower()}", (SetFlag(name, flag, on),))
        for flag, on in role.flags
    ]
    if (limit := role.connection_limit) is not None:
        now_limit = now.connection_limit
        found.append(Property("connectionLimit", limit, now_limit == limit, f"{now_limit}", (SetConnectionLimit(Kind.ROLE, name, limit),)))
    if (until := role.valid_until) is not None:
        wanted = float("inf") if until == FOREVER else datetime.fromisoformat(until).timestamp()
        holds = now.valid_until == wanted
        found.append(Property("validUntil", until, holds, _time_words(now.valid_until), (SetValidUntil(name, until),)))
    return found


def _time_words(seconds: float) -> str:
    """Return a time in words; Python knows none after the year 9999."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError):
        return FOREVER if seconds > 0 else "in the distant past"


def _memberships(role: Role, now: FoundRole, known: set[str]) -> list[Property]:
    if role.member_of is None:
        return []
    wanted, has = set(role.member_of), {group for group, _ in now.groups}
    unknown = sorted(wanted - known)
    obstacle = f"memberOf: {no_role(', '.join(unknown))}" if unknown else ""
    statements: tuple[Statement, ...] = (
        *(Grant(group, role.name) for group in sorted(wanted - has)),
        *(Revoke(group, role.name, grantor) for group, grantor in now.groups if group not in wanted),
    )
    words = f"memberOf [{', '.join(sorted(has))}]"
    return [Property("memberOf", role.member_of, wanted == has, words, statements, obstacle)]
