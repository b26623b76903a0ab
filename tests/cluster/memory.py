"""A container that runs out of memory: the kernel kills one of its processes when it allocates more (OOM kill)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.errors import ClusterError

_ROOT = Path("/sys/fs/cgroup")
_LIMITS = ("memory.max", "memory.limit_in_bytes")


def _folder(pid: int) -> Path:
    """The memory control group of a process, as a folder."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _ROOT / "memory" / path.lstrip("/")
        if not controllers and (folder := _ROOT / path.lstrip("/")).joinpath("memory.max").exists():
            return folder
    raise ClusterError(f"process {pid} is in no control group for memory")


def _kept(folder: Path) -> int:
    """Bytes of its memory that the kernel can't reclaim: all but what it can read from files again."""
    figures = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    return sum(int(figures.get(name, 0)) for name in ("anon", "rss", "shmem", "kernel", "unevictable"))


@contextmanager
def short(namespace: str, pod: str, container: str, node: str, mebibytes: int) -> Iterator[None]:
    """While the context lasts, a container may use only this much more memory than now."""
    folder = _folder(nodes.processes(namespace, pod, container, node)[0].pid)
    limit = next(path for name in _LIMITS if (path := folder / name).exists())
    before = limit.read_text().strip()
    limit.write_text(str(_kept(folder) + mebibytes * 2**20))
    try:
        yield
    finally:
        if limit.exists():  # the container may be gone
            limit.write_text(before)
