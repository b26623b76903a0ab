"""Disks that can be made larger: image files behind loop devices, which all nodes see, as they share the machine's devices."""

import json
from pathlib import Path

from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.paths import CLUSTER

_FOLDER = CLUSTER / "loops"
_MAX_BYTES = 4 * 2**30
"""No disk is made larger; the images are sparse."""


def _image(name: str) -> Path:
    return _FOLDER / f"{name}.img"


def make(name: str, size: int) -> str:
    """Makes a disk of this size in bytes, without a file system; returns the path of its device."""
    _FOLDER.mkdir(exist_ok=True)
    _set_size(name, size)
    return run(["losetup", "--find", "--show", str(_image(name))]).strip()


def grow(name: str, device: str, size: int) -> None:
    """Makes a disk larger, while it is in use; the file system on it stays as it is."""
    _set_size(name, size)
    run(["losetup", "--set-capacity", device])


def _set_size(name: str, size: int) -> None:
    if size > _MAX_BYTES:
        raise ClusterError(f"a disk of {size} bytes is larger than a test needs")
    run(["truncate", "--size", str(size), str(_image(name))])


def remove(name: str) -> None:
    """Removes a disk. Its device is given back once no node has it mounted."""
    for device, image in _devices().items():
        if image == _image(name):
            run(["losetup", "--detach", device])
    _image(name).unlink(missing_ok=True)


def remove_all() -> None:
    """Removes every disk of this kind."""
    for image in {image for image in _devices().values() if image.parent == _FOLDER}:
        remove(image.stem)


def _devices() -> dict[str, Path]:
    """The image of each loop device."""
    found = json.loads(run(["losetup", "--list", "--json", "--output", "NAME,BACK-FILE"]) or "{}")
    return {each["name"]: Path((each["back-file"] or "").removesuffix(" (deleted)")) for each in found.get("loopdevices", [])}
