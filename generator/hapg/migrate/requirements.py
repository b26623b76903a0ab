"""What a value needs beside it. A value whose requirement is not met is taken back, and reported as one without counterpart."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hapg.migrate.walk import get
from hapg.spec.restrictions import SYNCHRONOUS_COMMIT

Values = Mapping[str, Any]
_COMMIT = f"{SYNCHRONOUS_COMMIT.words} is allowed: {SYNCHRONOUS_COMMIT.why}"


@dataclass(frozen=True)
class Requirement:
    """path: of values, with all below it; holds: whether they may stay among all values; text: why not, and what to do."""

    path: tuple[str, ...]
    holds: Callable[[Values], bool]
    text: str


def _archives(values: Values) -> bool:
    kind = get(values, "archiver", "type")
    if kind == "posix":
        return bool(get(values, "archiver", "claimName"))
    return bool(kind and get(values, "archiver", "bucket") and get(values, "archiver", "secretName"))


def _has_certificate(values: Values) -> bool:
    return get(values, "tls", "mode") == "off" or bool(
        get(values, "tls", "secretName") or get(values, "tls", "certManager", "issuerRef", "name")
    )


def _has_standby(values: Values) -> bool:
    return get(values, "replication", "mode") != "synchronous" or bool(values.get("replicas", 1) > 1)


def _few_synchronous(values: Values) -> bool:
    return bool(get(values, "replication", "minSyncReplicas") < values.get("replicas", 1))


def _commits_durably(values: Values) -> bool:
    if get(values, "replication", "mode") != "synchronous":
        return True
    return bool(re.fullmatch(SYNCHRONOUS_COMMIT.pattern, str(get(values, "postgresql", "parameters", "synchronous_commit")).lower()))


def _type(values: Values) -> str:
    return get(values, "service", "type") or "ClusterIP"


def _has_port_of_nodes(values: Values) -> bool:
    return _type(values) != "ClusterIP"


def _has_balancer(values: Values) -> bool:
    return _type(values) == "LoadBalancer"


def _has_storage(values: Values) -> bool:
    return values.get("storage", {}) is not None


REQUIREMENTS: Sequence[Requirement] = (
    Requirement(("archiver",), _archives, "an archive needs type, bucket and a Secret with credentials (or a claim); set archiver.*"),
    Requirement(("backup",), _archives, "backups need an archive; set archiver.*"),
    Requirement(("tls", "mode"), _has_certificate, "TLS needs a certificate; set tls.secretName or tls.certManager.issuerRef as well"),
    Requirement(("replication", "minSyncReplicas"), _few_synchronous, "there are too few servers; raise replicas first"),
    Requirement(("replication", "mode"), _has_standby, "synchronous replication needs a standby; raise replicas first"),
    Requirement(("postgresql", "parameters", "synchronous_commit"), _commits_durably, f"with synchronous replication only {_COMMIT}"),
    *(
        Requirement(("service", key), _has_port_of_nodes, "only with service.type NodePort or LoadBalancer; set that first")
        for key in ("nodePort", "externalTrafficPolicy")
    ),
    *(
        Requirement(("service", key), _has_balancer, "only with service.type LoadBalancer; set that first")
        for key in ("loadBalancerIP", "loadBalancerClass", "loadBalancerSourceRanges")
    ),
    Requirement(("walVolume",), _has_storage, "a WAL volume needs `storage`"),
    Requirement(("app",), lambda values: bool(get(values, "app", "database")), "the application's owner needs app.database"),
)
