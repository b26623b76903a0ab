"""Containers for major upgrades: the new major's image as a root file system, with the former major's programs beside it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from hapg_failover.adapters import script
from tests.archives import extract
from tests.cluster import files, images
from tests.cluster.paths import CACHE

from .harness import BIN, Container, server_user

FORMER = "15"
NEW = "17"
IN_IMAGES = (NEW, "18", "19")
"""Majors whose servers are those of their images."""
_WHEELS = {
    "16": ("pgserver==0.1.4", "d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813"),
}
"""Majors that Debian has never had in a release: a Python package that has all programs."""
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
                extract(root, target, "tar")


def copy_former_programs(target: Path) -> None:
    """Do what the init container of the former major's image does: the machine has that major as the image has it."""
    target.mkdir(exist_ok=True)
    command = ["bash", str(script.FOLDER / "former_programs.sh"), str(BIN), str(target)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    subprocess.run(["chmod", "-R", "go+rX", str(target)], check=True)


def copy_image_programs(major: str, image: Path, target: Path) -> None:
    """Do the same in a major's image. image: its root file system; target: below /dev, which the image shares."""
    target.mkdir()
    command = ["bash", "-s", f"/usr/lib/postgresql/{major}/bin", str(target)]
    script_text = (script.FOLDER / "former_programs.sh").read_bytes()
    subprocess.run(["unshare", "--mount", "bash", "-c", MOUNTS, str(image), *command], input=script_text, check=True, capture_output=True)
    subprocess.run(["chmod", "-R", "go+rX", str(target)], check=True)


def fetch_programs(major: str, target: Path) -> None:
    """Have the programs of a major that comes as a Python package below `target`, as `copy_former_programs` leaves those of an image."""
    requirement, digest = _WHEELS[major]
    wheels = CACHE / "servers" / f"wheel-{major}-{digest[:16]}"
    if not wheels.exists():
        with files.workspace(wheels.parent) as folder:
            wanted = folder / "requirements"
            wanted.write_text(f"{requirement} --hash=sha256:{digest}\n")
            words = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", "--platform=manylinux2014_x86_64"]
            words += ["--requirement", str(wanted), "--dest", str(folder / "wheel")]
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", *words], check=True)
            (folder / "wheel").rename(wheels)
    [wheel] = wheels.iterdir()
    place = target / "usr/lib/postgresql" / major
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(("pgserver/pginstall/", "pgserver.libs/")):
                archive.extract(name, target / "wheel")
    place.parent.mkdir(parents=True)
    (target / "wheel/pgserver/pginstall").rename(place)
    (target / "wheel/pgserver.libs").rename(place.parents[1] / "pgserver.libs")  # where the programs look for it
    subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)
    subprocess.run(["chmod", "a+x", *map(str, (place / "bin").iterdir())], check=True)


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
