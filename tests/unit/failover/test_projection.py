"""When a pod is changed so that kubelet projects a changed ConfigMap."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hapg_failover.adapters import projected
from hapg_failover.core.projection import TOUCHES, ConfigMap, Touch, digest, next_touch

OLD, NEW = digest({"postgresql.conf": b"work_mem = 4MB"}), digest({"postgresql.conf": b"work_mem = 8MB"})
WANTED = ConfigMap("7", NEW)


def touches(wanted: ConfigMap, files: str) -> list[Touch]:
    """The touches that are made while the files stay as they are."""
    now, made = 100.0, list[Touch]()
    while True:
        touch, pause_s = next_touch(wanted, files, made[-1] if made else None, now)
        if touch is not None:
            made.append(touch)
        if pause_s is None:
            return made
        now += pause_s


def test_a_changed_config_map_touches_the_pod_at_once() -> None:
    assert next_touch(WANTED, OLD, None, 100.0) == (Touch("7", 1, 100.0), 1.0)


@pytest.mark.parametrize("wanted", [ConfigMap("7", OLD), None])
def test_nothing_is_touched_and_nothing_is_looked_at_while_the_files_are_the_config_maps(wanted: ConfigMap | None) -> None:
    assert next_touch(wanted, OLD, None, 100.0) == (None, None)


def test_an_early_look_waits_for_the_pause() -> None:
    assert next_touch(WANTED, OLD, Touch("7", 2, 100.0), 101.5) == (None, 0.5)


def test_a_kubelet_that_learned_late_is_asked_again_ever_more_rarely_and_then_left_alone() -> None:
    made = touches(WANTED, OLD)
    assert [touch.at for touch in made] == [100.0, 101.0, 103.0, 107.0, 115.0, 131.0]
    assert len({touch.text for touch in made}) == len(made) == TOUCHES, "an annotation that stays the same is no change of the pod"


def test_another_version_is_touched_for_at_once() -> None:
    assert next_touch(ConfigMap("8", NEW), OLD, Touch("7", TOUCHES, 99.9), 100.0) == (Touch("8", 1, 100.0), 1.0)


def test_digests_tell_names_and_contents_apart() -> None:
    different = [{}, {"a": b""}, {"a": b"b"}, {"ab": b""}, {"a": b"", "b": b""}, {"a": b"b\0001\0c"}, {"a": b"b", "c": b""}]
    assert len({digest(entries) for entries in different}) == len(different)
    assert digest({"a": b"1", "b": b"2"}) == digest({"b": b"2", "a": b"1"})


def test_the_files_are_read_as_kubelet_swaps_them(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..{number}").mkdir()
        (tmp_path / f"..{number}" / "failover.json").write_text(str(number))
    (tmp_path / "failover.json").symlink_to("..data/failover.json")
    with pytest.raises(FileNotFoundError):
        projected.entries(tmp_path)
    for number in (1, 2):
        (tmp_path / "..new").symlink_to(f"..{number}")
        os.replace(tmp_path / "..new", tmp_path / "..data")
        assert projected.entries(tmp_path) == {"failover.json": str(number).encode()}
