"""Change which standbys a COMMIT waits for, and verify it."""

from __future__ import annotations

from ..core import write_quorum
from ..core.state.actions import SetStandbys
from ..core.state.results import OpResult, Outcome
from ..core.timing import IN_EFFECT_S
from ..supervisor_commands import OperationFailed
from .operation import STATUS_S, Operation

CHECKPOINT_S = 30.0


def set_standbys(operation: Operation, order: SetStandbys) -> OpResult:
    """Change synchronous_standby_names and verify that every process uses it; the position is the end of WAL after that."""
    runtime, sql, setting = operation.tools.runtime, operation.tools.sql, order.setting
    operation.command("standbys", *(setting.words or ("0",)))
    end = runtime.now() + IN_EFFECT_S
    while True:
        seen = sql.standby_names(STATUS_S)
        problem = write_quorum.not_in_force(setting, seen.shown, seen.priorities)
        if problem is None:
            break
        if runtime.now() > end:
            raise OperationFailed(problem)
        runtime.sleep(0.02)
    if setting.k and not order.waited:
        sql.checkpoint(CHECKPOINT_S)
    return operation.result(Outcome.OK, str(setting), sql.status(STATUS_S).position)
