"""Bitnami's chart postgresql: its values."""

from __future__ import annotations

import shlex
from typing import Any

from hapg.migrate import bitnami_common as shared
from hapg.migrate import walk
from hapg.migrate.conversions import implied, libraries
from hapg.migrate.rules import NoCounterpart, Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec.foreign import BITNAMI

_ALIKE = "all servers of a release are alike, as the primary"


def _architecture(value: Any, place: Place) -> Said:
    count = 1
    if value == "replication":
        given = walk.get(place.document, "readReplicas", "replicaCount")
        count += 1 if given is None else int(given)
    return Said({"replicas": count}, "the primary and its read replicas, any of which may take over")


def _synchronous(value: Any, place: Place) -> Said:
    if value == 0 or place.document.get("architecture") != "replication":
        return Said({}, "asynchronous, as without it")
    return Said({"replication.mode": "synchronous", "replication.minSyncReplicas": value}, "writes wait for so many standbys")


def _initdb_arguments(value: Any, _place: Place) -> Said:
    """Return the options of a command line, each in one word with its value."""
    options: list[str] = []
    for word in shlex.split(str(value)):
        if word.startswith("-") or not options:
            options.append(word)
        else:
            options[-1] += f"={word}" if options[-1].startswith("--") else word
    return Said([("initdb.args[]", each) for each in options], "")


def _commit(value: Any, place: Place) -> Said:
    if not place.above().get("numSynchronousReplicas"):
        return Said({}, "without effect while numSynchronousReplicas is 0")
    return Said({"postgresql.parameters.synchronous_commit": value}, "")


def _secret(value: Any, place: Place) -> Said:
    """Return the Secret for those passwords whose keys are the chart's."""
    keys = place.above().get("secretKeys") or {}
    found = {}
    if keys.get("adminPasswordKey") == "POSTGRES_PASSWORD":
        found["databaseSecret.secretName"] = value
    if (
        place.above().get("database")
        and shared.has_own_user(place.document)
        and keys.get("userPasswordKey", "password") in ("", "password")
    ):
        found["app.secretName"] = value
    text = "the password of `postgres` has to be under POSTGRES_PASSWORD for databaseSecret.secretName, the owner's under `password`"
    if not found:
        raise NoCounterpart(text)
    return Said(found, text)


def _auth(prefix: str) -> tuple[Rule, ...]:
    return (
        change(f"{prefix}.database", "", shared.database, ""),
        change(f"{prefix}.username", "app.owner", shared.owner, ""),
        change(f"{prefix}.existingSecret", "", _secret, ""),
        *(
            change(f"{prefix}.secretKeys.{key}", "", lambda *_: None, "with existingSecret")
            for key in ("adminPasswordKey", "userPasswordKey", "replicationPasswordKey")
        ),
        change(f"{prefix}.enablePostgresUser", "", implied(True, "`postgres` always has a password, in the Secret NAME-auth"), "as always"),
        *shared.passwords(prefix, "postgresPassword", "password", "replicationPassword"),
        none(prefix, "the pods log in to each other with a role and Secrets of their own"),
    )


_TABLE: tuple[Rule, ...] = (
    *_auth("global.postgresql.auth"),
    same("global.postgresql.service.ports.postgresql", "service.port"),
    *shared.common(),
    *shared.image("image"),
    *_auth("auth"),
    change("architecture", "", _architecture, ""),
    change("readReplicas.replicaCount", "", lambda *_: None, "with architecture, replicas"),
    change("replication.numSynchronousReplicas", "", _synchronous, ""),
    change("replication.synchronousCommit", "", _commit, ""),
    none("replication", "replicas have names of their own"),
    change("containerPorts.postgresql", "", implied(5432, "the servers listen on 5432; set service.port for the Services"), "as always"),
    *shared.settings("primary", "extendedConfiguration"),
    *shared.audit("audit"),
    none("postgresqlDataDir", "the chart has a layout of its own"),
    change("postgresqlSharedPreloadLibraries", "", libraries, ""),
    same("shmVolume.sizeLimit", "shmSize"),
    change("shmVolume.enabled", "", implied(True, "shared memory always has a volume; set shmSize"), "as always"),
    *shared.tls("tls"),
    *(
        none(f"primary.{key}", "put its settings into postgresql.parameters and postgresql.pgHba, where they are checked")
        for key in ("existingConfigmap", "existingExtendedConfigmap")
    ),
    change("primary.initdb.args", "", _initdb_arguments, ""),
    same("primary.initdb.scripts.*", "initdb.scripts.*"),
    same("primary.initdb.scriptsConfigMap", "initdb.scriptsConfigMap"),
    same("primary.initdb.scriptsSecret", "initdb.scriptsSecret"),
    none("primary.initdb", "scripts run as `postgres`, without a password; WAL has a volume of its own with walVolume"),
    none("primary.preInitDb", "set initContainers for what has to be done before"),
    none("primary.standby", "a release follows no other server; use clone or import"),
    change("primary.name", "", implied("primary", "the primary moves between the pods, which have numbers"), "as always"),
    *shared.pods("primary"),
    *shared.service("primary.service"),
    *shared.persistence("primary.persistence"),
    *shared.retention("primary."),
    none("readReplicas", _ALIKE),
    *shared.metrics(),
)


def _data(document: Document, _name: str) -> Data:
    host = shared.full_name(document, "RELEASE-postgresql")
    if document.get("architecture") == "replication":
        host += f"-{walk.get(document, 'primary', 'name') or 'primary'}"
    database = walk.get(document, "auth", "database")
    return Data(
        host=host,
        login="The chart keeps the password of `postgres` in the Secret RELEASE-postgresql, under `postgres-password`",
        logical="The source needs `wal_level = logical` (primary.extendedConfiguration), and a restart.",
        clone="",
        volume=shared.VOLUME,
        collides=shared.COLLIDES,
        databases=(str(database),) if database else (),
    )


SOURCE = Source(
    BITNAMI,
    _TABLE,
    lambda document: walk.get(document, "image", "tag"),
    _data,
    (
        Assumed("replicas", 1, "the architecture is standalone"),
        Assumed("standbyMode", "hot", "read replicas answer queries, so the standbys do too"),
        Assumed("storage.resources.requests.storage", "8Gi", "the size of Bitnami's claims"),
    ),
)
