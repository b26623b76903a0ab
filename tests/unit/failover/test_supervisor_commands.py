"""How an answer of the supervisor becomes a result or a failure."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.ports.supervisor import SupervisorEvent
from hapg_failover.adapters.threads import Threads
from hapg_failover.supervisor_commands import OperationFailed, SupervisorCommands


def call(result: str, text: str) -> tuple[str, str]:
    """Send `configure`, which is answered at once with this."""
    supervisor = Mock()
    commands = SupervisorCommands(supervisor, Threads())
    supervisor.send.return_value = "7"

    def said() -> Any:
        commands.answered(SupervisorEvent("n", "7", result, text))
        return Mock(nonce="n")

    supervisor.hello.side_effect = said
    return commands.call("n", 1, "configure", timeout=10.0)


def test_an_answer_has_its_text_and_the_command_s_id() -> None:
    assert call("ok", "0") == ("0", "7")


@pytest.mark.parametrize(
    ("result", "text", "exit_code", "refused", "command_id"),
    [
        ("error", "exit code 1: FATAL:  no exit code 2", 1, False, "7"),
        ("error", "exit code 137: killed", 137, False, "7"),
        ("error", "superseded", None, False, "7"),
        ("error", "the postmaster ended with code 137", None, False, "7"),
        ("refused", "exit code 1 is not for a refusal", None, True, None),
    ],
)
def test_a_failure_says_by_codes_how_the_program_ended(
    result: str, text: str, exit_code: int | None, refused: bool, command_id: str | None
) -> None:
    with pytest.raises(OperationFailed) as found:
        call(result, text)
    failure = found.value
    assert str(failure) == f"configure: {result} {text}"
    assert (failure.exit_code, failure.refused, failure.command_id) == (exit_code, refused, command_id)
