"""Upgrade the data from another major."""

from __future__ import annotations

from ..adapters.ports.archive import ArchiveError
from ..core import major_upgrade
from ..core.state.actions import Upgrade
from ..core.state.results import OpResult, Outcome
from .operation import COPY_STALL_S, Operation
from .tools import Tools

VERIFIED_S = 600.0


def upgrade(operation: Operation, order: Upgrade) -> OpResult:
    """Upgrade the data from another major. A failure leaves the former data, as does anything that ends this agent or the server."""
    volume = operation.tools.volume
    operation.command("stop", "immediate")  # ends an upgrade that an earlier agent started
    if order.verified_s is not None and (why := _unverified(operation.tools, order.major, order.verified_s)):
        return operation.result(Outcome.FAILED, f"{why}: {major_upgrade.VERIFY_FIRST}")
    volume.begin_upgrade(*order.begun)
    operation.output("upgrade", order.major, str(order.timeline), order.system_identifier, stall=COPY_STALL_S)
    volume.end_upgrade()
    return operation.result(Outcome.OK, f"the data of PostgreSQL {order.major} is upgraded")


def _unverified(tools: Tools, major: str, within_s: float) -> str:
    """Return why no backup can be relied on, "" if one can."""
    try:
        found = None if tools.archive is None else tools.archive.verified(major, VERIFIED_S)
    except ArchiveError as error:
        return f"no backup can be relied on: {error}"
    return major_upgrade.unverified(found, tools.runtime.wall_clock(), within_s)
