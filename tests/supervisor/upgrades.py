"""Containers for major upgrades: the new major's image as a root file system, with the former major's programs beside it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from hapg_failover.adapters import script
from tests.cluster import images

from .harness import BIN, Container, server_user

FORMER = "15"
NEW = "17"
MOUNTS = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot "$0" "$@"'


def unpack(major: str, target: Path) -> None:
    """Unpack the image of a major; it is built if necessary."""
    [archive] = images.ensure_majors([major])
    with tarfile.open(archive.path) as image:

        def blob(digest: str) -> IO[bytes]:
            member = image.extractfile(f"blobs/{digest.replace(':', '/')}")
            assert member is not None
            return member

        index = image.extractfile("index.json")
        assert index is not None
        manifest = json.load(blob(json.load(index)["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=blob(layer["digest"]), mode="r|*") as root:
                root.extractall(target, filter="tar")


def copy_former_programs(target: Path) -> None:
    """Do what the init container of the former major's image does: the machine has that major as the image has it."""
    target.mkdir(exist_ok=True)
    command = ["bash", str(script.FOLDER / "former_programs.sh"), str(BIN), str(target)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    subprocess.run(["chmod", "-R", "go+rX", str(target)], check=True)


class Upgraded(Container):
    """A postgres container of the new major, inside its image's root file system."""

    image = Path()

    def launch(self, *before: str) -> None:
        """Start PID 1 in the image. before: as in `Container`."""
        super().launch("bash", "-c", MOUNTS, str(self.image), *before)


def hand_over(giver: Container, taker: Container) -> None:
    """Give the volumes of a container, which is ended, to another, as a pod's replacement gets them."""
    giver.end()
    for ours, theirs in ((taker.volume, giver.volume), (taker.wal_volume, giver.wal_volume)):
        if ours is not None and theirs is not None and theirs.exists():
            shutil.rmtree(ours, ignore_errors=True)
            theirs.rename(ours)
    if taker.wal_volume is not None:
        _relink(taker.volume, taker.wal_volume)


@contextlib.contextmanager
def limited(volume: Path, size: int) -> Iterator[None]:
    """Have the content of a volume on a file system of this size, in bytes, for a while."""
    aside = volume.with_name("aside")
    volume.rename(aside)
    volume.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", volume], check=True)
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", volume], check=True)
        yield
        shutil.rmtree(aside)
        subprocess.run(["cp", "-a", volume, aside], check=True)
    finally:
        subprocess.run(["umount", volume], check=True)
        volume.rmdir()
        aside.rename(volume)


def _relink(volume: Path, wal_volume: Path) -> None:
    """In a pod the WAL volume has one path; here it has moved."""
    for directory in volume.glob("pgdata*"):
        link = directory / "pg_wal"
        if link.is_symlink():
            target = Path(os.readlink(link))
            link.unlink()
            link.symlink_to(wal_volume / target.name)
            os.chown(link, *server_user(), follow_symlinks=False)
