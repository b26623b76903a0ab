"""The lines of a program that goes on: none is lost, it ends with the block, and it is begun again if that is wanted."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable

from tests.robustness.following import Follower
from tests.robustness.programs import Namespace

SECONDS = 10.0


class Shell(Namespace):
    """Runs a script in the place of kubectl."""

    def begin_kubectl(self, *arguments: str, errors: int | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(["bash", "-c", *arguments], stdout=subprocess.PIPE, stderr=errors, text=True)


SHELL = Shell("somewhere")


def comes(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    return condition()


def test_lines_come_with_their_times_while_the_program_goes_on() -> None:
    before = time.time()
    with Follower(SHELL, "echo one; echo two; exec sleep 60") as follower:
        assert comes(lambda: len(follower.lines) == 2)
    assert [text for _, text in follower.lines] == ["one\n", "two\n"]
    assert before <= follower.lines[0][0] <= follower.lines[1][0] <= time.time() < before + SECONDS


def test_all_lines_have_been_taken_when_it_has_ended_by_itself() -> None:
    taken: list[str] = []
    with Follower(SHELL, "echo out; echo err >&2; seq 1000", on_line=taken.append, errors=subprocess.STDOUT) as follower:
        follower.wait_end(SECONDS)
        assert taken == ["out\n", "err\n", *(f"{number}\n" for number in range(1, 1001))]
    assert follower.lines == []


def test_a_program_that_ends_is_begun_again_if_that_is_wanted() -> None:
    with Follower(SHELL, "echo begun", again_after_s=0.01) as again, Follower(SHELL, "echo begun") as once:
        assert comes(lambda: len(again.lines) >= 3)
    assert len(once.lines) == 1
    ended = len(again.lines)
    time.sleep(0.1)
    assert len(again.lines) == ended
