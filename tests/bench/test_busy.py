"""What keeps a system busy: pgbench's own words, and the processes that starve the nodes."""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench import load, starvation
from tests.cluster import process

SECONDS = 20.0
SAID = """pgbench (15.14)
progress: 1.0 s, 812.0 tps, lat 9.7 ms stddev 4.1, 0 failed
pgbench: error: client 3 aborted in command 5 (SQL) of script 0
progress: 2.0 s, 90.5 tps, lat 88.0 ms stddev 300.2, 0 failed
"""


def gone(pids: list[int]) -> bool:
    limit = time.monotonic() + SECONDS
    while any(process.find(pid) for pid in pids) and time.monotonic() < limit:
        time.sleep(0.02)
    return not any(process.find(pid) for pid in pids)


def test_speeds_are_read_from_what_pgbench_says() -> None:
    assert load.speeds(SAID) == [812.0, 90.5]
    assert load.speeds("") == []


def test_the_nodes_are_starved_until_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    with starvation.starving(folder, loops=1, writers=2, limit_s=60) as starved:
        pids = starved.pids
        assert len(pids) == 3
        assert sorted(each.name for each in folder.iterdir()) == ["file-0", "file-1"]
        starved.end()
        assert starved.pids == []
        assert gone(pids)
        assert not folder.exists()


def test_what_starves_ends_by_itself(tmp_path: Path) -> None:
    with starvation.starving(tmp_path / "files", loops=1, writers=1, limit_s=1) as starved:
        assert gone(starved.pids)
