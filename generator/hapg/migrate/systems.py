"""Finds the objects of other systems among the documents of files, and translates them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hapg.errors import InputError
from hapg.migrate import source
from hapg.migrate.source import Migration, Source
from hapg.spec import error_messages, exported, foreign
from hapg.yamlio import Document

SYSTEMS = (foreign.KUBEDB, foreign.CLOUDNATIVE_PG, foreign.ZALANDO, foreign.CRUNCHY, foreign.BITNAMI, foreign.BITNAMI_HA)

_COMPANIONS = {
    "ScheduledBackup": "set backup.schedules.full to its schedule, without the field of seconds",
    "Database": "declare it in the value databases",
    "Pooler": "the chart has no pooler; run PgBouncer beside the release",
    "DormantDatabase": "`hapg generate` reads it",
    "ObjectStore": "an archive of Barman's can't be read; set archiver.* to its bucket, and archiver.secretName",
    "PostgresOpsRequest": "it was one operation of KubeDB's; leave it out",
    "PostgresAutoscaler": "the chart has no autoscaler; set resources, and grow volumes with `hapg resize`",
    "PGUpgrade": "it was one upgrade by Crunchy's operator; leave it out",
    "PGAdmin": "the chart has no user interface; run pgAdmin beside the release",
    "OperatorConfiguration": "it configures Zalando's operator, which a release does not need; leave it out",
    "Snapshot": "a backup of KubeDB's can't be read; with an archiver, `hapg backup now` takes one",
    "pgcluster": "an object of Crunchy's operator before version 5; upgrade that first",
}
"""What to do with objects that stand beside those of the systems, by kind."""

_OF_OLD_BITNAMI = frozenset({"postgresqlUsername", "postgresqlPassword", "postgresqlDatabase", "postgresqlExtendedConf"})
_OLD_BITNAMI = "values of Bitnami's chart before version 11; write them with the keys of a later one, such as auth.* and primary.*"


def translate(documents: Sequence[Document], name: str = "") -> tuple[list[Migration], list[str]]:
    """Return a migration for each object of another system, and a sentence for each other document.

    name: of the release, for one object. Raises InputError if there is no object, for two releases of one name, or for a document that
    is no mapping.
    """
    found, beside = [], []
    for document in exported.unpacked(documents):
        value = document.value
        if not isinstance(value, dict):
            raise InputError([f"{document.place}: {error_messages.shown(value)} is no object and no values; a mapping is expected"])
        system = foreign.system(value)
        if system is None:
            old = "kind" not in value and value.keys() & _OF_OLD_BITNAMI
            hint = _OLD_BITNAMI if old else _COMPANIONS.get(str(value.get("kind")), "apply it yourself, or leave it out")
            beside.append(f"{document.place}: {_called(value)} is not translated; {hint}")
        else:
            found.append((document.place, value, system))
    if not found:
        known = ", ".join(system.words for system in SYSTEMS)
        raise InputError([*beside, f"nothing to migrate; expected is one of: {known}"])
    if name and len(found) > 1:
        raise InputError([f"--name {name}: there are {len(found)} objects; give a name for one at a time"])
    migrations = [source.migrate(source_of(system), value, place, name) for place, value, system in found]
    return migrations, [*beside, *_twice(migrations)]


def source_of(system: foreign.System) -> Source:
    """Return what is known of a system."""
    loaded: Source = importlib.import_module(f"hapg.migrate.{system.id}").SOURCE
    return loaded


def _called(value: Mapping[str, Any]) -> str:
    kind, metadata = value.get("kind"), value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return " ".join(str(each) for each in (kind, name) if each) or f"a document with the keys {', '.join(sorted(value)[:5])}"


def _twice(migrations: Sequence[Migration]) -> Iterator[str]:
    names = [each.name for each in migrations]
    for name in sorted({name for name in names if names.count(name) > 1}):
        raise InputError([f"{name}: there are {names.count(name)} objects of this name; migrate them one at a time"])
    yield from ()
