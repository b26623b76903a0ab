"""Create the first server's data: by initdb, from a backup, or as a clone of a live server. A failure leaves nothing."""

from __future__ import annotations

from hapg_protocol.addresses import with_port

from ..adapters.ports.sql import SourceError
from ..core.state.results import OpResult, Outcome
from .operation import COPY_STALL_S, Operation
from .own_volume import lack_for_clone, mark_new


def initdb(operation: Operation) -> OpResult:
    """Create the first server's directory."""
    operation.command("stop", "immediate")  # ends an initdb that an earlier agent started
    operation.long_command("initdb", stall=COPY_STALL_S)  # runs scripts, which may load a lot of data
    mark_new(operation)
    return operation.result(Outcome.OK, "the first server's directory is created")


def restore(operation: Operation) -> OpResult:
    """Restore the first server's directory from a backup and archived WAL."""
    operation.command("stop", "immediate")  # ends a restore that an earlier agent started
    said = operation.output("restore", stall=COPY_STALL_S).strip().splitlines()
    mark_new(operation)
    return operation.result(Outcome.OK, said[-1] if said else "restored")


def seed(operation: Operation) -> OpResult:
    """Make the first server's directory a clone of a live server."""
    tools = operation.tools
    operation.command("stop", "immediate")  # ends a seed that an earlier agent started
    if tools.find_source is None:
        return operation.result(Outcome.FAILED, "there is no source to clone: clone.from is not set")
    try:
        source = tools.find_source()
    except SourceError as error:
        return operation.result(Outcome.FAILED, str(error))
    if lack := lack_for_clone(operation, source.size):
        return operation.result(Outcome.FAILED, f"{lack}: grow it")
    operation.long_command("seed", *source.address, stall=COPY_STALL_S)
    mark_new(operation)
    host, port, *_ = source.address
    return operation.result(Outcome.OK, f"a clone of the live server {with_port(host, port)}")


def mark(operation: Operation) -> OpResult:
    """Mark a first server's directory that was created, but whose agent ended before it was marked."""
    operation.command("stop", "immediate")  # the job that created it may still be syncing
    mark_new(operation)
    return operation.result(Outcome.OK, "the first server's directory is marked")
