"""Roles of the simulated servers: what was changed is part of the WAL, so a standby has it and a failover may lose it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.declared.found import Contents, FoundDatabase, FoundRole
from hapg_failover.declared.statements import CreateRole, Remember, SetConnectionLimit, Statement

from .adapters import Sql
from .server import Server

if TYPE_CHECKING:
    from .agent import Agent
    from .processes import Runtime

RECORD_BYTES = 64


@dataclass(frozen=True)
class Changed:
    """Statements that a server has run. serial, lsn: the record in its WAL."""

    member: int
    serial: int
    lsn: int
    statements: tuple[Statement, ...]


class Objects:
    """Implements `ports.DatabaseObjects`, for roles and their connection limits."""

    def __init__(self, agent: Agent, runtime: Runtime) -> None:
        self._agent = agent
        self._sql = Sql(agent, runtime)

    def roles(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundRole]:
        return roles_of(self._sql.local(timeout))

    def databases(self, names: Sequence[str], timeout: float) -> Mapping[str, FoundDatabase]:
        raise AssertionError("no database is declared")

    def contents(self, database: str, schemas: Sequence[str], extensions: Sequence[str], timeout: float) -> Contents:
        raise AssertionError("no database is declared")

    def run(self, database: str, statements: Sequence[Statement], timeout: float) -> None:
        world, server = self._agent.world, self._sql.local(timeout)
        wal = server.volume.wal
        if server.state == "standby":
            world.violation(f"member {server.member}: a standby was to be changed")
        if not server.writable or wal is None:
            raise SqlError("cannot execute it in a read-only transaction")
        server.volume.wal = wal = wal.grown(RECORD_BYTES)
        world.changed.append(Changed(server.member, *wal.last_record, tuple(statements)))


def roles_of(server: Server) -> dict[str, FoundRole]:
    """Return the roles that a server has."""
    found: dict[str, FoundRole] = {}
    wal = server.volume.wal
    for changed in server.world.changed:
        if wal is not None and wal.contains(changed.serial, changed.lsn):
            for statement in changed.statements:
                _apply(found, statement)
    return found


def _apply(found: dict[str, FoundRole], statement: Statement) -> None:
    match statement:
        case CreateRole(name):
            assert name not in found, "it exists already"
            found[name] = FoundRole(name)
        case SetConnectionLimit(_, name, limit):
            found[name] = replace(found[name], connection_limit=limit)
        case Remember(_, name, digests):
            found[name] = replace(found[name], memory=frozenset(digests.split()))
        case _:
            raise AssertionError(f"not simulated: {statement}")
