"""The lines of a long-running program: none is lost, it ends with the block, and it is restarted if requested."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.robustness.agents import Agents
from tests.robustness.client import Client
from tests.robustness.following import Follower
from tests.robustness.lease import LeaseHistory, Reign
from tests.robustness.programs import Done, Namespace
from tests.robustness.release import Pod, Release
from tests.robustness.traffic.writers import Writer

SECONDS = 10.0
POD = Pod("pg-0", "uid", "node1", "10.0.0.1", "primary", "Running", True, False, 0, {})


@dataclass(frozen=True)
class LocalNamespace(Namespace):
    """Commands that kubectl would run in a pod run on this machine. says: scripts that replace other kubectl verbs; path: a folder of
    programs."""

    says: Mapping[str, str] = field(default_factory=dict)
    path: str = ""

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        if arguments[0] == "exec":
            return list(arguments[arguments.index("--") + 1 :])
        return ["bash", "-c", self.says[arguments[0]]]

    def begin_kubectl(self, *arguments: str, errors: int | None = None) -> subprocess.Popen[str]:
        environment = {**os.environ, "PATH": f"{self.path}:{os.environ['PATH']}"}
        return subprocess.Popen(self._command(arguments), env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)

    def try_kubectl(self, *arguments: str, stdin: str = "", limit: float = 0.0) -> Done:
        done = subprocess.run(self._command(arguments), check=False, capture_output=True, text=True)
        return Done(done.returncode, done.stdout, done.stderr)

    def kubectl(self, *arguments: str, stdin: str = "", limit: float = 0.0) -> str:
        return self.try_kubectl(*arguments).out


def saying(script: str) -> LocalNamespace:
    return LocalNamespace("somewhere", says={"get": script, "logs": script})


def comes(condition: Callable[[], object]) -> bool:
    limit = time.monotonic() + SECONDS
    while not condition() and time.monotonic() < limit:
        time.sleep(0.01)
    return bool(condition())


def test_lines_come_with_their_times_while_the_program_goes_on() -> None:
    before = time.time()
    with Follower(saying("echo one; echo two; exec sleep 60"), "get") as follower:
        assert comes(lambda: len(follower.lines) == 2)
    assert [text for _, text in follower.lines] == ["one\n", "two\n"]
    assert before <= follower.lines[0][0] <= follower.lines[1][0] <= time.time() < before + SECONDS


def test_all_lines_have_been_taken_when_it_has_ended_by_itself() -> None:
    taken: list[str] = []
    script = saying("echo out; echo err >&2; seq 1000")
    with Follower(script, "get", on_line=taken.append, errors=subprocess.STDOUT) as follower:
        follower.wait_end(SECONDS)
        assert taken == ["out\n", "err\n", *(f"{number}\n" for number in range(1, 1001))]
    assert follower.lines == []


def test_a_program_that_ends_is_begun_again_if_that_is_wanted() -> None:
    begun = saying("echo begun")
    with Follower(begun, "get", again_after_s=0.01) as again, Follower(begun, "get") as once:
        assert comes(lambda: len(again.lines) >= 3)
    assert len(once.lines) == 1
    ended = len(again.lines)
    time.sleep(0.1)
    assert len(again.lines) == ended


def test_a_lease_is_told_once_for_each_reign() -> None:
    states = [{"term": term, "holder": {"pod": f"pg-{term}", "uid": "x"}, "timeline": term} for term in (1, 1, 2)]
    script = "".join(f"echo '{json.dumps(state)}'; echo; " for state in states)
    with LeaseHistory(Release(saying(f"{script} exec sleep 60"))) as history:
        assert comes(lambda: len(history.reigns) == 2)
    assert history.reigns == [Reign(1, "pg-1", "x", 1), Reign(2, "pg-2", "x", 2)]


class Alone(Release):
    """A release of one pod."""

    def pods(self) -> list[Pod]:
        return [POD]


def test_agents_are_heard_from_now_on() -> None:
    def line(seconds: float, **fields: object) -> str:
        at = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
        return f"echo '{json.dumps({'ts': at, **fields})}'; "

    script = line(-2, event="decision", actions=["seal"]) + "echo Traceback; " + line(2, event="decision", actions=["claim"], reason="mine")
    heard: list[str] = []
    with Agents(Alone(saying(f"{script} exec sleep 60")), lambda line: heard.append(line.event)) as agents:
        assert comes(lambda: agents.ordered("claim"))
    assert (agents.ordered("seal"), agents.ordered("claim"), agents.said("mine"), heard) == ([], ["pg-0"], ["mine"], ["decision"])
    assert agents.moment("claim", "pg-0") > datetime.now(UTC) - timedelta(seconds=SECONDS)


PSQL = """#!/bin/bash
while read -r line; do
    case $line in
        *connected) echo connected ;;
        '\\echo answer :SQLSTATE'*) echo 'answer 00000 10.0.0.1 00000002' ;;
    esac
done
"""


def test_the_log_of_a_writer_is_complete_when_it_is_stopped(tmp_path: Path) -> None:
    psql = tmp_path / "psql"
    psql.write_text(PSQL)
    psql.chmod(0o755)
    client = Client(LocalNamespace("somewhere", path=str(tmp_path)), "client-0", "node1", "pg.somewhere")
    name = f"writer-{os.getpid()}"
    try:
        with Writer(client, name) as writer:
            assert comes(lambda: writer.rows >= 10)
            log = writer.stop()
    finally:
        Path(f"/tmp/stop-{name}").unlink(missing_ok=True)
    assert (log.complete, len(log.acknowledged) >= 10, log.acknowledged[0].timeline) == (True, True, 2)
    assert [append.id for append in log.acknowledged] == list(range(1, len(log.acknowledged) + 1))
