"""Orders for tests, by the kind of operation and their field names."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

from hapg_failover.core.state import actions
from hapg_failover.core.state.actions import DeadHolder, Op, Order, Run

KINDS = {kind.op: kind for kind in get_args(actions.Order)}


def order(op: Op, **values: Any) -> Order:
    """Return the order of that kind."""
    made: Order = KINDS[op](**values)
    return made


def run(number: int, op: Op, *, term: int = 0, **values: Any) -> Run:
    """Return the action that starts that operation."""
    return Run(number, order(op, **values), term)


def fitting(op: Op, **values: Any) -> dict[str, Any]:
    """Return those of the values that are fields of an order of that kind."""
    return {field.name: values[field.name] for field in fields(KINDS[op]) if field.name in values}


def said(run: Run) -> Any:
    """Return the order, typed as Any."""
    return run.order


__all__ = ["DeadHolder", "fitting", "order", "run", "said"]
