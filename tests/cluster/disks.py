"""Small file systems in image files, each mounted on one node, that can hang, fill up and break like a real disk.

A disk is identified by its name and its node. Its mount is in the node's mount namespace: it disappears when the node is powered off,
and `mount` brings it back. As with a real disk, a process that writes to a hung disk can't be killed before the disk resumes (state D).
All functions raise ClusterError if the node is off or the disk doesn't exist.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.cluster import supervise
from tests.cluster.commands import run, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.paths import node_directory
from tests.cluster.topology import NODES

_FILLER = ".filler"
_BUSY_SECONDS = 150.0
_POLL_SECONDS = 0.5
_BREATH_SECONDS = 0.05


def _folder(node: str) -> Path:
    return node_directory(node) / "disks"


def _image(name: str, node: str) -> Path:
    return _folder(node) / f"{name}.img"


def _mount_point(name: str, node: str) -> Path:
    return _folder(node) / name


def data(name: str, node: str) -> Path:
    """The folder on a disk that is a pod's volume; it doesn't exist while the disk isn't mounted."""
    return _mount_point(name, node) / "data"


def make(name: str, node: str, mebibytes: int) -> None:
    """Creates a disk of this size and mounts it."""
    image, mount_point = _image(name, node), _mount_point(name, node)
    mount_point.mkdir(parents=True)
    run(["truncate", "--size", f"{mebibytes}M", str(image)])
    run(["mkfs.ext4", "-q", "-m", "0", str(image)])
    mount(name, node)
    run([*supervise.inside(node), "mkdir", "--mode=777", str(data(name, node))])


def mount(name: str, node: str) -> None:
    """Mounts a disk, also after its node was off; an error makes it read-only, as is usual."""
    run([*supervise.inside(node), "mount", "-o", "loop,errors=remount-ro", str(_image(name, node)), str(_mount_point(name, node))])


def _device(name: str, node: str) -> str:
    found = run([*supervise.inside(node), "findmnt", "--noheadings", "--output", "SOURCE", "--mountpoint", str(_mount_point(name, node))])
    return Path(found.strip()).name


def _unmount(name: str, node: str) -> None:
    """Unmounts a disk, and waits until no pod uses it."""
    run([*supervise.inside(node), "umount", str(_mount_point(name, node))])
    limit = time.monotonic() + _BUSY_SECONDS
    while device := run(["losetup", "--associated", str(_image(name, node))]):
        if time.monotonic() > limit:
            raise ClusterError(f"disk {name} of {node} is still in use after {_BUSY_SECONDS:.0f} s: {device}")
        time.sleep(_POLL_SECONDS)


def remove(name: str, node: str) -> None:
    """Resumes a disk if it hangs, and removes it once no pod uses it; does nothing if there is none."""
    if mounted(name, node):
        resume(name, node)
        _unmount(name, node)
    _image(name, node).unlink(missing_ok=True)
    if _mount_point(name, node).exists():
        _mount_point(name, node).rmdir()


def mounted(name: str, node: str) -> bool:
    """True if the node is on and the disk is mounted."""
    if node not in supervise.status()["nodes"]:
        return False
    return succeeds([*supervise.inside(node), "mountpoint", "--quiet", str(_mount_point(name, node))])


def hang(name: str, node: str) -> None:
    """Makes every write and fsync on a disk hang until `resume`; reads continue."""
    run([*supervise.inside(node), "fsfreeze", "--freeze", str(_mount_point(name, node))])


def resume(name: str, node: str) -> None:
    """Resumes a disk; does nothing if it doesn't hang."""
    succeeds([*supervise.inside(node), "fsfreeze", "--unfreeze", str(_mount_point(name, node))])


def resume_all(node: str) -> None:
    """Resumes every disk of a node, so that the processes on it can be killed; does nothing if the node is off."""
    if node in supervise.status()["nodes"]:
        for image in _folder(node).glob("*.img"):
            resume(image.stem, node)


def resume_everywhere() -> None:
    """Like `resume_all`, on every node."""
    for node in NODES:
        resume_all(node.name)


@contextmanager
def alternating(freeze: Callable[[], object], thaw: Callable[[], object], seconds: float, breath: float) -> Iterator[None]:
    """A disk that hangs from the start, for `seconds` at a time, and works for `breath` seconds in between."""
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(seconds):
            thaw()
            ended.wait(breath)
            freeze()

    thread = threading.Thread(target=work, name="alternating", daemon=True)
    freeze()
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        thaw()


@contextmanager
def slow(name: str, node: str, seconds: float) -> Iterator[None]:
    """A disk that hangs for this many seconds at a time, and works for a twentieth of a second in between."""
    with alternating(partial(hang, name, node), partial(resume, name, node), seconds, _BREATH_SECONDS):
        yield


def fill(name: str, node: str) -> None:
    """Takes all free space of a disk: writes that need more fail with ENOSPC until `free`."""
    filler = _mount_point(name, node) / _FILLER
    script = 'fallocate --length "$(df --output=avail --block-size=1 "$0" | tail -1)" "$1"; cat /dev/zero >>"$1" 2>/dev/null || true'
    run([*supervise.inside(node), "sh", "-c", script, str(_mount_point(name, node)), str(filler)])


def free(name: str, node: str) -> None:
    """Frees the space that `fill` took; does nothing if it took none."""
    run([*supervise.inside(node), "rm", "--force", str(_mount_point(name, node) / _FILLER)])


def break_(name: str, node: str) -> None:
    """Makes the kernel find an error on a disk: it becomes read-only (EROFS) until `repair`."""
    Path(f"/sys/fs/ext4/{_device(name, node)}/trigger_fs_error").write_text("1")


def repair(name: str, node: str) -> None:
    """Unmounts a disk once no pod uses it, checks it and mounts it again."""
    _unmount(name, node)
    image = str(_image(name, node))
    succeeds(["e2fsck", "-p", image])  # 1: errors were corrected
    run(["e2fsck", "-n", image])
    mount(name, node)
