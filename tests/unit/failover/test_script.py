"""The supervisor's scripts: the image copies them into the pod, and they never run with an agent of another version."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest

from hapg_failover import __main__ as program
from hapg_failover import container
from hapg_failover.adapters import script

NAMES = [path.name for path in script.sources()]
PART = "fence.sh"
PROGRAMS = ("pgbackrest.sh", "former_programs.sh")
"""Programs of their own, which PostgreSQL and an init container start."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The location of the scripts in a pod that has its Secrets."""
    monkeypatch.setattr(container, "SUPERVISOR", tmp_path)
    monkeypatch.setattr(container, "ensure_secrets", lambda environment: 0)
    return tmp_path


def test_the_init_container_puts_them_there(folder: Path) -> None:
    assert program.main(["prepare"]) == 0
    assert sorted(os.listdir(folder)) == sorted(NAMES)
    for source in script.sources():
        path = folder / source.name
        assert path.read_bytes() == source.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


def test_the_one_that_is_run_comes_last() -> None:
    """So it never exists without the files that it reads."""
    assert NAMES[-1] == script.MAIN
    assert NAMES.count(script.MAIN) == 1


def test_the_one_that_is_run_reads_all_others_and_notices_one_that_is_cut_off() -> None:
    main = (script.FOLDER / script.MAIN).read_text()
    parts = sorted(name.removesuffix(".sh") for name in NAMES[:-1] if name not in PROGRAMS)
    assert sorted(re.findall(r'^source "\$PARTS/(\w+)\.sh"$', main, re.MULTILINE)) == parts
    looked_at = re.search(r"^for part in ([\w\s\\]+); do\n    \[\[ \" \$WHOLE ", main, re.MULTILINE)
    assert looked_at is not None
    assert sorted(looked_at[1].replace("\\", " ").split()) == parts
    for part in parts:
        assert (script.FOLDER / f"{part}.sh").read_text().endswith(f"\n\nWHOLE+=' {part}'\n")


@pytest.mark.parametrize("name", [PART, script.MAIN])
def test_one_that_is_there_is_replaced_and_never_written_into(name: str, folder: Path) -> None:
    """Init containers run again after a reboot, while a bash that runs the script continues to read from the file it has opened."""
    path = folder / name
    path.write_text("old")
    path.with_name(f"{name}.new").write_text("left by one that was killed")
    path.with_name(f"{name}.new").chmod(0o444)
    with path.open() as running:
        assert program.main(["prepare"]) == 0
        assert running.read() == "old"
    assert script.trouble(folder) is None


def test_a_volume_that_takes_no_file_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / PART).mkdir()
    assert program.main(["prepare"]) == container.EX_SOFTWARE
    assert f"hapg_failover prepare: {folder}" in capsys.readouterr().err
    assert not (folder / script.MAIN).exists()


@pytest.mark.parametrize("name", [PART, script.MAIN])
@pytest.mark.parametrize(("found", "words"), [(None, "No such file"), ("#!/bin/bash\n", "does not match this failover image")])
def test_an_agent_does_not_run_beside_another_one(
    found: str | None, words: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script.install(folder)
    path = folder / name
    path.unlink()
    if found is not None:
        path.write_text(found)
    assert container.act({}) == container.EX_CONFIG
    said = capsys.readouterr().err
    assert said.startswith(f"hapg_failover: {path}: ")
    assert words in said


def test_an_agent_runs_beside_its_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script.install(folder)
    assert container.act({}) == container.EX_CONFIG
    assert "environment: POD_NAME" in capsys.readouterr().err
