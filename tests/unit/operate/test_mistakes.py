"""A new user's mistakes that all commands for a release have in common: its name, or the namespace, is another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hapg.cli import main
from tests.unit.operate.conftest import Clock, FakeCluster, archiving

Use = Callable[[FakeCluster], FakeCluster]
COMMANDS = [
    ["switchover"],
    ["failover", "--force", "--yes"],
    ["backup", "now"],
    ["backup", "check"],
    ["backup", "verify"],
    ["restore", "--as", "new"],
]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def refused(use: Use, cluster: FakeCluster, command: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = use(cluster)
    assert main([*command, name]) == 1
    assert capsys.readouterr() == (
        "",
        f"error: release {name} not found in namespace {cluster.namespace}: no ConfigMap {name}-config\n",
    )
    assert (cluster.annotated, cluster.executed, cluster.asked) == ([], [], [])


@pytest.mark.parametrize("name", ["pgg", "pg-0", "data-pg-0"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_name_is_told_and_nothing_is_done(use: Use, command: list[str], name: str, capsys: pytest.CaptureFixture[str]) -> None:
    refused(use, FakeCluster(config=archiving()), command, name, capsys)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_wrong_namespace_is_told_and_nothing_is_done(use: Use, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    refused(use, FakeCluster(pods=[], lease=None, config=None, namespace="default"), command, "pg", capsys)


def test_a_restore_with_a_wrong_name_writes_no_file(use: Use, tmp_path: Path) -> None:
    use(FakeCluster(config=archiving()))
    assert main(["restore", "pgg", "--as", "new", "--output", str(tmp_path / "new.yaml")]) == 1
    assert list(tmp_path.iterdir()) == []
