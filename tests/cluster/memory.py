"""A container that is short of memory: the kernel kills one of its processes when it allocates more
(OOM kill).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.errors import ClusterError

_ROOT = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")


def _folder(pid: int) -> Path:
    """The folder of the control group for memory that a process is in."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _ROOT / "memory" / path.lstrip("/")
        if not controllers and (folder := _ROOT / path.lstrip("/")).joinpath("memory.max").exists():
            return folder
    raise ClusterError(f"process {pid} is in no control group for memory")


def _kept(folder: Path) -> int:
    """How many bytes of its memory the kernel can't take away: all but what it can read again from files."""
    figures = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return sum(int(figures.get(name, 0)) for name in ("anon", "rss", "shmem", "kernel", "unevictable"))


@contextmanager
def short(namespace: str, pod: str, container: str, node: str, mebibytes: int) -> Iterator[None]:
    """A container may use so much more memory than at present, for as long as the context lasts."""
    folder = _folder(nodes.processes(namespace, pod, container, node)[0].pid)
    limit = next(path for name in _LIMITS if (path := folder / name).exists())
    before = limit.read_text().strip()
    limit.write_text(str(_kept(folder) + mebibytes * 2**20))
    try:
        yield
    finally:
        if limit.exists():  # the container may be gone
            limit.write_text(before)
