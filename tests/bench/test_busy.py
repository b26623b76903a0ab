"""The load on a system: pgbench's output, and the processes that starve the nodes."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.robustness.failpoint import starvation
from tests.robustness.traffic import pgbench

SECONDS = 20.0
SAID = """pgbench (15.14)
progress: 1.0 s, 812.0 tps, lat 9.7 ms stddev 4.1, 0 failed
pgbench: error: client 3 aborted in command 5 (SQL) of script 0
progress: 2.0 s, 90.5 tps, lat 88.0 ms stddev 300.2, 0 failed
"""


def gone(session: int) -> bool:
    """True once no process of a session is left."""
    limit = time.monotonic() + SECONDS
    while (left := members(session)) and time.monotonic() < limit:
        time.sleep(0.02)
    return not left


def members(session: int) -> list[int]:
    """Return the running processes of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, its_session = stat.read_text().rpartition(")")[2].split()[:4]
            if int(its_session) == session and state != "Z":
                found.append(int(stat.parent.name))
    return found


def test_speeds_are_read_from_what_pgbench_says() -> None:
    assert pgbench.speeds(SAID) == [812.0, 90.5]
    assert pgbench.speeds("") == []


def test_the_nodes_are_starved_until_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    with starvation.starving(folder, loops=1, writers=2, limit_s=60) as starved:
        assert len(members(starved.pid)) >= 4
        assert sorted(each.name for each in folder.iterdir()) == ["file-0", "file-1"]
        starved.end()
        assert gone(starved.pid)
        assert not folder.exists()


@pytest.mark.slow
def test_what_starves_ends_by_itself(tmp_path: Path) -> None:
    with starvation.starving(tmp_path / "files", loops=1, writers=1, limit_s=1) as starved:
        assert gone(starved.pid)
