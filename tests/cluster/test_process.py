"""Records of processes, files and locks, which keep a start and a stop from harming anything else."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import files, process
from tests.cluster.errors import ClusterError
from tests.cluster.paths import REPOSITORY


@pytest.fixture
def sleeper() -> "Iterator[subprocess.Popen[bytes]]":
    with subprocess.Popen(["sleep", "60"], env={process.MARK: "here", "PATH": os.environ["PATH"]}) as popen:
        yield popen
        popen.kill()


def test_a_pid_with_another_start_time_gets_no_signal(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process.find(sleeper.pid)
    assert found is not None
    stale = process.Process(found.pid, found.start - 1)
    assert not process.alive(stale)
    assert not process.send(stale, signal.SIGKILL)
    process.kill([stale])
    assert sleeper.poll() is None


def test_kill_waits_for_the_end(sleeper: "subprocess.Popen[bytes]") -> None:
    found = process.find(sleeper.pid)
    assert found is not None
    process.kill([found])
    assert sleeper.wait(1) == -signal.SIGKILL
    assert process.find(sleeper.pid) is None


def test_processes_are_found_by_the_exact_mark(sleeper: "subprocess.Popen[bytes]") -> None:
    assert sleeper.pid in [found.pid for found in process.marked(f"{process.MARK}=here")]
    assert process.marked(f"{process.MARK}=her") == []


def test_an_interrupted_write_leaves_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    files.write_json(path, {"a": 1})
    assert files.read_json(path) == {"a": 1}
    path.write_text('{"a": ')
    assert files.read_json(path) is None
    assert files.read_json(tmp_path / "none.json") is None


def test_a_workspace_is_removed_when_its_work_fails(tmp_path: Path) -> None:
    with pytest.raises(ClusterError), files.workspace(tmp_path) as folder:
        (folder / "half").touch()
        raise ClusterError("no")
    assert list(tmp_path.iterdir()) == []


def test_the_digest_depends_on_contents_and_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("text")
    two.write_text("text")
    assert files.digest([one]) != files.digest([two])
    before = files.digest([one, two])
    assert before == files.digest([two, one])
    one.write_text("other")
    assert files.digest([one, two]) != before


def test_the_lock_keeps_a_second_program_out_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    script = f"from pathlib import Path\nfrom tests.cluster import files\nwith files.lock(Path({str(path)!r})): print('in')"
    with files.lock(path):
        other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=REPOSITORY)
        assert other.stderr is not None
        assert b"waiting for another program" in other.stderr.readline()
        assert other.poll() is None
    assert other.communicate(timeout=10)[0] == b"in\n"
