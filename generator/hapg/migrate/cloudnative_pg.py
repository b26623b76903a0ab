"""CloudNativePG: a Cluster of postgresql.cnpg.io/v1."""

from __future__ import annotations

import re
from typing import Any

from hapg.migrate import placement, walk
from hapg.migrate.conversions import (
    bucket,
    checksums,
    choice,
    endpoint,
    environment,
    foreign_key,
    host_line,
    implied,
    initdb_option,
    libraries,
    major,
    metadata,
    parameter,
    record,
)
from hapg.migrate.rules import NoCounterpart, Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec.foreign import CLOUDNATIVE_PG

_ROLE = {
    "name": "name",
    "ensure": "ensure",
    "login": "login",
    "superuser": "superuser",
    "createdb": "createdb",
    "createrole": "createrole",
    "inherit": "inherit",
    "replication": "replication",
    "bypassrls": "bypassrls",
    "connectionLimit": "connectionLimit",
    "validUntil": "validUntil",
    "inRoles": "memberOf",
    "passwordSecret": "passwordSecret",
}
_METHODS = ("initdb", "recovery", "pg_basebackup")
_COMPRESSION = {"gzip": "gz", "bzip2": "bz2", "lz4": "lz4", "zstd": "zst", "snappy": "lz4"}
_CREATION = "it says how the cluster was created; the data moves by an import or a clone, see below"
_TIMES = "the Lease and the agents have times of their own; set failover.*"


def _bootstrap(document: Document) -> Any:
    """Return the part of bootstrap that says how the cluster was created, None if there is none."""
    return next((found for key in _METHODS if (found := walk.get(document, "spec", "bootstrap", key)) is not None), None)


def _database(document: Document) -> str:
    """Return the name of the application's database, which initdb always makes; "" if it is not known."""
    said = walk.get(_bootstrap(document), "database")
    return str(said or ("app" if _is_by_initdb(document) else ""))


def _is_by_initdb(document: Document) -> bool:
    bootstrap = walk.get(document, "spec", "bootstrap")
    return not bootstrap or walk.get(bootstrap, "initdb") is not None


def _synchronous(value: Any, _place: Place) -> Said:
    return Said({"replication.mode": "synchronous", "replication.minSyncReplicas": value}, "a commit waits for so many standbys")


def _least(value: Any, _place: Place) -> Said:
    if value == 0:
        return Said({}, "asynchronous, unless maxSyncReplicas says otherwise")
    values = {"replication.mode": "synchronous", "replication.minSyncReplicas": value, "replication.synchronousPolicy": "strict"}
    return Said(values, "writes wait while fewer standbys are there")


def _most(value: Any, place: Place) -> Said:
    """Return the values for a number of standbys that may be decreased down to minSyncReplicas."""
    if value == 0 or place.above().get("minSyncReplicas"):
        return Said({}, "there is one number, that of minSyncReplicas")
    values = {"replication.mode": "synchronous", "replication.minSyncReplicas": value, "replication.synchronousPolicy": "preferred"}
    return Said(values, "writes go on while fewer standbys are there")


def _role(value: Any, place: Place) -> Said:
    if value["name"] == (walk.get(_bootstrap(place.document), "owner") or _database(place.document)):
        raise NoCounterpart("the owner of app.database is made with it, with the password in app.secretName")
    roles = place.document["spec"]["managed"]["roles"]
    absent = {each["name"] for each in roles if each.get("ensure") == "absent"} & set(value.get("inRoles") or ())
    if absent:
        value = {**value, "inRoles": [name for name in value["inRoles"] if name not in absent]}
    text = "with the chart's names of its attributes" + "".join(f"; {name} is absent, so nobody is in it" for name in sorted(absent))
    found: Said = record("roles[]", _ROLE, text)(value, place)
    return found


def _script(name: str, connect: bool) -> Any:
    """Return a conversion of a list of statements to a script of initdb. connect: it runs in the application's database."""

    def convert(value: Any, place: Place) -> Said:
        database = place.above().get("database", "app")
        lines = [f'\\connect "{database}"'] if connect else []
        text = "\n".join([*lines, *(f"{str(each).rstrip().rstrip(';')};" for each in value), ""])
        return Said({("initdb", "scripts", name): text}, f"the script {name}; leave it out if the data is imported")

    return convert


def _spread(value: Any, place: Place) -> Said:
    affinity = place.above()
    key = affinity.get("topologyKey", "kubernetes.io/hostname")
    if affinity.get("enablePodAntiAffinity") is False:
        raise NoCounterpart("without an affinity the release's pods prefer different nodes; set affinity to change that")
    if value == "preferred" and key == "kubernetes.io/hostname":
        return Said({}, "as always: the pods prefer different nodes")
    when = "DoNotSchedule" if value == "required" else "ScheduleAnyway"
    constraint = {"maxSkew": 1, "topologyKey": key, "whenUnsatisfiable": when}
    return Said({"topologySpreadConstraints[]": constraint}, "by a spread of the release's pods")


def _topology_key(_value: Any, place: Place) -> Said:
    """Return the spread of a type that is left out, which is `preferred`."""
    return Said({}, "with podAntiAffinityType") if "podAntiAffinityType" in place.above() else _spread("preferred", place)


def _secret_of(*wanted: str) -> Any:
    """Return a conversion of a reference to a Secret's entry, which has to have one of these keys."""

    def convert(value: Any, _place: Place) -> Said:
        if value["key"] not in wanted:
            raise NoCounterpart(f"the Secret in archiver.secretName needs the key {wanted[0]}; create one, and set it")
        left = [key for key in value if key not in ("name", "key")]
        return Said({"archiver.secretName": value["name"]}, f"with the key {value['key']}", left=left)

    return convert


def _azure(value: Any, _place: Place) -> Said:
    match = re.fullmatch(r"https://([^.]+)\.blob\.core\.windows\.net/([^/]+)(/.+)?", str(value).rstrip("/"))
    if match is None:
        return Said(bucket(value, _place), "WAL and backups go there, by pgBackRest, which doesn't read those of Barman")
    path: dict[Any, Any] = {"archiver.path": match[3]} if match[3] else {}
    return Said({"archiver.type": "azure", "archiver.bucket": match[2]} | path, "WAL and backups go there, by pgBackRest")


def _days(value: Any, _place: Place) -> int:
    match = re.fullmatch("([1-9][0-9]*)([dwm])", str(value))
    if match is None:
        raise NoCounterpart("not a number of days, weeks or months; set backup.retention.days")
    return int(match[1]) * {"d": 1, "w": 7, "m": 30}[match[2]]


def _both(labels: str) -> Any:
    """Return a conversion of a label or annotation that all objects and the pods get."""

    def convert(value: Any, place: Place) -> Any:
        found = foreign_key("cnpg.io")(value, place)
        if isinstance(found, Said):
            return found
        kind = labels.capitalize()
        return Said({f"common{kind}.*": value, f"pod{kind}.*": value}, "on all objects of the release but claims")

    return convert


_STORE = "spec.backup.barmanObjectStore"
_TABLE: tuple[Rule, ...] = (
    *metadata("cnpg.io"),
    none("spec.description", "a chart has its own description"),
    change("spec.inheritedMetadata.labels.*", "", _both("labels"), ""),
    change("spec.inheritedMetadata.annotations.*", "", _both("annotations"), ""),
    # Image and size
    change("spec.imageName", "", major, ""),
    change("spec.imageCatalogRef.major", "", major, ""),
    none("spec.imageCatalogRef", "the chart uses the stock image; set image.* for another one"),
    same("spec.imagePullPolicy", "image.pullPolicy"),
    same("spec.imagePullSecrets[]", "imagePullSecrets[]"),
    same("spec.instances", "replicas"),
    same("spec.resources", "resources"),
    same("spec.schedulerName", "schedulerName"),
    same("spec.priorityClassName", "priorityClassName"),
    none("spec.postgresUID", "the stock image's user is 999; set securityContext.uid for another image"),
    none("spec.postgresGID", "user and group have the same number; set securityContext.uid for another image"),
    same("spec.ephemeralVolumesSizeLimit.shm", "shmSize"),
    none("spec.ephemeralVolumesSizeLimit", "the pods' other scratch volumes have no limit"),
    none("spec.ephemeralVolumeSource", "scratch volumes are emptyDirs; temporary files of queries are on the data volume"),
    # Storage
    same("spec.storage.size", "storage.resources.requests.storage"),
    same("spec.storage.storageClass", "storage.storageClassName"),
    same("spec.storage.pvcTemplate.resources.requests.storage", "storage.resources.requests.storage"),
    same("spec.storage.pvcTemplate.storageClassName", "storage.storageClassName"),
    same("spec.storage.pvcTemplate.accessModes", "storage.accessModes"),
    none("spec.storage", "`hapg resize` grows volumes; other settings of a claim are fixed"),
    *(
        rule
        for size, storage_class in (("size", "storageClass"), ("pvcTemplate.resources.requests.storage", "pvcTemplate.storageClassName"))
        for rule in (
            change(f"spec.walStorage.{size}", "", lambda value, _: Said({"walVolume.enabled": True, "walVolume.size": value}, ""), ""),
            same(f"spec.walStorage.{storage_class}", "walVolume.storageClassName"),
        )
    ),
    same("spec.walStorage.pvcTemplate.accessModes", "walVolume.accessModes"),
    none("spec.walStorage", "set walVolume.*; other settings of a claim are fixed"),
    none("spec.tablespaces", "a release has no tablespaces; an import puts everything into pg_default"),
    # PostgreSQL
    change("spec.postgresql.parameters.*", "postgresql.parameters.*", parameter, ""),
    change("spec.postgresql.shared_preload_libraries", "", libraries, ""),
    change("spec.postgresql.pg_hba[]", "postgresql.pgHba[]", host_line, ""),
    none("spec.postgresql.pg_ident", "user name maps can't be set"),
    none("spec.postgresql.ldap", "add a line with ldap to postgresql.pgHba"),
    change("spec.postgresql.synchronous.number", "", _synchronous, ""),
    change("spec.postgresql.synchronous.method", "", implied("any", "any of the standbys counts, in no order"), "as always"),
    change(
        "spec.postgresql.synchronous.dataDurability",
        "replication.synchronousPolicy",
        choice({"required": "strict", "preferred": "preferred"}, "set replication.synchronousPolicy"),
        "by the chart's word",
    ),
    none("spec.postgresql.synchronous", "all standbys of the release are candidates, and no others"),
    none("spec.postgresql.syncReplicaElectionConstraint", "all standbys are candidates; spread the pods by topologySpreadConstraints"),
    none("spec.postgresql.promotionTimeout", "a promotion that makes progress is waited for; set failover.recoveryStallSeconds"),
    none("spec.postgresql.enableAlterSystem", "ALTER SYSTEM is neither needed nor prevented; set postgresql.parameters"),
    none("spec.postgresql.extensions", "extensions come with the image; set image.* to one that has them"),
    change("spec.minSyncReplicas", "", _least, ""),
    change("spec.maxSyncReplicas", "", _most, ""),
    none("spec.replicationSlots", "each replica always has a slot; slots for logical replication do not fail over"),
    # Roles and databases
    *(
        rule
        for method in _METHODS
        for rule in (
            same(f"spec.bootstrap.{method}.database", "app.database"),
            same(f"spec.bootstrap.{method}.owner", "app.owner"),
            same(f"spec.bootstrap.{method}.secret.name", "app.secretName"),
        )
    ),
    *(
        change(f"spec.bootstrap.initdb.{key}", "initdb.args[]", initdb_option(option), "an option of initdb")
        for key, option in (
            ("encoding", "encoding"),
            ("locale", "locale"),
            ("localeCollate", "lc-collate"),
            ("localeCType", "lc-ctype"),
            ("localeProvider", "locale-provider"),
            ("icuLocale", "icu-locale"),
            ("icuRules", "icu-rules"),
            ("builtinLocale", "builtin-locale"),
            ("walSegmentSize", "wal-segsize"),
        )
    ),
    change("spec.bootstrap.initdb.dataChecksums", "", checksums, "as always"),
    same("spec.bootstrap.initdb.options[]", "initdb.args[]"),
    change("spec.bootstrap.initdb.postInitSQL", "", _script("10-post-init.sql", False), ""),
    change("spec.bootstrap.initdb.postInitApplicationSQL", "", _script("20-post-init-application.sql", True), ""),
    none("spec.bootstrap.initdb.import", _CREATION),
    none("spec.bootstrap.initdb", "put statements into a ConfigMap with *.sql, and set initdb.scriptsConfigMap"),
    none("spec.bootstrap", _CREATION),
    none("spec.managed.roles[].comment", "a role has no comment here"),
    none("spec.managed.roles[].disablePassword", "a role without passwordSecret keeps the password that it has"),
    change("spec.managed.roles[]", "", _role, ""),
    none("spec.managed.services", "set service.*, or add Services with extraObjects"),
    none(
        "spec.superuserSecret",
        "the chart needs the password under the key POSTGRES_PASSWORD; set databaseSecret.secretName to such a Secret",
    ),
    change("spec.enableSuperuserAccess", "", lambda *_: None, "`postgres` always has a password, in the Secret NAME-auth"),
    # TLS
    change(
        "spec.certificates.serverTLSSecret",
        "",
        lambda value, _: Said({"tls.secretName": value, "tls.mode": "allow"}, "it has to hold ca.crt too, which serverCASecret has"),
        "",
    ),
    none("spec.certificates", "there is one certificate, with its CA; set tls.secretName or tls.certManager"),
    # Where the pods run
    same("spec.affinity.nodeSelector", "nodeSelector"),
    same("spec.affinity.tolerations", "tolerations"),
    same("spec.affinity.nodeAffinity", "affinity.nodeAffinity"),
    change("spec.affinity.additionalPodAffinity", "", placement.pod_affinity("affinity.podAffinity"), ""),
    change("spec.affinity.additionalPodAntiAffinity", "", placement.pod_affinity("affinity.podAntiAffinity"), ""),
    change("spec.affinity.podAntiAffinityType", "", _spread, ""),
    change("spec.affinity.topologyKey", "", _topology_key, ""),
    change(
        "spec.affinity.enablePodAntiAffinity", "", implied(True, "the pods prefer different nodes; set affinity to change it"), "as always"
    ),
    *placement.spread("spec."),
    same("spec.enablePDB", "podDisruptionBudget.enabled"),
    none("spec.nodeMaintenanceWindow", "a drain switches over and moves the pod; volumes are kept"),
    # Archive and backups
    change(f"{_STORE}.destinationPath", "", _azure, ""),
    change(f"{_STORE}.endpointURL", "", endpoint, ""),
    none(f"{_STORE}.endpointCA", "put the authority's certificate into the Secret of the archive, under CA_CERT_DATA"),
    change(f"{_STORE}.s3Credentials.accessKeyId", "", _secret_of("AWS_ACCESS_KEY_ID"), ""),
    change(f"{_STORE}.s3Credentials.secretAccessKey", "", _secret_of("AWS_SECRET_ACCESS_KEY"), ""),
    none(f"{_STORE}.s3Credentials", "credentials come from a Secret; set archiver.region for the region"),
    change(f"{_STORE}.azureCredentials.storageAccount", "", _secret_of("AZURE_ACCOUNT_NAME"), ""),
    change(f"{_STORE}.azureCredentials.storageKey", "", _secret_of("AZURE_ACCOUNT_KEY"), ""),
    none(f"{_STORE}.azureCredentials", "the Secret needs AZURE_ACCOUNT_NAME and AZURE_ACCOUNT_KEY"),
    change(f"{_STORE}.googleCredentials.applicationCredentials", "", _secret_of("GOOGLE_SERVICE_ACCOUNT_JSON_KEY"), ""),
    none(f"{_STORE}.googleCredentials", "the Secret needs GOOGLE_SERVICE_ACCOUNT_JSON_KEY"),
    change(
        f"{_STORE}.wal.compression", "archiver.compression", choice(_COMPRESSION, "pgBackRest has gz, bz2, lz4 and zst"), "for backups too"
    ),
    none(_STORE, "pgBackRest has its own settings; set backup.processMax, archiver.cipherSecretName"),
    change("spec.backup.retentionPolicy", "backup.retention.days", _days, "in days"),
    none("spec.backup.volumeSnapshot", "backups go to an archive; set archiver.*"),
    none("spec.backup.target", "the primary's container takes the backups, with backup.processMax and its resources as limits"),
    none("spec.plugins", "a plugin's archive can't be read; set archiver.* and backup.*"),
    # The rest
    change(
        "spec.monitoring.enablePodMonitor",
        "",
        lambda value, _: (
            Said({"monitor.agent": "prometheus.io/coreos-operator"}, "a ServiceMonitor") if value else Said({}, "no metrics, as without it")
        ),
        "",
    ),
    none("spec.monitoring", "the failover containers' metrics are fixed; run an exporter in extraContainers for queries of your own"),
    change("spec.env[]", "extraEnv[]", environment, ""),
    same("spec.envFrom[]", "extraEnvFrom[]"),
    none("spec.projectedVolumeTemplate", "set extraVolumes and extraVolumeMounts"),
    same("spec.serviceAccountTemplate.metadata.annotations", "serviceAccount.annotations"),
    none("spec.serviceAccountTemplate", "set commonLabels, or serviceAccount.name to an account of your own"),
    same("spec.stopDelay", "terminationGracePeriodSeconds"),
    *(
        none(f"spec.{key}", _TIMES)
        for key in ("startDelay", "smartShutdownTimeout", "switchoverDelay", "failoverDelay", "livenessProbeTimeout", "probes")
    ),
    change(
        "spec.primaryUpdateStrategy", "", implied("unsupervised", "helm upgrade replaces all pods; to wait, upgrade later"), "as always"
    ),
    change("spec.primaryUpdateMethod", "", implied("switchover", "the primary's pod is always replaced by a switchover"), "as always"),
    none("spec.seccompProfile", "the pods have the profile RuntimeDefault"),
    none("spec.podSecurityContext", "the pods have a restricted security context of their own; set securityContext.uid for another user"),
    none("spec.securityContext", "the containers have a restricted security context of their own"),
    none("spec.logLevel", "the logs have one level"),
    none("spec.replica", "a release follows no other cluster; " + _CREATION),
    none("spec.externalClusters", _CREATION),
)


def _version(document: Document) -> object:
    return walk.get(document, "spec", "imageName") or walk.get(document, "spec", "imageCatalogRef", "major")


def _data(document: Document, name: str) -> Data:
    superuser = walk.get(document, "spec", "enableSuperuserAccess") is True
    own = walk.get(document, "spec", "superuserSecret", "name") if superuser else walk.get(_bootstrap(document), "secret", "name")
    return Data(
        host=f"{name}-rw",
        secret=str(own or f"{name}-{'superuser' if superuser else 'app'}"),
        login="`postgres`, who can read everything" if superuser else "the owner of the database, who can read what is his own",
        logical="The source has `wal_level = logical`; the role needs REPLICATION there.",
        clone="The superuser needs `enableSuperuserAccess: true`.",
        volume="CloudNativePG's claims are those of single pods, without the marks by which a release knows its volumes.",
        collides=f"the Secret `{name}-app` would be that of both.",
        ssl_mode="require",
        databases=tuple(filter(None, (_database(document),))),
    )


SOURCE = Source(
    CLOUDNATIVE_PG,
    _TABLE,
    _version,
    _data,
    (
        Assumed("replicas", 1, "there is one instance"),
        Assumed("standbyMode", "hot", "CloudNativePG's standbys answer queries, so these do too"),
        Assumed(
            "app.database",
            "app",
            "initdb makes a database `app`, if it is told no other",
            _is_by_initdb,
        ),
    ),
)
