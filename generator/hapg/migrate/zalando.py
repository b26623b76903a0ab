"""Zalando's operator: a postgresql object of acid.zalan.do/v1."""

from __future__ import annotations

from typing import Any

from hapg.migrate import placement, walk
from hapg.migrate.conversions import (
    checksums,
    declared_name,
    environment,
    host_line,
    implied,
    initdb_option,
    major,
    metadata,
    parameter,
    synchronous_mode,
)
from hapg.migrate.rules import NoCounterpart, Outcome, Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec.foreign import ZALANDO

_FLAGS = ("superuser", "createdb", "createrole", "inherit", "login", "replication", "bypassrls")
_TIMES = "the Lease has times of its own; set failover.*"
_BALANCER = "the chart has no pooler; run PgBouncer beside the release"
_CREATION = "it says how the cluster was created; the data moves by an import or a clone, see below"
_CONTAINER = "its mounts and environment were made for the old pod; look at them"


def _user(value: Any, place: Place) -> Said:
    """Return a role for a user and its flags, with the password that the operator keeps in a Secret."""
    if "." in place.key:
        raise NoCounterpart("a user with a Secret in another namespace; set roles, and copy the Secret")
    role: dict[str, Any] = {"name": declared_name(place.key, place), "login": True}
    for flag in (str(each).lower() for each in value or ()):
        name = flag.removeprefix("no")
        if name not in _FLAGS:
            raise NoCounterpart(f"{flag} is not an attribute of a role; set roles")
        role[name] = not flag.startswith("no")
    secret = f"{place.key.replace('_', '-')}.{walk.get(place.document, 'metadata', 'name')}.credentials.postgresql.acid.zalan.do"
    role["passwordSecret"] = {"name": secret}
    return Said({"roles[]": role}, f"with the password in the operator's Secret {secret}; copy it before the operator deletes it")


def _database(value: Any, place: Place) -> Said:
    return Said({"databases[]": {"name": declared_name(place.key, place), "owner": declared_name(value, place)}}, "")


def _prepared(value: Any, place: Place) -> Said:
    """Return a database with the schemas and extensions of a prepared one."""
    found: dict[str, Any] = {"name": declared_name(place.key, place)}
    value = value or {}
    schemas, extensions = value.get("schemas"), value.get("extensions")
    found["schemas"] = [{"name": name} for name in (schemas if schemas is not None else {"data": {}})]
    if extensions:
        found["extensions"] = [{"name": name, "schema": schema} for name, schema in extensions.items()]
    left = [key for key in value if key not in ("schemas", "extensions", "defaultUsers", "secretNamespace")]
    return Said(
        {"databases[]": found},
        "without the operator's default roles; leave schemas and extensions out until the data is imported",
        left=left,
    )


def _instances(value: Any, _place: Place) -> Said:
    return Said({"pause": True}, "the release sleeps") if value == 0 else Said({"replicas": value}, "", Outcome.TAKEN)


def _balancer(value: Any, _place: Place) -> Said:
    return Said({"service.type": "LoadBalancer"} if value else {}, "the type of the primary's Service")


def _both_services(value: Any, _place: Place) -> Said:
    return Said({"service.annotations.*": value, "service.replicas.annotations.*": value}, "on both Services")


def _volume(value: Any, _place: Place) -> Said:
    """Return a volume and its mount in the server's container."""
    if not {"all", "postgres"} & set(value.get("targetContainers") or ["postgres"]):
        raise NoCounterpart("a volume of another container; set extraVolumes")
    below = {"subPathExpr" if value.get("isSubPathExpr") else "subPath": value["subPath"]} if value.get("subPath") else {}
    mount = {"name": value["name"], "mountPath": value["mountPath"], **below}
    left = [key for key in value if key not in ("name", "mountPath", "subPath", "isSubPathExpr", "volumeSource", "targetContainers")]
    values = {"extraVolumes[]": {"name": value["name"], **value["volumeSource"]}, "extraVolumeMounts[]": mount}
    return Said(values, "a volume and its mount", left=left)


_TABLE: tuple[Rule, ...] = (
    *metadata("zalan.do"),
    none("spec.teamId", "a release belongs to its namespace; set commonLabels if a team is to be seen"),
    # Image and size
    change("spec.postgresql.version", "", major, ""),
    none("spec.dockerImage", "the chart uses the stock image, not Spilo; set image.* for another one"),
    change("spec.numberOfInstances", "", _instances, ""),
    same("spec.resources", "resources"),
    same("spec.volume.size", "storage.resources.requests.storage"),
    same("spec.volume.storageClass", "storage.storageClassName"),
    none("spec.volume", "the storage class says what a volume is like; set storage.*"),
    change("spec.enableShmVolume", "", implied(True, "shared memory always has a volume; set shmSize"), "as always"),
    change("spec.additionalVolumes[]", "", _volume, ""),
    # PostgreSQL
    change("spec.postgresql.parameters.*", "postgresql.parameters.*", parameter, ""),
    change("spec.patroni.pg_hba[]", "postgresql.pgHba[]", host_line, ""),
    change("spec.patroni.initdb.data-checksums", "", checksums, "as always"),
    *(
        change(
            f"spec.patroni.initdb.{option}",
            "initdb.args[]",
            initdb_option(option),
            "an option of initdb; the locale has to be in the image",
        )
        for option in ("encoding", "locale", "lc-collate", "lc-ctype", "locale-provider", "icu-locale", "wal-segsize")
    ),
    none("spec.patroni.initdb", "set initdb.args, as far as initdb has such an option"),
    *synchronous_mode("spec.patroni"),
    same("spec.patroni.maximum_lag_on_failover", "failover.maxLagBytes"),
    change(
        "spec.patroni.failsafe_mode", "", lambda *_: None, "the primary's lease is always extended by its replicas while the API is away"
    ),
    *(none(f"spec.patroni.{key}", _TIMES) for key in ("ttl", "loop_wait", "retry_timeout")),
    none("spec.patroni", "there is no Patroni; a slot of a subscriber has to be made after each failover"),
    # Roles and databases
    change("spec.users.*", "", _user, "", means_empty=True),
    change("spec.databases.*", "", _database, ""),
    *(
        none(f"spec.preparedDatabases.*.{key}", "the operator's default roles and their Secrets; declare those that you use in roles")
        for key in ("defaultUsers", "secretNamespace", "schemas.*.*")
    ),
    change("spec.preparedDatabases.*", "", _prepared, "", means_empty=True),
    *(
        none(f"spec.{key}", "change the password in the role's Secret; the primary's agent applies it")
        for key in ("usersWithSecretRotation", "usersWithInPlaceSecretRotation", "usersIgnoringSecretRotation")
    ),
    # Services
    change("spec.enableMasterLoadBalancer", "", _balancer, ""),
    none("spec.enableReplicaLoadBalancer", "the Service of all pods is a ClusterIP; add one with extraObjects"),
    same("spec.allowedSourceRanges", "service.loadBalancerSourceRanges"),
    same("spec.masterServiceAnnotations.*", "service.annotations.*"),
    same("spec.replicaServiceAnnotations.*", "service.replicas.annotations.*"),
    change("spec.serviceAnnotations.*", "", _both_services, ""),
    *(
        none(f"spec.{key}", _BALANCER)
        for key in (
            "enableConnectionPooler",
            "enableReplicaConnectionPooler",
            "connectionPooler",
            "enableMasterPoolerLoadBalancer",
            "enableReplicaPoolerLoadBalancer",
        )
    ),
    # TLS
    change("spec.tls.secretName", "", lambda value, _: Said({"tls.secretName": value, "tls.mode": "allow"}, "clients may use TLS"), ""),
    change("spec.tls.certificateFile", "", implied("tls.crt", "the certificate has to be under tls.crt"), "as always"),
    change("spec.tls.privateKeyFile", "", implied("tls.key", "the key has to be under tls.key"), "as always"),
    change("spec.tls.caFile", "", implied("ca.crt", "the authority's certificate has to be under ca.crt"), "as always"),
    none("spec.tls", "one Secret has tls.crt, tls.key and ca.crt"),
    # Pods
    same("spec.schedulerName", "schedulerName"),
    same("spec.nodeAffinity", "affinity.nodeAffinity"),
    same("spec.tolerations", "tolerations"),
    *placement.spread("spec."),
    same("spec.podPriorityClassName", "priorityClassName"),
    same("spec.pod_priority_class_name", "priorityClassName"),
    same("spec.podAnnotations.*", "podAnnotations.*"),
    change("spec.env[]", "extraEnv[]", environment, ""),
    change("spec.sidecars[]", "extraContainers[]", lambda value, _: Said({"extraContainers[]": value}, _CONTAINER), ""),
    change("spec.initContainers[]", "initContainers[]", lambda value, _: Said({"initContainers[]": value}, _CONTAINER), ""),
    change("spec.init_containers[]", "initContainers[]", lambda value, _: Said({"initContainers[]": value}, _CONTAINER), ""),
    *(
        none(f"spec.{key}", "the stock image's user is 999; set securityContext.uid for another image")
        for key in ("spiloRunAsUser", "spiloRunAsGroup", "spiloFSGroup")
    ),
    # Backups and the rest
    *(
        none(
            f"spec.{key}",
            "backups are physical, to an archive: set archiver.* and backup.schedules; or run pg_dump in a CronJob of your own",
        )
        for key in ("enableLogicalBackup", "logicalBackupSchedule", "logicalBackupRetention")
    ),
    none("spec.clone", _CREATION),
    none("spec.standby", "a release follows no other cluster; " + _CREATION),
    none("spec.maintenanceWindows", "nothing is done by itself; pods are replaced by helm upgrade"),
    none("spec.streams", "event streams are an operator's; run a subscriber of your own"),
    none("spec.replicaLoadBalancer", "the Service of all pods is a ClusterIP; add one with extraObjects"),
    none("spec.useLoadBalancer", "it is deprecated; set service.type"),
)


def _data(_document: Document, name: str) -> Data:
    return Data(
        host=name,
        secret=f"postgres.{name}.credentials.postgresql.acid.zalan.do",
        login="the superuser `postgres`",
        logical="The source needs `wal_level: logical` in postgresql.parameters, and a restart.",
        clone="",
        volume="Spilo's claims hold the data in another folder, and without the marks by which a release knows its volumes.",
        collides=f"StatefulSet and Service `{name}` of both would have the same names.",
        ssl_mode="require",
    )


SOURCE = Source(
    ZALANDO,
    _TABLE,
    lambda document: walk.get(document, "spec", "postgresql", "version"),
    _data,
    (Assumed("standbyMode", "hot", "Spilo's standbys answer queries, so these do too"),),
)
