"""Upgrade the data from another major."""

from __future__ import annotations

from ..core.state.actions import Upgrade
from ..core.state.results import OpResult, Outcome
from .operation import COPY_STALL_S, Operation


def upgrade(operation: Operation, order: Upgrade) -> OpResult:
    """Upgrade the data from another major. A failure leaves the former data, as does anything that ends this agent or the server."""
    volume = operation.tools.volume
    operation.command("stop", "immediate")  # ends an upgrade that an earlier agent started
    volume.begin_upgrade(*order.begun)
    operation.output("upgrade", order.major, str(order.timeline), order.system_identifier, stall=COPY_STALL_S)
    volume.end_upgrade()
    return operation.result(Outcome.OK, f"the data of PostgreSQL {order.major} is upgraded")
