"""The supervisor commands that operations send, and their answers."""

from __future__ import annotations

import re
from collections.abc import Callable

from hapg_protocol.lsn import Position

from .adapters.ports.runtime import Runtime
from .adapters.ports.supervisor import Supervisor, SupervisorEvent

_EXIT_CODE = re.compile(r"exit code ([0-9]{1,3})\b")


class OperationFailed(Exception):
    """An operation can't be completed; the message says why.

    position: our end of WAL, if already known; refused: the supervisor refused the command, so nothing was started; command_id: the command
    that was answered with an error; exit_code: of the command's program, None if it wasn't run or didn't end by itself.
    """

    def __init__(
        self,
        text: str,
        position: Position | None = None,
        refused: bool = False,
        command_id: str | None = None,
        exit_code: int | None = None,
    ) -> None:
        """Keep these along with the message."""
        super().__init__(text)
        self.position = position
        self.refused = refused
        self.command_id = command_id
        self.exit_code = exit_code


class SupervisorCommands:
    """Sends commands to one incarnation of the supervisor and waits for their answers."""

    def __init__(self, supervisor: Supervisor, runtime: Runtime) -> None:
        """supervisor: its events are read elsewhere and passed to `answered`."""
        self._supervisor = supervisor
        self._runtime = runtime
        self._answers: dict[str, SupervisorEvent] = {}
        self._waiting: set[str] = set()
        self._changed = runtime.condition()

    def answered(self, event: SupervisorEvent) -> None:
        """Take an event that answers a command."""
        with self._changed:
            if event.command_id in self._waiting:
                self._answers[event.command_id] = event
                self._changed.notify_all()

    def call(
        self,
        nonce: str,
        term: int,
        command: str,
        *args: str,
        timeout: float,
        moved_at: Callable[[], float] | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> tuple[str, str]:
        """Send a command and wait for its answer; return its text and the command's ID. Raise OperationFailed.

        moved_at: CLOCK_BOOTTIME at which the command last made visible progress; the timeout counts from then. is_over: called ten times a
        second; once it returns true, stop waiting for the answer.
        """
        with self._changed:
            try:
                command_id = self._supervisor.send(nonce, term, command, *args)
            except OSError as error:
                raise OperationFailed(f"{command}: the supervisor can't be reached: {error}") from error
            self._waiting.add(command_id)
            begun = self._runtime.now()

            def left_s() -> float:
                return max(begun, moved_at() if moved_at is not None else begun) + timeout - self._runtime.now()

            while command_id not in self._answers and (left := left_s()) > 0 and self._same(nonce):
                if is_over is not None and is_over():
                    break
                self._changed.wait(min(left, 0.5 if is_over is None else 0.1))
            self._waiting.discard(command_id)
            event = self._answers.pop(command_id, None)
        if event is None:
            raise OperationFailed(f"{command}: no answer within {timeout:g} s" + (" without any progress" if moved_at is not None else ""))
        if event.result != "ok":
            raise _failed(command, event)
        return event.text, command_id

    def _same(self, nonce: str) -> bool:
        hello = self._supervisor.hello()
        return hello is not None and hello.nonce == nonce


def _failed(command: str, event: SupervisorEvent) -> OperationFailed:
    """Return the failure that an answer other than `ok` means."""
    text = f"{command}: {event.result} {event.text}".rstrip()
    if event.result != "error":
        return OperationFailed(text, refused=event.result == "refused")
    code = _EXIT_CODE.match(event.text)
    return OperationFailed(text, command_id=event.command_id, exit_code=int(code[1]) if code else None)
