"""The parent process of the agent: hapg_failover/respawn.sh, with a shell in place of the agent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hapg_failover.__main__ import RESPAWN

pytestmark = pytest.mark.timeout(30)


@contextmanager
def respawned(script: str) -> Iterator[subprocess.Popen[str]]:
    parent = subprocess.Popen(["/bin/sh", str(RESPAWN), "/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        try:
            yield parent
        finally:
            parent.kill()


def line(parent: subprocess.Popen[str]) -> str:
    assert parent.stdout is not None
    return parent.stdout.readline().strip()


@pytest.mark.parametrize("end", ["exit 0", "exit 70", "kill -KILL $$"])
def test_an_agent_that_ends_is_started_again(end: str) -> None:
    with respawned(f"echo $$; {end}") as parent:
        pids = [line(parent) for _ in range(3)]
    assert len(set(pids)) == 3
    assert "" not in pids


def test_a_signal_ends_the_agent_and_its_parent() -> None:
    with respawned("trap 'echo ends; exit 3' TERM; echo $$; while :; do sleep 0.05; done") as parent:
        agent = int(line(parent))
        parent.terminate()
        assert line(parent) == "ends"
        assert parent.wait() == 0
        with pytest.raises(ProcessLookupError):
            os.kill(agent, 0)


def test_a_signal_that_comes_between_two_agents_ends_the_parent() -> None:
    with respawned("echo $$; exit 70") as parent:
        for _ in range(4):
            line(parent)
        parent.terminate()
        assert parent.wait() == 0


def test_the_parent_waits_for_an_agent_that_takes_its_time() -> None:
    with respawned("trap 'sleep 0.3; echo last; exit 0' TERM; echo $$; while :; do sleep 0.05; done") as parent:
        line(parent)
        parent.terminate()
        parent.terminate()
        assert line(parent) == "last"
        assert parent.wait() == 0
