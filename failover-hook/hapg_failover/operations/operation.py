"""One operation's dialogue with the supervisor: its commands, their time limits, and the result that it ends with."""

from __future__ import annotations

import re
from collections.abc import Callable

from hapg_protocol.lsn import Position

from ..adapters.ports.supervisor import Heartbeat
from ..core.state.actions import Run
from ..core.state.results import OpResult, Outcome
from ..supervisor_commands import OperationFailed
from .tools import Tools

QUICK_S = 10.0
STATUS_S = 2.0
STOP_S = 600.0
COPY_STALL_S = 3600.0
TERM_TOO_LOW = re.compile(r"term [0-9]+ is below ([0-9]{1,18})$")


class Operation:
    """One operation, for one incarnation of the supervisor."""

    def __init__(self, tools: Tools, run: Run, nonce: str) -> None:
        """run: the operation to perform; nonce: of the supervisor to address."""
        self.tools = tools
        self.run = run
        self.nonce = nonce
        self.inspector = tools.inspect(self.output)
        self.emergency_spaces: tuple[str, ...] = ()

    def result(self, outcome: Outcome, text: str = "", position: Position | None = None) -> OpResult:
        """Return the result of this operation."""
        return OpResult(self.run.number, self.run.op, outcome, self.nonce, text, position)

    def command(self, command: str, *args: str, timeout: float = QUICK_S) -> str:
        """Send a command of limited duration; return the text of its answer. Raise OperationFailed."""
        return self.call(command, *args, timeout=timeout)[0]

    def long_command(self, command: str, *args: str, stall: float | None = None) -> str:
        """Send a command of unlimited duration: it fails only if it makes no progress for a while."""
        return self._long_call(command, *args, stall=stall)[0]

    def output(self, command: str, *args: str, stall: float | None = None) -> str:
        """Send a command of unlimited duration; return what its program wrote."""
        return self.tools.supervisor.output(self._long_call(command, *args, stall=stall)[1])

    def steer(self, command: str, *args: str) -> str:
        """Point a standby at another upstream or at none; before PostgreSQL 13 this restarts it."""
        return self.command(command, *args) if self.tools.reloads_conninfo else self.long_command(command, *args)

    def _long_call(self, command: str, *args: str, stall: float | None) -> tuple[str, str]:
        return self.call(command, *args, timeout=stall or self.tools.stall, moved_at=self.tools.moved_at)

    def call(
        self,
        command: str,
        *args: str,
        timeout: float,
        moved_at: Callable[[], float] | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> tuple[str, str]:
        """Send a command, as SupervisorCommands.call does.

        If the supervisor has seen a higher term, from an earlier agent, adopt it for the next attempt.
        """
        try:
            return self.tools.commands.call(self.nonce, self.run.term, command, *args, timeout=timeout, moved_at=moved_at, is_over=is_over)
        except OperationFailed as failure:
            if newer := TERM_TOO_LOW.search(str(failure)):
                self.tools.volume.write_term(int(newer[1]))
            raise

    def heartbeat(self) -> Heartbeat:
        """Return the supervisor's latest heartbeat. Raise OperationFailed if there is none."""
        heartbeat = self.tools.supervisor.heartbeat()
        if heartbeat is None:
            raise OperationFailed("the supervisor is not responding")
        return heartbeat

    def wait_for_down(self) -> None:
        """Wait until the supervisor reports that the stopped server is down."""
        end = self.tools.runtime.now() + QUICK_S
        while self.heartbeat().state != "down":
            if self.tools.runtime.now() > end:
                raise OperationFailed("the server was stopped but the supervisor doesn't report it")
            self.tools.runtime.sleep(0.01)

    def ensure_down(self, timeout: float = STOP_S) -> None:
        """Stop the server if it runs."""
        if self.heartbeat().state != "down":
            self.command("stop", "fast", timeout=timeout)
            self.wait_for_down()

    def release_emergency_spaces(self) -> None:
        """Release the emergency WAL space of each full volume; the result names them, even that of a failure."""
        self.emergency_spaces = tuple(self.tools.volume.release_emergency_spaces())
