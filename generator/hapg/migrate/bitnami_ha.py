"""Bitnami's chart postgresql-ha: its values."""

from __future__ import annotations

from typing import Any

from hapg.migrate import bitnami_common as shared
from hapg.migrate import walk
from hapg.migrate.conversions import implied, libraries
from hapg.migrate.rules import Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec.foreign import BITNAMI_HA

_REPLICAS = 3
_REPMGR = "there is no repmgr; the Lease and the agents decide who is primary, with the times of failover.*"
_POOL = "there is no Pgpool: the Service NAME leads to the primary, NAME-replicas to all; run a pooler beside the release"
_PARAMETERS = {
    "maxConnections": "max_connections",
    "tcpKeepalivesInterval": "tcp_keepalives_interval",
    "tcpKeepalivesIdle": "tcp_keepalives_idle",
    "tcpKeepalivesCount": "tcp_keepalives_count",
    "statementTimeout": "statement_timeout",
}


def _synchronous(value: Any, place: Place) -> Said:
    if not value:
        return Said({}, "asynchronous, as without it")
    replicas = int(place.above().get("replicaCount") or _REPLICAS)
    return Said(
        {"replication.mode": "synchronous", "replication.minSyncReplicas": max(1, replicas - 1)}, "all standbys, as in Bitnami's chart"
    )


def _login(prefix: str) -> tuple[Rule, ...]:
    return (
        change(f"{prefix}.database", "", shared.database, ""),
        change(f"{prefix}.username", "app.owner", shared.owner, ""),
        none(f"{prefix}.existingSecret", "set databaseSecret.secretName to a Secret with the key POSTGRES_PASSWORD, and app.secretName"),
        *shared.passwords(prefix, "password", "postgresPassword", "repmgrPassword"),
        *(none(f"{prefix}.{key}", _REPMGR) for key in ("repmgrUsername", "repmgrDatabase")),
    )


_SERVER: tuple[Rule, ...] = (
    *shared.image("postgresql.image"),
    same("postgresql.replicaCount", "replicas"),
    *_login("postgresql"),
    change("postgresql.syncReplication", "", _synchronous, ""),
    none("postgresql.syncReplicationMode", "any of the standbys counts, in no order"),
    *shared.settings("postgresql", "extendedConf"),
    change("postgresql.sharedPreloadLibraries", "", libraries, ""),
    *(same(f"postgresql.{key}", f"postgresql.parameters.{name}") for key, name in _PARAMETERS.items()),
    *shared.audit("postgresql.audit"),
    *shared.tls("postgresql.tls"),
    *(
        none(f"postgresql.{key}", "put its settings into postgresql.parameters and postgresql.pgHba, where they are checked")
        for key in ("configurationCM", "extendedConfCM", "pgHbaTrustAll", "pghbaRemoveFilters")
    ),
    same("postgresql.initdbScripts.*", "initdb.scripts.*"),
    same("postgresql.initdbScriptsCM", "initdb.scriptsConfigMap"),
    same("postgresql.initdbScriptsSecret", "initdb.scriptsSecret"),
    *(none(f"postgresql.{key}", "set connectionLimit of a role in roles") for key in ("postgresConnectionLimit", "dbUserConnectionLimit")),
    *(none(f"postgresql.{key}", "passwords are read from files anyway") for key in ("usePasswordFile", "usePasswordFiles")),
    change("postgresql.updateStrategyType", "", implied("RollingUpdate", "pods are always replaced one by one"), "as always"),
    change("postgresql.containerPorts.postgresql", "", implied(5432, "the servers listen on 5432; set service.port"), "as always"),
    *shared.pods("postgresql"),
    same("postgresql.extraInitContainers[]", "initContainers[]"),
    *(
        none(f"postgresql.{key}", _REPMGR)
        for key in (
            "repmgrUsePassfile",
            "repmgrPassfilePath",
            "repmgrLogLevel",
            "repmgrConnectTimeout",
            "repmgrReconnectAttempts",
            "repmgrReconnectInterval",
            "repmgrFenceOldPrimary",
            "repmgrChildNodesCheckInterval",
            "repmgrConfiguration",
            "usePgRewind",
            "upgradeRepmgrExtension",
        )
    ),
)

_TABLE: tuple[Rule, ...] = (
    *_login("global.postgresql"),
    none("global.pgpool", _POOL),
    none("global.ldap", "add a line with ldap to postgresql.pgHba"),
    *shared.common(),
    *shared.image("postgresqlImage"),
    *_SERVER,
    *(none(key, _POOL) for key in ("pgpool", "pgpoolImage")),
    none("witness", "not needed: the Lease of the Kubernetes API decides, also with two servers"),
    *shared.service("service"),
    *shared.persistence("persistence"),
    *shared.retention(""),
    same("networkPolicy.enabled", "networkPolicy.enabled"),
    none("networkPolicy", "set networkPolicy.clients, networkPolicy.metrics and networkPolicy.extraEgress"),
    none("metricsImage", "the failover containers serve the metrics"),
    *shared.metrics(),
)


def _data(document: Document, _name: str) -> Data:
    database = walk.get(document, "postgresql", "database")
    return Data(
        host=f"{shared.full_name(document, 'RELEASE-postgresql-ha')}-pgpool",
        login="The chart keeps passwords in the Secret RELEASE-postgresql-ha-postgresql; Pgpool leads to the primary",
        logical="Connect to the primary's pod itself, not to Pgpool. The source needs `wal_level = logical`, and a restart.",
        clone="Connect to the primary's pod itself, not to Pgpool.",
        volume=shared.VOLUME,
        collides=shared.COLLIDES,
        databases=(str(database),) if database else (),
    )


SOURCE = Source(
    BITNAMI_HA,
    _TABLE,
    lambda document: walk.get(document, "postgresql", "image", "tag") or walk.get(document, "postgresqlImage", "tag"),
    _data,
    (
        Assumed("replicas", _REPLICAS, "the number of servers in Bitnami's chart"),
        Assumed("standbyMode", "hot", "Pgpool sends queries to the standbys, so they answer here too"),
        Assumed("storage.resources.requests.storage", "8Gi", "the size of Bitnami's claims"),
    ),
)
