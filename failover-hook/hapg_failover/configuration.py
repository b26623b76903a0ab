"""The server's configuration: whether PostgreSQL takes the release's files, and when to ask.

Kubelet replaces the files of the ConfigMap and the certificate while the pod runs. The supervisor tries each new configuration with a
server without data; only one that such a server starts with is put in force, and reloaded (docs/contract.md, `configure`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .adapters.ports import Runtime, Supervisor
from .pgdata.configuration_errors import explain
from .supervisor_commands import OperationFailed, SupervisorCommands

FILES = tuple(Path("/etc/hapg") / name for name in ("config/postgresql.conf", "config/pg_hba.conf", "tls/tls.crt", "tls/tls.key"))
TRIAL_S = 90.0
AGAIN_S = 60.0

Address = Callable[[], tuple[str, int] | None]
Stamp = tuple[tuple[int, int], ...]


class DataRefused(Exception):
    """The server complains of its data, not of its configuration."""


def configure(commands: SupervisorCommands, supervisor: Supervisor, nonce: str, term: int, command: str = "configure") -> str:
    """Have a configuration tried; return why it is refused, '' if it is taken. Raise OperationFailed if it can't be tried, DataRefused.

    command: configure for the release's files, which are in force if they are taken; checkconfig for those in force.
    """
    try:
        commands.call(nonce, term, command, timeout=TRIAL_S)
    except OperationFailed as failure:
        if failure.command_id is None or not str(failure).startswith(f"{command}: error exit code 1:"):
            raise
        said = explain(supervisor.output(failure.command_id))
        if said is None:
            raise DataRefused(str(failure)) from failure
        return said
    return ""


class Watch:
    """Has the configuration tried when its files have changed; one that wasn't taken also now and then, as what it lacked may be there."""

    def __init__(
        self,
        runtime: Runtime,
        configure: Callable[[str, int], str],
        address: Address,
        refused: Callable[[], str],
        files: Sequence[Path] = FILES,
    ) -> None:
        """configure: the function above, for a nonce and a term; address: these two, None without a supervisor; refused: what was found
        last, by whoever looked.
        """
        self._runtime = runtime
        self._configure = configure
        self._address = address
        self._refused = refused
        self._files = files
        self._tried: Stamp | None = None
        self._tried_at = 0.0
        self._taken = True

    def look(self) -> str | None:
        """Return why the files are refused, '' if they are taken, None if there was nothing to try or it wasn't possible."""
        address, stamp = self._address(), self._stamp()
        is_due = (self._refused() or not self._taken) and self._runtime.now() - self._tried_at >= AGAIN_S
        if address is None or (stamp == self._tried and not is_due):
            return None
        try:
            refused = self._configure(*address)
        except (OperationFailed, DataRefused) as failure:
            if "exit code" in str(failure):
                self._was_tried(stamp, False)
            return None
        self._was_tried(stamp, not refused)
        return refused

    def _was_tried(self, stamp: Stamp, taken: bool) -> None:
        self._tried, self._tried_at, self._taken = stamp, self._runtime.now(), taken

    def _stamp(self) -> Stamp:
        found = []
        for file in self._files:
            try:
                status = file.stat()
                found.append((status.st_ino, status.st_mtime_ns))
            except OSError:
                found.append((0, 0))
        return tuple(found)
