"""A release has no volume for tablespaces; the agent reports any that it finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.threads import Threads
from hapg_failover.adapters.volume import Volume
from hapg_failover.core.decide import decide
from hapg_failover.core.state.actions import Announce
from hapg_failover.core.state.memory import Memory
from hapg_failover.core.state.phases import Phase
from hapg_failover.events import VolumeFacts
from hapg_failover.server_probes import ServerProbes
from hapg_failover.world import World
from hapg_protocol.model import VolumeState
from tests.memories import changed

from .test_decide import FOLLOWING, MINE, NOW, PRIMARY, lease, remembered, seen

WRITES = {"server": "primary", "lease": lease(MINE), "position": None}


@pytest.fixture
def links(tmp_path: Path) -> Path:
    directory = tmp_path / "pgdata" / "pg_tblspc"
    directory.mkdir(parents=True)
    return directory


def test_links_are_found_and_none_is_followed(tmp_path: Path, links: Path) -> None:
    volume = Volume(tmp_path, "15", "pg_wal")
    assert volume.tablespaces() == ()
    (links / "16500").symlink_to("/nowhere")
    (links / "9999").symlink_to(tmp_path)
    (links / "16600").mkdir()  # an in-place tablespace (allow_in_place_tablespaces) is copied
    (links / "see $(here)").symlink_to("/nowhere")
    assert volume.tablespaces() == ("9999", "16500")


def test_a_directory_that_is_none_has_no_tablespaces(tmp_path: Path, links: Path) -> None:
    links.rmdir()
    volume = Volume(tmp_path, "15", "pg_wal")
    assert volume.tablespaces() == ()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "16500").symlink_to("/nowhere")
    links.symlink_to(tmp_path / "elsewhere")
    assert volume.tablespaces() == ()


def test_they_are_looked_for_now_and_then_whatever_the_server_does() -> None:
    volume, world = Mock(), World(VolumeFacts(VolumeState.DATA, None, None, 0))
    volume.scarcest.return_value, volume.tablespaces.return_value = ("data volume", 1 << 30), ("16500",)
    nothing: Any = Mock()
    looks = ServerProbes(
        Threads(), nothing, lambda: Phase.BOOT, nothing, volume, nothing, nothing, lambda event, _: world.apply(event), nothing
    )
    looks._probe_disk()
    looks._probe_disk()
    assert world.tablespaces == ("16500",)
    assert volume.tablespaces.call_count == 1


def told(memory: Memory, **changes: object) -> tuple[list[str], Memory]:
    decision = decide(seen(**changes), memory)
    return [a.message for a in decision.actions if isinstance(a, Announce) and a.reason == "TablespaceFound"], decision.memory


@pytest.mark.parametrize(("memory", "changes"), [(PRIMARY, WRITES), (FOLLOWING, {}), (remembered(Phase.DAMAGED), {"server": "down"})])
def test_every_member_says_so_every_five_minutes(memory: Memory, changes: dict[str, object]) -> None:
    [message], memory = told(memory, tablespaces=("16500",), **changes)
    assert "aren't supported" in message
    assert "pg_tblspc/16500. Clones and rewinds of this release fail" in message
    assert told(memory, tablespaces=("16500",), **changes)[0] == []
    again = changed(memory, told=tuple((reason, NOW - 301) for reason, _ in memory.telling.told))
    assert len(told(again, tablespaces=("16500",), **changes)[0]) == 1
    assert told(again, **changes)[0] == []


def test_of_many_a_few_are_named() -> None:
    [message], _ = told(FOLLOWING, tablespaces=tuple(str(oid) for oid in range(16500, 16507)))
    assert "pg_tblspc/16504 and 2 more." in message
    assert "16505" not in message
