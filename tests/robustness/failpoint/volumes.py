"""Volumes that are full, damaged, incomplete or another pod's. The local cluster's volumes are folders on the machine, or disks of their
own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import disks, storage
from tests.robustness.release import Pod, Release

RESERVE_SECONDS = 40.0
COPY_SECONDS = 60.0
CONTROL_FILE = Path("pgdata", "global", "pg_control")
NEEDED = Path("pgdata", "pg_twophase")
"""A folder that no server starts without."""


def folder(release: Release, pod: Pod) -> Path:
    """The folder on the machine that is a pod's data volume."""
    return storage.folder_of(pod.node, release.namespace.name, f"data-{pod.name}")


def spoil(release: Release, pod: Pod) -> None:
    """Overwrite a server's control file with garbage."""
    (folder(release, pod) / CONTROL_FILE).write_bytes(b"x" * 8192)


def forget_wal(release: Release, pod: Pod) -> None:
    """Remove all of a server's WAL but the last segment."""
    for segment in sorted((folder(release, pod) / "pgdata" / "pg_wal").glob("0000*[0-9A-F]"))[:-1]:
        segment.unlink()


@contextmanager
def none_starts(release: Release) -> Iterator[None]:
    """While the context lasts, a folder that servers need is missing on all volumes."""
    needed = [folder(release, pod) / NEEDED for pod in release.pods()]
    away = [each.with_suffix(".away") for each in needed]
    for here, there in zip(needed, away, strict=True):
        here.rename(there)
    try:
        yield
    finally:
        for here, there in zip(needed, away, strict=True):
            there.rename(here)


def copy(source: Path, target: Path) -> None:
    """Copy the current contents of another volume to a volume; files may disappear during the copy."""
    for each in target.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    subprocess.run(["cp", "--archive", f"{source}/.", str(target)], check=False, capture_output=True, timeout=COPY_SECONDS)
    assert (target / CONTROL_FILE).exists()


def fill(release: Release, disk: str, pod: Pod, place: str) -> None:
    """Fill the disk of a pod once it has allocated its emergency WAL space on that volume, which happens some seconds after there is
    room. place: path of the volume in the pod.
    """
    emergency_space = f"{place}/emergency-wal-space"
    release.wait(
        f"{pod.name} has set something aside",
        lambda: release.try_inside(pod.name, "test", "-e", emergency_space).code == 0,
        RESERVE_SECONDS,
    )
    disks.fill(disk, pod.node)
