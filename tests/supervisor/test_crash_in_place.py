"""A server process crashes. Rule 4C takes a shutdown checkpoint as the end of a primary's WAL, so only an orderly shutdown may write
one."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_protocol.lsn import parse_lsn
from hapg_protocol.wal_files import segment_name
from tests.cluster import embedded

from .conftest import Make
from .harness import DEFAULT, SCRIPT, Container, wait_for
from .test_operations import Operator
from .test_replication import SEGMENT, Clone, catches_up, rows, write

SLEEP = "select pg_sleep(600)"


@pytest.fixture
def operator() -> Iterator[Callable[[Container, Container], Operator]]:
    made: list[Operator] = []

    def operate(container: Container, upstream: Container) -> Operator:
        made.append(Operator(container, upstream))
        return made[-1]

    yield operate
    for each in made:
        each.close()


def crash_a_session(primary: Container) -> subprocess.Popen[bytes]:
    """Kill a backend, as the kernel does when memory runs out."""
    client = subprocess.Popen(primary.psql(SLEEP), stderr=subprocess.DEVNULL)
    asks = f"select pid from pg_stat_activity where query = '{SLEEP}'"
    wait_for(lambda: primary.answers(asks), "the session is there")
    os.kill(primary.outside(int(primary.sql(asks))), signal.SIGKILL)
    return client


def shutdown_checkpoints(server: Container, start: str) -> list[str]:
    """Return the shutdown checkpoints of timeline 2 in a server's WAL from `start` on."""
    directory = server.pgdata / server.profile.wal_directory
    first = segment_name(2, parse_lsn(start), SEGMENT)
    segments = sorted(path.name for path in directory.iterdir() if len(path.name) == len(first) and path.name >= first)
    program = server.bin / server.profile.wal_dump
    command = [str(word) for word in (program, "--path", directory, "--start", start, segments[0], segments[-1])]
    dumped = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    assert dumped, f"there is no WAL from {start} on"
    return [line for line in dumped.splitlines() if "CHECKPOINT_SHUTDOWN" in line]


def checkpoint(primary: Container) -> str:
    """Make a checkpoint while the server is running; return its location."""
    primary.sql("checkpoint")
    return primary.sql("select checkpoint_lsn from pg_control_checkpoint()")


def test_a_server_whose_session_crashes_ends_and_writes_no_shutdown_checkpoint(
    primary: Container, clone: Clone, operator: Callable[[Container, Container], Operator]
) -> None:
    write(primary, "first")
    replica = clone("pod-1", "hot")
    catches_up(replica, primary)
    start = checkpoint(primary)
    client = crash_a_session(primary)
    primary.unasked("died")
    assert client.wait() != 0
    assert primary.state == "down"
    sealed = operator(replica, primary).run(Op.SEAL, slow=True)
    assert (sealed.outcome, sealed.shutdown) == (Outcome.OK, False)
    assert shutdown_checkpoints(primary, start) == []
    primary.ok("start", "hot")
    wait_for(lambda: primary.answers() is not None, "it is back, sealed")
    assert rows(primary) == "first|5"
    assert primary.sql("select pg_is_in_recovery()") == "t"
    assert shutdown_checkpoints(primary, start) == []


@pytest.fixture
def recovering_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that starts servers with PostgreSQL's default behaviour."""
    folder = Path(shutil.copytree(SCRIPT.parent, tmp_path / "supervisor"))
    part = folder / "child_server.sh"
    part.write_text(part.read_text().replace("-c restart_after_crash=off", "-c restart_after_crash=on"))
    monkeypatch.setattr("tests.supervisor.harness.SCRIPT", folder / SCRIPT.name)


def test_postgresql_by_itself_recovers_in_place_with_a_shutdown_checkpoint_and_writes_on(
    recovering_in_place: None, primary: Container
) -> None:
    """Why users may not set restart_after_crash: the record is the same as after an orderly shutdown."""
    write(primary, "first")
    start = checkpoint(primary)
    postmaster = primary.postmaster()
    crash_a_session(primary).wait()
    wait_for(lambda: primary.answers("insert into t values ('second')") is not None, "it has recovered")
    assert primary.postmaster() == postmaster
    assert len(shutdown_checkpoints(primary, start)) == 1


@pytest.mark.parametrize("major", [*embedded.MAJORS, DEFAULT])
def test_a_server_ends_whatever_alter_system_says(major: str, make: Make, templates: Callable[[str], Path]) -> None:
    primary = make("pod-0", major=major)
    primary.take_data_of(templates(major))
    primary.start()
    primary.ok("start", "hot")
    primary.promote(2, 1)
    primary.sql("alter system set restart_after_crash = on", "select pg_reload_conf()")
    assert primary.sql("show restart_after_crash") == "off"
    crash_a_session(primary).wait()
    primary.unasked("died")
