"""Maps KubeDB's storage of archives and backups to the values archiver, backup and restore."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from hapg.spec import cron

BACKENDS = ("s3", "gcs", "azure", "local")
_ARCHIVES = ("snapshotSource", "postgresWAL")
SOURCES = ("scriptSource", *_ARCHIVES)

_KUBEDB_FOLDER = re.compile(r"((?P<folder>.+)/)?kubedb/(?P<namespace>[^/]+)/(?P<name>[^/]+)/archive")
_NAME = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile("[0-9]{8}-[0-9]{6}F(_[0-9]{8}-[0-9]{6}[DI])?")
_AMAZON = re.compile(r"s3[.-]([a-z0-9-]+)\.amazonaws\.com")

Content = Mapping[str, Any]


def problems(content: Content, prefix: str, no_archive: str) -> list[str]:
    """Return a sentence for each contradiction in the keys that name a storage.

    content: valid for the schema; prefix: for paths; no_archive: as in the major's ChartProfile.
    """
    if no_archive:
        return [f"{prefix}{path}: must be left out, because {no_archive}" for path in _named(content)]
    archive, schedule, init = content.get("archiver", {}).get("storage"), content.get("backupSchedule"), content.get("init", {})
    wal = init.get("postgresWAL")
    found = []
    for path, storage in (("archiver.storage", archive), ("backupSchedule", schedule), ("init.postgresWAL", wal)):
        found += _storage_problems(storage, f"{prefix}{path}") if storage is not None else []
    if found:
        return found
    if schedule is not None and cron.never_comes(schedule["cronExpression"]):
        found.append(
            f"{prefix}backupSchedule.cronExpression: {schedule['cronExpression']} never comes; "
            "let each range end after it begins, and name a day that the month has"
        )
    sources = [name for name in SOURCES if name in init]
    if len(sources) > 1:
        found.append(f"{prefix}init: {' and '.join(sources)} are both the content of a new database; keep one of them")
    if wal is not None and _source(wal) is None:
        found.append(
            f"{prefix}init.postgresWAL: its prefix does not say which release's archive it is; "
            "FOLDER/NAME, or as in KubeDB FOLDER/kubedb/NAMESPACE/NAME/archive, is expected"
        )
    return found


def defaults(content: Content) -> dict[str, object]:
    """Return the values for a valid spec, by dotted path."""
    values: dict[str, object] = {}
    schedule, init = content.get("backupSchedule"), content.get("init", {})
    storage = content.get("archiver", {}).get("storage", schedule)
    if storage is not None:
        values |= {f"archiver.{key}": value for key, value in repository(storage).items()}
    if schedule is not None:
        values["backup.schedules.full"] = schedule["cronExpression"]
        values |= {"backup.resources": schedule["resources"]} if "resources" in schedule else {}
    wal = init.get("postgresWAL")
    if wal is not None:
        source = _source(wal)
        assert source is not None, "problems() refuses it"
        path, stanza = source
        values |= {f"restore.source.{key}": value for key, value in repository(wal).items() if key != "path"}
        values |= {"restore.enabled": True, "restore.source.path": path, "restore.stanza": stanza}
    if "snapshotSource" in init:
        name = init["snapshotSource"]["name"]
        values |= {"restore.enabled": True, "restore.target.type": "backup"}
        values |= {"restore.target.value": name} if _LABEL.fullmatch(name) else {}
    return values


def differing(content: Content) -> bool:
    """True if a valid spec names another storage for backups than for WAL."""
    archive, schedule = content.get("archiver", {}).get("storage"), content.get("backupSchedule")
    return archive is not None and schedule is not None and repository(archive) != repository(schedule)


def repository(storage: Content) -> dict[str, object]:
    """Return the keys of a repository's values for a storage: only those that it sets."""
    (backend,) = (name for name in BACKENDS if name in storage)
    given = storage[backend]
    values: dict[str, object] = {"type": "posix" if backend == "local" else backend}
    if backend == "local":
        values["claimName"] = given["persistentVolumeClaim"]["claimName"]
    else:
        values["bucket"] = given["container" if backend == "azure" else "bucket"]
        values["secretName"] = storage["storageSecretName"]
    if backend == "s3" and "endpoint" in given:
        values |= _endpoint(given["endpoint"])
    folder = _folder(storage)
    return values | ({"path": f"/{folder}"} if folder else {})


def _named(content: Content) -> Iterator[str]:
    """Yield the path of each key that needs an archive."""
    yield from (key for key in ("archiver", "backupSchedule") if key in content)
    yield from (f"init.{source}" for source in _ARCHIVES if source in content.get("init", {}))


def _endpoint(text: str) -> dict[str, object]:
    """Return the values for an S3 endpoint. Amazon's host names tell the region. Others' take no bucket in theirs."""
    host = text.removeprefix("https://").rstrip("/")
    region = _AMAZON.fullmatch(host)
    values: dict[str, object] = {"endpoint": host}
    if region:
        values["region"] = region[1]
    return values if host.endswith(".amazonaws.com") else values | {"uriStyle": "path"}


def _storage_problems(storage: Content, path: str) -> list[str]:
    named = [name for name in BACKENDS if name in storage]
    if len(named) > 1:
        return [f"{path}: names {' and '.join(named)}, but there is one repository; keep one of them"]
    if named == ["local"] and "persistentVolumeClaim" not in storage["local"]:
        return [f"{path}.local.persistentVolumeClaim: missing; claimName of a claim that the pods share (ReadWriteMany) is expected"]
    if named != ["local"] and "storageSecretName" not in storage:
        return [f"{path}.storageSecretName: missing; the name of an existing Secret with the credentials"]
    return []


def _folder(storage: Content) -> str:
    backend = next(name for name in BACKENDS if name in storage)
    return str(storage[backend].get("subPath" if backend == "local" else "prefix", "")).strip("/")


def _source(storage: Content) -> tuple[str, str] | None:
    """Return path and stanza of the archive that a storage names: the stanza is the release's name. None if it names none."""
    folder = _folder(storage)
    layout = _KUBEDB_FOLDER.fullmatch(folder)
    if layout:
        path, name = f"/{layout['folder']}" if layout["folder"] else f"/ha-postgres/{layout['namespace']}", layout["name"]
    else:
        above, _, name = folder.rpartition("/")
        path = f"/{above}"
    return (path, name) if path != "/" and _NAME.fullmatch(name) else None
