"""What helm 4 does not pass on reaches its standard error, also where the system lets nobody have a duplicate of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hapg.hooks import helm_stderr

HELM = """\
import os, subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
os.write(2, b"Error: helm's own\\n")
"""
"""Stands in for helm: its child's output is dropped, and it waits for the end of that child's pipes."""
CHILD = """\
import os
from hapg.hooks import helm_stderr

def refused(process):
    raise PermissionError

helm_stderr.tell("error: the hook's\\n", os.getppid(), {})
"""


@pytest.mark.parametrize(
    ("duplicate", "expected"),
    [
        ("None", "error: the hook's\nError: helm's own\n"),
        ("refused", "Error: helm's own\nerror: the hook's\n"),
    ],
)
def test_a_message_and_helms_own_both_stand_in_a_file(duplicate: str, expected: str, tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        subprocess.run([sys.executable, "-c", HELM, CHILD.format(duplicate)], stderr=file, check=True)
    while len(said := (tmp_path / "stderr").read_text()) < len(expected):
        os.sched_yield()
    assert said == expected


def test_a_pipe_is_written_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", HELM, CHILD.format("refused")], stderr=subprocess.PIPE, text=True, check=True)
    assert done.stderr == "error: the hook's\nError: helm's own\n"


def test_nobody_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError

    monkeypatch.setattr("hapg.hooks.helm_stderr.os.open", refuse)
    helm_stderr.tell("error: x\n", os.getpid(), refuse)
