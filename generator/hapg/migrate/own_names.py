"""Names that the chart needs for itself; its templates refuse them, and so they are refused here first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hapg.migrate.walk import get
from hapg.spec.restrictions import RESERVED_NAMES

VOLUMES = (
    *("data", "wal", "run", "config", "secret", "supervisor", "initdb", "shm", "tmp", "token", "tls"),
    *("former-major", "source", "roles", "import-ca"),
    *("backup-key", "repository", "repository-credentials", "source-repository", "source-repository-credentials"),
)
ALWAYS = ("data", "run", "config", "secret", "supervisor", "shm", "tmp", "token")
CONTAINERS = ("postgres", "failover", "prepare", "backup", "former-major")
PATHS = ("/var/lib/postgresql/data", "/var/lib/postgresql/wal", "/run/hapg", "/var/run/hapg", "/etc/hapg", "/dev/shm", "/opt/hapg-former")  # noqa: S108
_LABELS = ("kubedb.com/", "app.kubernetes.io/", "ha-postgres/", "helm.sh/chart")
_ANNOTATIONS = ("kubectl.kubernetes.io/default-container",)
_SCRIPT = re.compile("[A-Za-z0-9][-_.A-Za-z0-9]*[.]sql")
_RESERVED = ("pg_", "ha_postgres_")


def problem(path: Sequence[str], value: Any) -> str:
    """Return why the chart refuses a name in the value at our path, "" if it does not."""
    name, last = str(get(value, "name")), path[-1]
    wrong = {
        "extraVolumes": name in VOLUMES,
        "extraContainers": name in CONTAINERS,
        "initContainers": name in CONTAINERS,
        "extraEnv": name.startswith(("POD_", "HAPG_")),
        "roles": name in RESERVED_NAMES or name.startswith(_RESERVED),
        "databases": name in RESERVED_NAMES or name.startswith(_RESERVED),
    }
    if len(path) == 2 and last == "[]" and wrong.get(path[0]):
        return f"{path[0]}: {name} is reserved for PostgreSQL or the chart; choose another name"
    if tuple(path) == ("extraVolumeMounts", "[]") and _overlaps(str(get(value, "mountPath"))):
        return f"extraVolumeMounts: {get(value, 'mountPath')} overlaps a directory of the chart's own"
    if tuple(path[:-1]) in (("commonLabels",), ("podLabels",), ("monitor", "prometheus", "labels")) and last.startswith(_LABELS):
        return f"{'.'.join(path[:-1])}: {last} is the chart's own"
    if path[0] == "podAnnotations" and last in _ANNOTATIONS:
        return f"podAnnotations: {last} is the chart's own"
    if tuple(path[:2]) == ("initdb", "scripts") and len(path) == 3 and not _SCRIPT.fullmatch(last):
        return f"initdb.scripts: {last} is not run; only SQL is, in files called NAME.sql"
    return ""


def missing_volume(path: Sequence[str], value: Any, values: Mapping[str, Any]) -> str:
    """Return which volume a mount at our path, or in a container there, lacks among all values; "" if none."""
    if path[0] == "extraVolumeMounts":
        mounts = [value]
    elif path[0] in ("extraContainers", "initContainers"):
        mounts = get(value, "volumeMounts") or []
    else:
        return ""
    there = {*ALWAYS, *(get(each, "name") for each in values.get("extraVolumes") or ())}
    missing = [name for each in mounts if (name := get(each, "name")) not in there]
    return f"{path[0]}: there is no volume {missing[0]}; declare it in extraVolumes" if missing else ""


def _overlaps(path: str) -> bool:
    given = f"{path.rstrip('/')}/"
    return any(given.startswith(f"{own}/") or f"{own}/".startswith(given) for own in PATHS)
