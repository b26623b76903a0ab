"""The archive command of values-examples/archived.yaml, run with bash on temporary folders."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.chart import helm

SEGMENT = "000000010000000000000004"


def script() -> str:
    """Return the rendered script."""
    data = helm.objects(*helm.example("archived"))["ConfigMap", "ha-postgres-archive"]["data"]
    return str(data["archive.sh"])


@dataclass(frozen=True)
class Archive:
    """An archive and the servers that use it, each in a folder below `root`."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "archive"

    def server(self, pod: str, **files: str) -> Path:
        """The directory of a pod's server, with these files of WAL."""
        wal = self.root / pod / "pg_wal"
        wal.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (wal / name).write_text(content)
        return wal.parent

    def keep(self, pod: str, name: str, content: str = "") -> subprocess.CompletedProcess[str]:
        """Archive a file as the pod's server does."""
        server = self.server(pod, **{name: content})
        command = ["bash", "-c", script().replace("/archive", str(self.folder)), "archive.sh", f"pg_wal/{name}", name]
        return subprocess.run(command, cwd=server, env={**os.environ, "POD_NAME": pod}, capture_output=True, text=True, check=False)

    def files(self) -> dict[str, str]:
        """What the archive holds, by path."""
        return {str(path.relative_to(self.folder)): path.read_text() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    (tmp_path / "archive").mkdir()
    return Archive(tmp_path)


def test_what_two_pods_archive_alike_is_there_once(archive: Archive) -> None:
    assert [archive.keep(pod, SEGMENT, "WAL").returncode for pod in ("pod-0", "pod-1", "pod-0")] == [0, 0, 0]
    assert archive.files() == {SEGMENT: "WAL"}


def test_another_content_is_refused_and_nothing_is_replaced(archive: Archive) -> None:
    archive.keep("pod-0", SEGMENT, "WAL")
    refused = archive.keep("pod-1", SEGMENT, "of another database")
    assert refused.returncode == 1
    assert refused.stderr.endswith(f"{SEGMENT} already exists with different content\n")
    assert archive.files() == {SEGMENT: "WAL"}


@pytest.mark.parametrize("name", [SEGMENT, f"{SEGMENT}.partial", "00000002.history"])
def test_another_content_of_a_timeline_that_has_ended_is_kept_aside(archive: Archive, name: str) -> None:
    archive.keep("pod-0", name, "a")
    archive.server("pod-1", **{"00000003.history": "1\t0/4000000\n"})
    assert [archive.keep("pod-1", name, content).returncode for content in ("b", "b", "c")] == [0, 0, 0]
    found = archive.files()
    assert found.pop(name) == "a"
    assert sorted(found.values()) == ["b", "c"]
    assert {path.rpartition(".")[0] for path in found} == {f"other/{name}"}


def test_a_newer_timeline_s_history_ends_an_older_timeline_alone(archive: Archive) -> None:
    archive.keep("pod-0", "00000002.history", "a")
    assert archive.keep("pod-1", "00000002.history", "b").returncode == 1


def test_what_was_left_by_a_copy_that_was_cut_off_is_replaced(archive: Archive) -> None:
    (archive.folder / f".{SEGMENT}.pod-0").write_text("WA")
    assert archive.keep("pod-0", SEGMENT, "WAL").returncode == 0
    assert archive.files() == {SEGMENT: "WAL"}


def test_an_archive_that_is_not_there_is_an_error(archive: Archive) -> None:
    archive.folder.rmdir()
    assert archive.keep("pod-0", SEGMENT, "WAL").returncode != 0


def test_the_script_is_sound() -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([str(shellcheck), "-"], input=script(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
