"""Crunchy's operator: a PostgresCluster of postgres-operator.crunchydata.com/v1beta1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hapg.migrate import placement, walk
from hapg.migrate.conversions import declared_name, endpoint, host_line, implied, major, metadata, parameter, synchronous_mode
from hapg.migrate.rules import Convert, NoCounterpart, Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec import restrictions
from hapg.spec.foreign import CRUNCHY

_ATTRIBUTES = ("SUPERUSER", "CREATEDB", "CREATEROLE", "INHERIT", "LOGIN", "REPLICATION", "BYPASSRLS")
_BUCKETS = ("s3", "gcs", "azure")
_OTHER_SET = "all servers of a release are alike, as the first set; its number of servers is `replicas`"
_CREATION = "it says how the cluster was created; the data moves by an import or a clone, see below"
_BACKREST = "the container `backup` beside each server runs pgBackRest; set backup.resources and backup.processMax"


def _of_first_set(convert: Convert) -> Convert:
    """Return a conversion that holds for the first set of instances alone."""

    def checked(value: Any, place: Place) -> Any:
        if place.path[2] != 0:
            raise NoCounterpart(_OTHER_SET)
        return convert(value, place)

    return checked


def _first(to: str) -> Convert:
    """Return a conversion for a field of the first set of instances. `*` in `to` is the field's last key."""
    return _of_first_set(lambda value, _place: Said({to: value}, ""))


def _replicas(_value: Any, place: Place) -> Said:
    """Return the number of servers of all sets, which are alike in a release."""
    return Said({"replicas": _servers(place.document)}, "the servers of all sets" if len(place.document["spec"]["instances"]) > 1 else "")


def _servers(document: Document) -> int:
    sets = walk.get(document, "spec", "instances")
    counts = [walk.get(each, "replicas") for each in (sets if isinstance(sets, list) else [])]
    return sum(count if isinstance(count, int) else 1 for count in counts) or 1


def _name(document: Document) -> str:
    return str(walk.get(document, "metadata", "name"))


def _own_user(name: str) -> dict[str, Any]:
    return {"name": name, "login": True, "passwordSecret": {"name": f"{name}-pguser-{name}"}}


def _has_no_users(document: Document) -> bool:
    """True if the operator makes a user of its own accord, and its database. An empty list of users keeps it from that."""
    name = walk.get(document, "metadata", "name")
    return walk.get(document, "spec", "users") is None and bool(name) and name not in restrictions.RESERVED_NAMES


def _wal_size(value: Any, place: Place) -> Said:
    if place.path[2] != 0:
        raise NoCounterpart(_OTHER_SET)
    return Said({"walVolume.enabled": True, "walVolume.size": value}, "")


def _user(value: Any, place: Place) -> Said:
    """Return the role of a user, and its databases, which the first user that names one owns."""
    name = declared_name(value["name"], place)
    role: dict[str, Any] = {"name": name, "login": True}
    left = [key for key in value if key not in ("name", "databases", "options", "password")]
    for option in str(value.get("options") or "").upper().split():
        attribute = option.removeprefix("NO") if option not in _ATTRIBUTES else option
        if attribute not in _ATTRIBUTES:
            left.append("options")
            continue
        role[attribute.lower()] = not option.startswith("NO")
    cluster = walk.get(place.document, "metadata", "name")
    role["passwordSecret"] = {"name": f"{cluster}-pguser-{name}"}
    values: list[tuple[Any, Any]] = [("roles[]", role)]
    users = place.document["spec"]["users"]
    mine = [each for each in value.get("databases") or () if next(user for user in users if each in (user.get("databases") or ())) is value]
    values += [("databases[]", {"name": database, "owner": name}) for database in mine]
    text = f"with the password in the operator's Secret {cluster}-pguser-{name}; copy it before the operator deletes it"
    return Said(values, text, left=sorted({*left}))


def _repository(document: Document) -> int:
    """Return the index of the repository that the release keeps: the first in a bucket, or the first."""
    repositories = walk.get(document, "spec", "backups", "pgbackrest", "repos")
    found = repositories if isinstance(repositories, list) else []
    return next((index for index, each in enumerate(found) if any(walk.get(each, kind) for kind in _BUCKETS)), 0)


def _pgbackrest(value: Any, place: Place) -> Said:
    """Return a value for an option of pgBackRest, if it is one of the repository that the release keeps."""
    repositories = walk.get(place.document, "spec", "backups", "pgbackrest", "repos")
    prefix = f"{repositories[_repository(place.document)]['name'] if repositories else 'repo1'}-"
    key = place.key.replace(prefix, "repo-", 1)
    if key == "repo-retention-full":
        days = place.above().get(f"{prefix}retention-full-type") == "time"
        return Said({"backup.retention.days" if days else "backup.retention.full": int(value)}, "in days" if days else "")
    if key == "repo-retention-full-type":
        return Said({}, f"with {prefix}retention-full")
    if key == "repo-path":
        return Said({"archiver.path": str(value).rstrip("/")}, "each release has a folder of its own below it")
    if key in _OPTIONS:
        to, read = _OPTIONS[key]
        return Said({to: read(value)}, "")
    raise NoCounterpart("not an option that the chart sets; look at archiver.* and backup.*")


_OPTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "repo-retention-diff": ("backup.retention.differential", int),
    "process-max": ("backup.processMax", int),
    "repo-s3-uri-style": ("archiver.uriStyle", str),
    "compress-type": ("archiver.compression", str),
}


def _of_the_repository(convert: Any) -> Any:
    """Return a conversion that holds for the repository that the release keeps."""

    def checked(value: Any, place: Place) -> Said:
        if place.path[4] != _repository(place.document):
            raise NoCounterpart("there is one repository, the first in a bucket if there is one; copy others elsewhere")
        found: Said = convert(value, place)
        return found

    return checked


def _set(*pairs: tuple[str, Any]) -> Any:
    """Return a conversion that sets values; `...` stands for the field's own."""
    return lambda value, _place: Said({to: value if fixed is ... else fixed for to, fixed in pairs}, "")


def _credentials(value: Any, _place: Place) -> None:
    raise NoCounterpart(
        f"credentials come from archiver.secretName, under keys such as AWS_ACCESS_KEY_ID; {value} has pgBackRest's own file"
    )


_SET = "spec.instances[]"
_REPO = "spec.backups.pgbackrest.repos[]"
_DYNAMIC = "spec.patroni.dynamicConfiguration"
_TABLE: tuple[Rule, ...] = (
    *metadata("crunchydata.com"),
    same("spec.metadata.labels.*", "podLabels.*"),
    same("spec.metadata.annotations.*", "podAnnotations.*"),
    # Image and size
    change("spec.postgresVersion", "", major, ""),
    none("spec.image", "the chart uses the stock image; set image.* for another one"),
    none("spec.postGISVersion", "the stock image has no PostGIS; set image.* to one that has it"),
    same("spec.imagePullPolicy", "image.pullPolicy"),
    same("spec.imagePullSecrets[]", "imagePullSecrets[]"),
    change(f"{_SET}.replicas", "", _replicas, ""),
    change(f"{_SET}.name", "", lambda *_: None, "a release has one set, with its own name"),
    change(f"{_SET}.resources", "", _first("resources"), ""),
    change(f"{_SET}.dataVolumeClaimSpec.resources.requests.storage", "", _first("storage.resources.requests.storage"), ""),
    change(f"{_SET}.dataVolumeClaimSpec.storageClassName", "", _first("storage.storageClassName"), "", means_empty=True),
    change(f"{_SET}.dataVolumeClaimSpec.accessModes", "", _first("storage.accessModes"), ""),
    none(f"{_SET}.dataVolumeClaimSpec", "a limit has no effect on a claim, and its other settings are fixed"),
    change(f"{_SET}.walVolumeClaimSpec.resources.requests.storage", "", _wal_size, ""),
    change(f"{_SET}.walVolumeClaimSpec.storageClassName", "", _first("walVolume.storageClassName"), ""),
    change(f"{_SET}.walVolumeClaimSpec.accessModes", "", _first("walVolume.accessModes"), ""),
    none(f"{_SET}.walVolumeClaimSpec", "a limit has no effect on a claim, and its other settings are fixed"),
    none(f"{_SET}.tablespaceVolumes", "a release has no tablespaces; an import puts everything into pg_default"),
    # Where the pods run
    change(f"{_SET}.affinity", "", _of_first_set(placement.affinity), ""),
    change(f"{_SET}.tolerations", "", _first("tolerations"), ""),
    *placement.spread(f"{_SET}.", _of_first_set(placement.constraint)),
    change(f"{_SET}.priorityClassName", "", _first("priorityClassName"), ""),
    change(f"{_SET}.metadata.labels.*", "", _first("podLabels.*"), ""),
    change(f"{_SET}.metadata.annotations.*", "", _first("podAnnotations.*"), ""),
    change(f"{_SET}.containers[]", "", _first("extraContainers[]"), ""),
    none(f"{_SET}.minAvailable", "a drain may evict one pod at a time; set podDisruptionBudget.maxUnavailable"),
    none(f"{_SET}.sidecars", "the chart has its own containers beside the server; set failoverResources and backup.resources"),
    none(f"{_SET}.volumes", "set extraVolumes and extraVolumeMounts"),
    none("spec.disableDefaultPodScheduling", "without an affinity the pods prefer different nodes; set affinity"),
    none("spec.supplementalGroups", "user and groups are one number; set securityContext.uid"),
    none("spec.openshift", "set securityContext.uid to `platform`"),
    # PostgreSQL
    change("spec.config.parameters.*", "postgresql.parameters.*", parameter, ""),
    change(f"{_DYNAMIC}.postgresql.parameters.*", "postgresql.parameters.*", parameter, ""),
    change(f"{_DYNAMIC}.postgresql.pg_hba[]", "postgresql.pgHba[]", host_line, ""),
    *synchronous_mode(_DYNAMIC),
    same(f"{_DYNAMIC}.maximum_lag_on_failover", "failover.maxLagBytes"),
    none("spec.patroni", "there is no Patroni; the Lease has times of its own, failover.*, and `hapg switchover` moves the primary"),
    none("spec.authentication", "add lines to postgresql.pgHba"),
    none("spec.config", "set postgresql.parameters and postgresql.pgHba; files of your own come by extraVolumes"),
    change("spec.port", "", implied(5432, "the servers listen on 5432; set service.port for the Services"), "as always"),
    # Roles, databases and scripts
    none("spec.users[].password", "the password stays the one in the Secret"),
    change("spec.users[]", "", _user, ""),
    same("spec.databaseInitSQL.name", "initdb.scriptsConfigMap"),
    none("spec.databaseInitSQL", "all keys of the ConfigMap are run, and have to be called NAME.sql"),
    # TLS
    change("spec.customTLSSecret.name", "", _set(("tls.secretName", ...), ("tls.mode", "allow")), ""),
    none("spec.customTLSSecret", "the Secret has to have tls.crt, tls.key and ca.crt"),
    none("spec.customReplicationTLSSecret", "the pods log in to each other with a password, over TLS if tls.mode says so"),
    # Services
    same("spec.service.type", "service.type"),
    same("spec.service.nodePort", "service.nodePort"),
    same("spec.service.externalTrafficPolicy", "service.externalTrafficPolicy"),
    same("spec.service.metadata.annotations.*", "service.annotations.*"),
    none("spec.service", "set service.*; labels of all objects are commonLabels"),
    same("spec.replicaService.metadata.annotations.*", "service.replicas.annotations.*"),
    none("spec.replicaService", "the Service of all pods is a ClusterIP; add one with extraObjects"),
    # Archive and backups
    change(f"{_REPO}.s3.bucket", "", _of_the_repository(_set(("archiver.type", "s3"), ("archiver.bucket", ...))), ""),
    change(f"{_REPO}.s3.endpoint", "", _of_the_repository(endpoint), ""),
    change(f"{_REPO}.s3.region", "", _of_the_repository(_set(("archiver.region", ...))), ""),
    change(f"{_REPO}.gcs.bucket", "", _of_the_repository(_set(("archiver.type", "gcs"), ("archiver.bucket", ...))), ""),
    change(f"{_REPO}.azure.container", "", _of_the_repository(_set(("archiver.type", "azure"), ("archiver.bucket", ...))), ""),
    none(f"{_REPO}.volume", "a repository on a claim has to be shared by all pods (ReadWriteMany); set archiver.type: posix and claimName"),
    *(
        change(f"{_REPO}.schedules.{kind}", "", _of_the_repository(_set((f"backup.schedules.{kind}", ...))), "")
        for kind in ("full", "differential", "incremental")
    ),
    change(f"{_REPO}.name", "", lambda *_: None, "there is one repository, without a name"),
    change("spec.backups.pgbackrest.global.*", "", _pgbackrest, ""),
    change("spec.backups.pgbackrest.configuration[].secret.name", "", _credentials, ""),
    none("spec.backups.pgbackrest.configuration", "credentials come from archiver.secretName"),
    none("spec.backups.pgbackrest.image", "pgBackRest is in backupImage"),
    same("spec.backups.pgbackrest.jobs.resources", "clientResources"),
    none("spec.backups.pgbackrest", _BACKREST),
    none("spec.backups.snapshots", "backups go to an archive; set archiver.*"),
    # The rest
    same("spec.shutdown", "pause"),
    none("spec.paused", "nothing reconciles a release; helm upgrade changes it"),
    none("spec.proxy", "the chart has no pooler; run PgBouncer beside the release"),
    none("spec.userInterface", "the chart has no user interface; run pgAdmin beside the release"),
    none("spec.monitoring", "the failover containers serve metrics; set monitor.agent, and an exporter of your own in extraContainers"),
    none("spec.instrumentation", "logs go to the containers' logs, metrics to Prometheus: set monitor.agent"),
    none("spec.dataSource", _CREATION),
    none("spec.standby", "a release follows no other cluster; " + _CREATION),
)


def _data(_document: Document, name: str) -> Data:
    return Data(
        host=f"{name}-primary",
        login=f"The operator keeps one per user, in Secrets `{name}-pguser-USER`; `postgres` has one only if it is listed in spec.users",
        logical="The source has `wal_level = logical`; the role needs REPLICATION there.",
        clone="",
        volume="The operator's claims hold the data in folders by major, and without the marks by which a release knows its volumes.",
        collides=f"Services and Secrets of both begin with `{name}-`, and may have the same names.",
        ssl_mode="require",
    )


SOURCE = Source(
    CRUNCHY,
    _TABLE,
    lambda document: walk.get(document, "spec", "postgresVersion"),
    _data,
    (
        Assumed("replicas", _servers, "a set has one server"),
        Assumed("standbyMode", "hot", "Crunchy's replicas answer queries, so these do too"),
        Assumed(
            "roles",
            lambda document: [_own_user(_name(document))],
            "without spec.users the operator makes a user with the cluster's name; copy its Secret before the operator deletes it",
            _has_no_users,
        ),
        Assumed(
            "databases",
            lambda document: [{"name": _name(document), "owner": _name(document)}],
            "and a database with the same name",
            _has_no_users,
        ),
    ),
)
