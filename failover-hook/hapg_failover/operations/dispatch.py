"""The entry: carries out one order of `core`, and turns its failure into a result."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import floor
from typing import assert_never

from ..adapters.ports.sql import SqlError
from ..core.state.actions import (
    Adopt,
    CatchUp,
    Clone,
    Follow,
    Initdb,
    Look,
    Mark,
    Order,
    Prepare,
    Promote,
    Restore,
    Rewind,
    Run,
    Seal,
    Seed,
    SetStandbys,
    ShutDown,
    Start,
    Stop,
    Upgrade,
)
from ..core.state.results import OpResult, Outcome
from ..core.timing import HEARTBEAT_WAIT_S
from ..supervisor_commands import OperationFailed
from . import catch_up, clone, create, follow, own_volume, promote, rewind, seal, shutdown, standbys, start, upgrade
from .operation import Operation
from .tools import Tools


def perform(tools: Tools, run: Run, nonce: str) -> OpResult:
    """Run an operation; every failure becomes a result. On return, the supervisor's heartbeat already reflects it."""
    operation = Operation(tools, run, nonce)
    result = attempt(operation)
    ended = floor(tools.runtime.now() * 100) / 100
    with suppress(OperationFailed):
        operation.command("hello", timeout=HEARTBEAT_WAIT_S)
        while operation.heartbeat().uptime < ended and tools.runtime.now() < ended + HEARTBEAT_WAIT_S:
            tools.runtime.sleep(0.002)
    return replace(result, ended=ended, emergency_spaces=operation.emergency_spaces)


def attempt(operation: Operation) -> OpResult:
    """Carry out the operation's order; every failure becomes a result."""
    try:
        return _carry_out(operation, operation.run.order)
    except OperationFailed as failure:
        return operation.result(Outcome.FAILED, str(failure), failure.position)
    except (OSError, ValueError, SqlError) as error:
        return operation.result(Outcome.FAILED, f"{type(error).__name__}: {error}")


def _carry_out(operation: Operation, order: Order) -> OpResult:  # noqa: C901 a case for each
    match order:
        case Start():
            return start.start(operation, order)
        case Seal():
            return seal.seal(operation, order)
        case Follow():
            return follow.follow(operation, order)
        case CatchUp():
            return catch_up.catch_up(operation, order)
        case Rewind():
            return rewind.rewind(operation, order)
        case Clone():
            return clone.clone(operation, order)
        case Initdb():
            return create.initdb(operation)
        case Restore():
            return create.restore(operation)
        case Seed():
            return create.seed(operation)
        case Look():
            return operation.result(Outcome.OK)  # every operation ends with that
        case Upgrade():
            return upgrade.upgrade(operation, order)
        case Promote():
            return promote.promote(operation, order)
        case Prepare():
            return shutdown.prepare(operation, order)
        case ShutDown():
            return shutdown.shut_down(operation, order)
        case Stop():
            return shutdown.stop(operation)
        case SetStandbys():
            return standbys.set_standbys(operation, order)
        case Adopt():
            return own_volume.adopt(operation)
        case Mark():
            return create.mark(operation)
        case _:
            assert_never(order)
