"""Recognizes objects and values of other systems that run PostgreSQL on Kubernetes, which `hapg migrate` translates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class System:
    """Another system. id: of its module in hapg.migrate; words: for the user."""

    id: str
    words: str


KUBEDB = System("kubedb", "a Postgres object of KubeDB")
CLOUDNATIVE_PG = System("cloudnative_pg", "a Cluster of CloudNativePG")
ZALANDO = System("zalando", "a postgresql object of Zalando's operator")
CRUNCHY = System("crunchy", "a PostgresCluster of Crunchy's operator")
BITNAMI = System("bitnami", "values of Bitnami's chart postgresql")
BITNAMI_HA = System("bitnami_ha", "values of Bitnami's chart postgresql-ha")

_KINDS = {
    ("kubedb.com", "Postgres"): KUBEDB,
    ("postgresql.cnpg.io", "Cluster"): CLOUDNATIVE_PG,
    ("acid.zalan.do", "postgresql"): ZALANDO,
    ("postgres-operator.crunchydata.com", "PostgresCluster"): CRUNCHY,
}
_OWN_VERSION = "kubedb.com/v1alpha1"
_OF_BITNAMI_HA = frozenset({"pgpool", "pgpoolImage", "postgresqlImage", "witness"})
_OF_ITS_SERVERS = frozenset({"replicaCount", "image", "username", "database", "existingSecret", "repmgrUsername", "repmgrPassword"})
_OF_BITNAMI = frozenset({"auth", "architecture", "primary", "readReplicas"})


def system(document: Mapping[str, Any]) -> System | None:
    """Return whose object or values the document is; None if that is not known."""
    version, kind = document.get("apiVersion"), document.get("kind")
    if kind is not None or version is not None:
        return _KINDS.get((str(version).partition("/")[0], str(kind)))
    if document.keys() & _OF_BITNAMI_HA:
        return BITNAMI_HA
    if document.keys() & _OF_BITNAMI:
        return BITNAMI
    servers = document.get("postgresql")
    return BITNAMI_HA if isinstance(servers, dict) and servers.keys() & _OF_ITS_SERVERS else None


def is_foreign(document: Mapping[str, Any]) -> bool:
    """True for what only `hapg migrate` reads: all but KubeDB's v1alpha1, and the keys of its spec alone."""
    found = system(document)
    return found is not None and document.get("apiVersion") != _OWN_VERSION
