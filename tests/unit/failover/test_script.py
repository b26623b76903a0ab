"""The supervisor's script: put into the pod by the image, and never one beside an agent of another version."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hapg_failover import __main__ as program
from hapg_failover import container
from hapg_failover.adapters import script


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the script is in a pod, whose Secrets are there."""
    found = tmp_path / "supervisor.sh"
    monkeypatch.setattr(container, "SUPERVISOR", found)
    monkeypatch.setattr(container, "ensure_secrets", lambda environment: 0)
    return found


def test_the_init_container_puts_it_there(path: Path) -> None:
    assert program.main(["prepare"]) == 0
    assert path.read_bytes() == script.SOURCE.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert os.listdir(path.parent) == ["supervisor.sh"]


def test_one_that_is_there_is_replaced_and_never_written_into(path: Path) -> None:
    """Init containers run again after a reboot, and a bash that runs the script reads on from the file it has opened."""
    path.write_text("old")
    path.with_name("supervisor.sh.new").write_text("left by one that was killed")
    path.with_name("supervisor.sh.new").chmod(0o444)
    with path.open() as running:
        assert program.main(["prepare"]) == 0
        assert running.read() == "old"
    assert script.trouble(path) is None


def test_a_volume_that_takes_no_file_is_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.mkdir()
    assert program.main(["prepare"]) == container.EX_SOFTWARE
    assert f"hapg_failover prepare: {path}" in capsys.readouterr().err


@pytest.mark.parametrize(("found", "words"), [(None, "No such file"), ("#!/bin/bash\n", "is not of this failover image")])
def test_an_agent_does_not_run_beside_another_one(found: str | None, words: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if found is not None:
        path.write_text(found)
    assert container.act({}) == container.EX_CONFIG
    said = capsys.readouterr().err
    assert said.startswith(f"hapg_failover: {path}: ")
    assert words in said


def test_an_agent_runs_beside_its_own(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.install(path)
    assert container.act({}) == container.EX_CONFIG
    assert "environment: POD_NAME" in capsys.readouterr().err
