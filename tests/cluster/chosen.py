"""The cluster that the environment variable CLUSTER selects: its kubeconfig, how it starts and
stops, and whether it can load images.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, assert_never, get_args

from tests.cluster import builds, images, kind, local
from tests.cluster.commands import run
from tests.cluster.errors import ClusterError
from tests.cluster.paths import BIN, KUBECONFIG

Name = Literal["local", "kind", "current"]
_NAMES: tuple[Name, ...] = get_args(Name)


def name() -> Name:
    """The chosen cluster; the local one by default."""
    asked = os.environ.get("CLUSTER") or "local"
    for known in _NAMES:
        if asked == known:
            return known
    raise ClusterError(f"CLUSTER={asked} is unknown; it may be {', '.join(_NAMES)}")


def is_local() -> bool:
    """True if it is the local one, whose nodes, links and disks tests can break."""
    return name() == "local"


def takes_images() -> bool:
    """True if cached images can be loaded into it."""
    return name() != "current"


def image_options() -> tuple[str, ...]:
    """Tells helm that the nodes already have the images, if they do."""
    return ("--set", "global.imageRegistry=localhost") if takes_images() else ()


def kubeconfig() -> Path:
    """The path of its kubeconfig, whether the cluster is up or not."""
    match name():
        case "local":
            return KUBECONFIG
        case "kind":
            return kind.KUBECONFIG
        case "current":
            named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
            return Path(named) if named else Path.home() / ".kube" / "config"
        case other:
            assert_never(other)


def environment() -> dict[str, str]:
    """Environment for programs that connect to it, with the cached tools first in PATH."""
    found = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    return found if name() == "current" else {**found, "KUBECONFIG": str(kubeconfig())}


def tools() -> Path:
    """Builds helm 3 and 4, kubectl, ct, kubeconform and linearizable if needed; returns the folder that contains them."""
    builds.ensure(builds.TOOL_BUILDS)
    return BIN


def kubectl(*words: str, timeout: float | None = None) -> str:
    """Runs kubectl against it and returns its stdout."""
    return run([str(BIN / "kubectl"), f"--kubeconfig={kubeconfig()}", *words], timeout=timeout)


def up() -> Path:
    """Starts or finds it, with the images loaded; returns the path of its kubeconfig."""
    match name():
        case "local":
            return local.up()
        case "kind":
            return kind.up(images.ensure_debian())
        case "current":
            tools()
            kubectl("get", "--raw", "/readyz", timeout=30)
            return kubeconfig()
        case other:
            assert_never(other)


def down() -> None:
    """Stops it and removes everything. Raises ClusterError for a cluster that wasn't started from here."""
    match name():
        case "local":
            local.down()
        case "kind":
            kind.down()
        case "current":
            raise ClusterError("CLUSTER=current: this cluster was not started from here and is not stopped from here")
        case other:
            assert_never(other)


def load(archives: list[images.Archive]) -> None:
    """Loads images into it, if it is one of ours and up."""
    match name():
        case "local":
            if local.is_up():
                local.load(archives)
        case "kind":
            kind.load(archives)
        case "current":
            pass
        case other:
            assert_never(other)


def load_majors(majors: Iterable[str]) -> None:
    """Loads the images of further majors of PostgreSQL into it, if it is one of ours."""
    if takes_images():
        load(images.ensure_majors(majors))


def load_object_store() -> None:
    """Loads the S3 server that some tests use into it, which must be one of ours."""
    _require_loading()
    load([images.ensure_object_store()])


def load_prometheus() -> None:
    """Loads Prometheus into it, which must be one of ours."""
    _require_loading()
    load([images.ensure_prometheus()])


def load_other_failover(tag: str, edits: Iterable[images.Edit]) -> None:
    """Loads another version of the failover container into it, which must be one of ours."""
    _require_loading()
    load([images.ensure_other_failover(tag, edits)])


def _require_loading() -> None:
    if not takes_images():
        raise ClusterError("CLUSTER=current: an image that the tests make can't be loaded into it")
