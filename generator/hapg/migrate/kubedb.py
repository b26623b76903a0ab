"""KubeDB: a Postgres object of kubedb.com/v1alpha1, v1alpha2 or v1."""

from __future__ import annotations

from typing import Any

from hapg.migrate import checks, placement, walk
from hapg.migrate.conversions import choice, environment, implied, major, metadata, quantity_of_megabytes, reference
from hapg.migrate.rules import NoCounterpart, Place, Rule, Said, change, none, same
from hapg.migrate.source import Assumed, Data, Document, Source
from hapg.spec import storage
from hapg.spec.foreign import KUBEDB
from hapg.spec.version_profiles import PROFILES

_OPERATOR_OF_METRICS = "prometheus.io/coreos-operator"
_AGENTS = {
    "prometheus.io/builtin": "prometheus.io/builtin",
    "prometheus.io/operator": _OPERATOR_OF_METRICS,
    _OPERATOR_OF_METRICS: _OPERATOR_OF_METRICS,
}
_TLS = {"disable": "off", "allow": "allow", "prefer": "allow", "require": "require", "verify-ca": "require", "verify-full": "require"}
_DELETION = {
    "DoNotTerminate": Said({"doNotPause": True}, "`helm uninstall` is refused"),
    "WipeOut": Said({"wipeOut": True}, "`helm uninstall` deletes the data, its Secrets and its Lease"),
    "Delete": Said({"persistentVolumeClaimRetentionPolicy.whenDeleted": "Delete"}, "`helm uninstall` deletes the claims"),
    "Halt": Said({}, "as always: `helm uninstall` keeps the volumes"),
    "Pause": Said({}, "as always: `helm uninstall` keeps the volumes"),
}
_SQL = "only *.sql, in order of name; leave it out if the data is imported"
_SERVER_ARGUMENTS = "the supervisor starts the server; put its settings into postgresql.parameters"
_OTHER_CONTAINER = "the chart has its own containers beside the server; set failoverResources, extraContainers or initContainers"


def _storage_type(value: Any, _place: Place) -> Said:
    if value == "Ephemeral":
        return Said({"storage": None}, "an emptyDir, lost with its pod")
    return Said({}, "as always with a storage")


def _auth_secret(value: Any, _place: Place) -> None:
    """Refuse the Secret: KubeDB's have other keys since v1alpha2."""
    raise NoCounterpart(
        f"the chart needs the password under the key POSTGRES_PASSWORD, and {value} has it under `password`; create such a Secret and set "
        "databaseSecret.secretName, or let the pods create one"
    )


def _repository(value: Any, place: Place) -> Said:
    """Return the values of an archive for a storage; of a schedule's, only where the object names none for the archive."""
    if place.path[1] == "backupSchedule":
        if walk.get(place.document, "spec", "archiver", "storage"):
            raise NoCounterpart("backups go where WAL goes, to the archiver's storage")
        value = {key: each for key, each in place.above().items() if key in ("storageSecretName", *storage.BACKENDS)}
    refused = checks.of_major(place.major).problem(True, ("archiver", "storage"), value)
    problems = [refused] if refused else storage.problems({"archiver": {"storage": value}}, "spec.", PROFILES[place.major].no_archive)
    if problems:
        raise NoCounterpart("; ".join(problems))
    return Said({f"archiver.{key}": each for key, each in storage.repository(value).items()}, "WAL and backups go there, by pgBackRest")


def _resources(value: Any, place: Place) -> Said:
    if place.above().get("name") not in ("postgres", None):
        raise NoCounterpart(_OTHER_CONTAINER)
    return Said({"resources": value}, "")


def _environment(value: Any, place: Place) -> Said:
    if place.above(2).get("name") not in ("postgres", None):
        raise NoCounterpart(_OTHER_CONTAINER)
    return Said({"extraEnv[]": environment(value, place)}, "")


def _arguments(_value: Any, place: Place) -> None:
    raise NoCounterpart(_SERVER_ARGUMENTS if place.above().get("name") in ("postgres", None) else _OTHER_CONTAINER)


def _of_alias(primary: str, standby: str) -> Any:
    """Return a conversion for a field of a service template, by its alias. The keys of annotations are in the value."""

    def convert(value: Any, place: Place) -> Said:
        template = place.document["spec"]["serviceTemplates"][place.path[2]]
        to = {"primary": primary, "standby": standby}.get(template.get("alias"), "")
        if not to:
            raise NoCounterpart("this Service has no such setting in the chart; add one of your own with extraObjects")
        return Said({to: value}, f"of the Service `{'NAME' if to == primary else 'NAME-replicas'}`")

    return convert


def _account(value: Any, place: Place) -> Said:
    """Return an account of the user's; KubeDB makes the one of the object's name, and fills it in."""
    if value == walk.get(place.document, "metadata", "name"):
        return Said({}, "KubeDB's own account; the chart makes one for the release")
    return Said({"serviceAccount.name": value, "serviceAccount.create": False}, "the chart's Role is bound to it")


def _slots(value: Any, place: Place) -> str:
    if isinstance(value, int) and value < 0:
        raise NoCounterpart("a standby that is away for long must not fill the volume; set replication.maxSlotWalKeepSize for more WAL")
    return quantity_of_megabytes(value, place)


def _wal_kept(value: Any, place: Place) -> Said:
    if place.major in ("9.6", "12"):
        raise NoCounterpart("PostgreSQL up to 12 counts segments; set postgresql.parameters.wal_keep_segments")
    return Said({"postgresql.parameters.wal_keep_size": f"{value}MB"}, "in megabytes")


_POD = "podTemplate.spec"
_TABLE: tuple[Rule, ...] = (
    *metadata("kubedb.com"),
    change("spec.version", "", major, ""),
    same("spec.replicas", "replicas"),
    change("spec.standbyMode", "standbyMode", lambda value, _: str(value).lower(), "in lower case"),
    change("spec.streamingMode", "replication.mode", lambda value, _: str(value).lower(), "in lower case"),
    # Storage
    same("spec.storage.storageClassName", "storage.storageClassName", means_empty=True),
    same("spec.storage.accessModes", "storage.accessModes"),
    same("spec.storage.resources.requests.storage", "storage.resources.requests.storage"),
    none("spec.storage", "all claims are made from one template, and hold a file system of their own"),
    change("spec.storageType", "", _storage_type, ""),
    # Passwords and TLS
    same("spec.databaseSecret.secretName", "databaseSecret.secretName"),
    none("spec.databaseSecret", "the Secret's name is enough"),
    change("spec.authSecret.name", "", _auth_secret, ""),
    none("spec.authSecret", "the pods create the Secret NAME-auth, or use the one in databaseSecret.secretName; they never change it"),
    change("spec.sslMode", "tls.mode", choice(_TLS, "not a mode of KubeDB"), "`allow`: clients may use TLS, `require`: they have to"),
    same("spec.tls.issuerRef.name", "tls.certManager.issuerRef.name"),
    same("spec.tls.issuerRef.kind", "tls.certManager.issuerRef.kind"),
    same("spec.tls.issuerRef.apiGroup", "tls.certManager.issuerRef.group"),
    none("spec.tls.certificates", "one certificate serves servers and clients; set tls.certManager.duration, renewBefore or dnsNames"),
    change("spec.clientAuthMode", "", implied("scram", "passwords are SCRAM; for md5 or cert add a line to postgresql.pgHba"), "as always"),
    # Pods, as 0.8 has them and as later versions do
    *(
        rule
        for path in ("", "podTemplate.spec.")
        for rule in (
            same(f"spec.{path}nodeSelector", "nodeSelector"),
            same(f"spec.{path}resources", "resources"),
            change(f"spec.{path}affinity", "", placement.affinity, ""),
            same(f"spec.{path}tolerations", "tolerations"),
            same(f"spec.{path}schedulerName", "schedulerName"),
            change(f"spec.{path}imagePullSecrets[]", "imagePullSecrets[]", reference, "names and objects alike"),
        )
    ),
    change(f"spec.{_POD}.env[]", "extraEnv[]", environment, ""),
    same(f"spec.{_POD}.priorityClassName", "priorityClassName"),
    *placement.spread(f"spec.{_POD}."),
    same(f"spec.{_POD}.terminationGracePeriodSeconds", "terminationGracePeriodSeconds"),
    change(f"spec.{_POD}.containers[].resources", "", _resources, ""),
    change(f"spec.{_POD}.containers[].env[]", "", _environment, ""),
    change(f"spec.{_POD}.containers[].name", "", implied("postgres", _OTHER_CONTAINER), "the server's container"),
    change(f"spec.{_POD}.containers[].args", "", _arguments, ""),
    none(f"spec.{_POD}.args", _SERVER_ARGUMENTS),
    none(f"spec.{_POD}.containers", _OTHER_CONTAINER),
    none(f"spec.{_POD}.initContainers", _OTHER_CONTAINER),
    change(f"spec.{_POD}.serviceAccountName", "", _account, ""),
    same("spec.podTemplate.metadata.annotations.*", "podAnnotations.*"),
    same("spec.podTemplate.metadata.labels.*", "podLabels.*"),
    same("spec.podTemplate.annotations.*", "podAnnotations.*"),
    same("spec.podTemplate.labels.*", "podLabels.*"),
    none("spec.podTemplate.controller", "labels and annotations of all objects: set commonLabels and commonAnnotations"),
    none("spec.podTemplate", "the chart makes its own pods, with a restricted security context and its own probes"),
    # Services
    same("spec.serviceTemplate.metadata.annotations", "service.annotations"),
    same("spec.serviceTemplate.annotations", "service.annotations"),
    same("spec.serviceTemplate.spec.type", "service.type"),
    same("spec.serviceTemplate.spec.loadBalancerIP", "service.loadBalancerIP"),
    same("spec.serviceTemplate.spec.loadBalancerSourceRanges", "service.loadBalancerSourceRanges"),
    same("spec.serviceTemplate.spec.externalTrafficPolicy", "service.externalTrafficPolicy"),
    none("spec.serviceTemplate", "set service.port, service.nodePort or service.loadBalancerClass; other ports need a Service of your own"),
    change(
        "spec.serviceTemplates[].alias", "", choice({"primary": None, "standby": None}, "the chart has no such Service"), "which Service"
    ),
    change("spec.serviceTemplates[].metadata.annotations", "", _of_alias("service.annotations", "service.replicas.annotations"), ""),
    change("spec.serviceTemplates[].spec.type", "", _of_alias("service.type", ""), ""),
    none("spec.serviceTemplates", "set service.port, service.nodePort or service.loadBalancer*; other ports need a Service of your own"),
    # Archive, backup and initialization
    change("spec.archiver.storage", "", _repository, ""),
    none("spec.archiver", "an archiver of KubeDB's later versions is an object of its own; set the values archiver.* and backup.*"),
    same("spec.backupSchedule.cronExpression", "backup.schedules.full"),
    same("spec.backupSchedule.resources", "backup.resources"),
    *(change(f"spec.backupSchedule.{key}", "", _repository, "") for key in ("storageSecretName", *storage.BACKENDS)),
    none("spec.backupSchedule.podTemplate", "the container `backup` beside the server takes the backups; set backup.resources"),
    none("spec.backupSchedule", "set the values archiver.* and backup.schedules"),
    *(
        rule
        for path in ("spec.init.scriptSource", "spec.init.script")
        for rule in (
            change(
                f"{path}.configMap.name", "initdb.scriptsConfigMap", lambda value, _: Said({"initdb.scriptsConfigMap": value}, _SQL), ""
            ),
            change(f"{path}.secret.secretName", "initdb.scriptsSecret", lambda value, _: Said({"initdb.scriptsSecret": value}, _SQL), ""),
            none(path, "scripts come from a ConfigMap or a Secret; put them into one and set initdb.scriptsConfigMap"),
        )
    ),
    none("spec.init", "data comes by an import, see below; a backup of KubeDB's can't be read"),
    # Metrics
    change("spec.monitor.agent", "monitor.agent", choice(_AGENTS, "only Prometheus and its operator"), "by the name that 0.8 has"),
    same("spec.monitor.prometheus.namespace", "monitor.prometheus.namespace"),
    same("spec.monitor.prometheus.labels.*", "monitor.prometheus.labels.*"),
    same("spec.monitor.prometheus.interval", "monitor.prometheus.interval"),
    same("spec.monitor.prometheus.port", "monitor.prometheus.port"),
    same("spec.monitor.prometheus.serviceMonitor.labels.*", "monitor.prometheus.labels.*"),
    same("spec.monitor.prometheus.serviceMonitor.interval", "monitor.prometheus.interval"),
    none("spec.monitor", "the failover containers serve the metrics, without an exporter of their own"),
    # Behaviour
    same("spec.doNotPause", "doNotPause"),
    same("spec.halted", "pause"),
    *(
        change(f"spec.{key}", "", choice(_DELETION, "`helm uninstall` keeps the volumes; set wipeOut or doNotPause"), "")
        for key in ("terminationPolicy", "deletionPolicy")
    ),
    same("spec.leaderElection.maximumLagBeforeFailover", "failover.maxLagBytes"),
    none("spec.leaderElection", "the Kubernetes API elects; set failover.* for the times of a failover"),
    change("spec.replication.maxSlotWALKeepSize", "replication.maxSlotWalKeepSize", _slots, "with its unit"),
    change("spec.replication.walKeepSize", "", _wal_kept, ""),
    same("spec.replication.walKeepSegment", "postgresql.parameters.wal_keep_segments"),
    change("spec.replication.walLimitPolicy", "", lambda *_: None, "slots and kept WAL are always both used"),
    none("spec.replication.forceFailoverAcceptingDataLossAfter", "only a person loses data: `hapg failover --force`"),
    *(
        none(f"spec.{key}", "put its settings into postgresql.parameters and postgresql.pgHba, where they are checked")
        for key in ("configSource", "configSecret", "configuration")
    ),
    change(
        "spec.mode", "", choice({"Standalone": None, "Cluster": None}, "replicas of another cluster: use clone or import"), "by replicas"
    ),
    none("spec.remoteReplica", "a release follows no other cluster; use clone or import"),
    none("spec.readReaplicas", "all servers of a release are alike; raise replicas, with standbyMode hot"),
    none("spec.arbiter", "not needed: the Lease of the Kubernetes API decides, also with two servers"),
    none("spec.updateStrategy", "pods are replaced one by one, the primary last and by a switchover"),
    none("spec.coordinator", "the failover container has its own settings: failoverResources and failover.*"),
    none("spec.healthChecker", "the agents probe their servers each second"),
    none("spec.enforceFsGroup", "set securityContext.uid, or use a storage class whose driver supports fsGroup"),
    none("spec.allowedSchemas", "set roles and databases"),
    none("spec.autoOps", "upgrades and resizes are done by helm and hapg"),
    none("spec.distributed", "one release runs in one cluster"),
)


def _data(document: Document, name: str) -> Data:
    old = document.get("apiVersion") == "kubedb.com/v1alpha1"
    keys = "`POSTGRES_USER` and `POSTGRES_PASSWORD`" if old else "`username` and `password`"
    given = walk.get(document, "spec", *(("databaseSecret", "secretName") if old else ("authSecret", "name")))
    secret = str(given or f"{name}-auth")
    return Data(
        host=name,
        secret="" if old else secret,
        login=f"KubeDB keeps them in the Secret `{secret}`, under {keys}",
        logical="The source needs `wal_level = logical` in its configuration file, and a restart.",
        clone="KubeDB's images are of Alpine and the chart's of Debian: indexes on text would have to be built again.",
        volume="KubeDB's claims hold the data in another folder, and without the marks by which a release knows its volumes.",
        collides=f"both have StatefulSet, Service and claims of the same names, and the release would mount KubeDB's `data-{name}-0`.",
    )


SOURCE = Source(
    KUBEDB,
    _TABLE,
    lambda document: walk.get(document, "spec", "version"),
    _data,
    (Assumed("replicas", 1, "KubeDB runs one server"),),
)
