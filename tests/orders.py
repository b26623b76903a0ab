"""Orders for tests, by the kind of operation and the names of their fields."""

from __future__ import annotations

from typing import Any, get_args

from hapg_failover.core import actions
from hapg_failover.core.actions import DeadHolder, Op, Order, Run

KINDS = {kind.op: kind for kind in get_args(actions.Order)}


def order(op: Op, **fields: Any) -> Order:
    """Return the order of that kind."""
    made: Order = KINDS[op](**fields)
    return made


def run(number: int, op: Op, *, term: int = 0, **fields: Any) -> Run:
    """Return what begins that operation."""
    return Run(number, order(op, **fields), term)


def said(run: Run) -> Any:
    """Return what is ordered, as a value of any kind."""
    return run.order


__all__ = ["DeadHolder", "order", "run", "said"]
