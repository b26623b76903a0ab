"""A container that is short of memory: the kernel kills one of its processes when it asks for more (OOM kill)."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster import nodes
from tests.cluster.errors import ClusterError

_ROOT = Path("/sys/fs/cgroup")


def _files(pid: int) -> tuple[Path, Path]:
    """The files with the limit and the usage of the control group that a process is in (v1 or v2)."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder = _ROOT / "memory" / path.lstrip("/")
            return folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes"
        if not controllers and (folder := _ROOT / path.lstrip("/")).joinpath("memory.max").exists():
            return folder / "memory.max", folder / "memory.current"
    raise ClusterError(f"process {pid} is in no control group for memory")


@contextmanager
def short(namespace: str, pod: str, container: str, node: str, mebibytes: int) -> Iterator[None]:
    """A container may use so much more memory than at present, for as long as the context lasts."""
    limit, usage = _files(nodes.processes(namespace, pod, container, node)[0].pid)
    before = limit.read_text().strip()
    limit.write_text(str(int(usage.read_text()) + mebibytes * 2**20))
    try:
        yield
    finally:
        if limit.exists():  # the container may be gone
            limit.write_text(before)
