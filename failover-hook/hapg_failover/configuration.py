"""The server's configuration: whether PostgreSQL accepts the release's files, and when to check.

Kubelet replaces the ConfigMap files and the certificate while the pod runs. The supervisor tests each new configuration with a server
without data. Only a configuration that this server starts with takes effect and is reloaded (docs/contract.md, `configure`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .adapters.ports.runtime import Runtime
from .adapters.ports.supervisor import Supervisor
from .adapters.projected import Stamps, stamps
from .pgdata.configuration_errors import explain
from .supervisor_commands import OperationFailed, SupervisorCommands

FILES = tuple(Path("/etc/hapg") / name for name in ("config/postgresql.conf", "config/pg_hba.conf", "tls/tls.crt", "tls/tls.key"))
TRIAL_S = 90.0
AGAIN_S = 60.0
REFUSED = 1
"""The exit code of `configure` if PostgreSQL refuses the files (docs/contract.md)."""

Address = Callable[[], tuple[str, int] | None]


class DataRefused(Exception):
    """The server rejects its data, not its configuration."""


def configure(commands: SupervisorCommands, supervisor: Supervisor, nonce: str, term: int, command: str = "configure") -> str:
    """Have a configuration tested; return why it is rejected, '' if it is accepted.

    command: `configure` tests the release's files and puts them into effect if accepted; `checkconfig` tests those already in effect. Raise
    OperationFailed if no test is possible, DataRefused.
    """
    try:
        commands.call(nonce, term, command, timeout=TRIAL_S)
    except OperationFailed as failure:
        if failure.command_id is None or failure.exit_code != REFUSED:
            raise
        said = explain(supervisor.output(failure.command_id))
        if said is None:
            raise DataRefused(str(failure)) from failure
        return said
    return ""


class Watch:
    """Has the configuration tested whenever its files change.

    A rejected configuration is tested again from time to time, because whatever it lacked may have appeared.
    """

    def __init__(
        self,
        runtime: Runtime,
        configure: Callable[[str, int], str],
        address: Address,
        refused: Callable[[], str],
        files: Sequence[Path] = FILES,
    ) -> None:
        """configure: the function above, for a nonce and a term; address: returns these two, None without a supervisor; refused: returns
        the latest finding, whichever test it came from.
        """
        self._runtime = runtime
        self._configure = configure
        self._address = address
        self._refused = refused
        self._files = files
        self._tried: Stamps | None = None
        self._tried_at = 0.0
        self._taken = True

    def look(self) -> str | None:
        """Return why the files are rejected, '' if they are accepted, None if there was nothing to test or no test was possible."""
        address, stamp = self._address(), stamps(self._files)
        is_due = (self._refused() or not self._taken) and self._runtime.now() - self._tried_at >= AGAIN_S
        if address is None or (stamp == self._tried and not is_due):
            return None
        try:
            refused = self._configure(*address)
        except DataRefused:
            self._was_tried(stamp, False)
            return None
        except OperationFailed as failure:
            if failure.exit_code is not None:
                self._was_tried(stamp, False)
            return None
        self._was_tried(stamp, not refused)
        return refused

    def _was_tried(self, stamp: Stamps, taken: bool) -> None:
        self._tried, self._tried_at, self._taken = stamp, self._runtime.now(), taken
