"""Control groups of the nodes and containers, on machines with cgroup v1 and v2."""

import errno
import os
import time
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.process import Process, find, kill
from tests.cluster.topology import CGROUP

_ROOT = Path("/sys/fs/cgroup")
_UNIFIED = (_ROOT / "cgroup.controllers").exists()
_REMOVAL_SECONDS = 10.0


def _hierarchies() -> list[Path]:
    if _UNIFIED:
        return [_ROOT]
    return [path for path in _ROOT.iterdir() if not path.is_symlink() and (path / "cgroup.procs").exists()]


def _hand_down(parent: Path, child: Path) -> None:
    """Sets what a new group needs before a process can start in it: CPUs and memory nodes (v1), controllers (v2)."""
    if _UNIFIED:
        controllers = (parent / "cgroup.controllers").read_text().split()
        for controller in controllers:
            try:
                (parent / "cgroup.subtree_control").write_text(f"+{controller}")
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.EINVAL, errno.ENOTSUP):
                    raise
        return
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (child / name).exists():
            (child / name).write_text((parent / name).read_text())


def make(group: str) -> None:
    """Makes a group, such as `ha-postgres/node1`, in every hierarchy."""
    for hierarchy in _hierarchies():
        parent = hierarchy
        for part in group.split("/"):
            child = parent / part
            child.mkdir(exist_ok=True)
            _hand_down(parent, child)
            parent = child


def folders(group: str = CGROUP) -> list[Path]:
    """All folders of a group and its subgroups, deepest first, in every hierarchy."""
    found = []
    for hierarchy in _hierarchies():
        for folder, _, _ in os.walk(hierarchy / group, topdown=False):
            found.append(Path(folder))
    return found


def _processes(folder: Path) -> list[Process]:
    try:
        numbers = (folder / "cgroup.procs").read_text().split()
    except OSError:
        return []
    return [process for number in numbers if (process := find(int(number)))]


def processes(group: str = CGROUP) -> list[Process]:
    """All processes in a group and its subgroups, oldest first."""
    return sorted({p for folder in folders(group) for p in _processes(folder)}, key=lambda p: (p.start, p.pid))


def remove(group: str = CGROUP) -> None:
    """Kills every process in a group and its subgroups, and removes the group; raises ClusterError after 10 s."""
    limit = time.monotonic() + _REMOVAL_SECONDS
    while left_over := folders(group):
        kill(processes(group))
        left = None
        for folder in left_over:
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                left = error
        if left is None:
            return
        if time.monotonic() > limit:
            raise ClusterError(f"control group {group} can't be removed: {left}")
        time.sleep(0.05)


def container(group: str, identifier: str) -> list[Process]:
    """The processes of the container with this id, below a node's group, its PID 1 first; empty if it doesn't exist."""
    hierarchy = _hierarchies()[0]
    found = [Path(folder) for folder, _, _ in os.walk(hierarchy / group) if Path(folder).name == identifier]
    return sorted({p for folder in found for p in _processes(folder)}, key=lambda p: (p.start, p.pid))
