"""What Bitnami's charts postgresql and postgresql-ha have in common: the same values below different keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hapg.migrate import placement, walk
from hapg.migrate.conversions import ONLY_TLS, declared_name, environment, foreign_key, implied, major, parameter, reference
from hapg.migrate.rules import Convert, NoCounterpart, Place, Rule, Said, change, none, same

VOLUME = "Bitnami's claims hold the data in another folder and of another user, and without the marks of a release."
COLLIDES = "the release must not be called as the old one, for which RELEASE stands."
_PASSWORD = (
    "passwords come from Secrets, and are not copied: the pods create NAME-auth and NAME-app, or use databaseSecret and app.secretName"  # noqa: S105
)
_SECURITY = "the pods have a restricted security context of their own; set securityContext.uid for another user"
_PROBES = "the agents know when a server is alive and ready, and the pods' probes ask them"
_SETTING = re.compile(r"^\s*([a-z_][a-z0-9_.]*)\s*=?\s*('(?:[^']|'')*'|[^\s#]+)", re.IGNORECASE)


def configuration(text: Any, place: Place) -> Said:
    """Return the settings in the text of a postgresql.conf. Of several lines for one, the last counts."""
    pairs: dict[Any, Any] = {}
    left: list[str] = []
    for line in str(text).splitlines():
        match = _SETTING.match(line)
        if match is None:
            left += [f"not a setting: {line.strip()}"] if line.strip() and not line.strip().startswith("#") else []
            continue
        name, value = match[1].lower(), match[2].strip("'").replace("''", "'")
        try:
            found = parameter(value, Place(place.document, (*place.path, name), place.major, place.name))
        except NoCounterpart as error:
            left.append(f"{name}: {error}")
            continue
        if isinstance(found, Said):
            pairs |= dict(found.values)
            left += [f"{name}: {found.text}"] if found.text else []
        else:
            pairs["postgresql", "parameters", name] = found
    return Said(list(pairs.items()), "; ".join(left) or "one value for each setting")


def rules_of_hosts(text: Any, _place: Place) -> Said:
    """Return the lines for hosts in the text of a pg_hba.conf."""
    lines = [line.strip() for line in str(text).splitlines() if line.strip() and not line.strip().startswith("#")]
    kept = [line for line in lines if line.startswith("host")]
    left = [line for line in lines if not line.startswith("host")]
    remarks = [f"without the lines that are not for hosts: {'; '.join(left)}"] if left else []
    remarks += [ONLY_TLS] if any(line.split()[0] == "hostssl" for line in kept) else []
    return Said([("postgresql.pgHba[]", line) for line in kept], "; ".join(remarks))


def storage_class(to: str) -> Convert:
    """Return a conversion of a class's name; a hyphen is how Bitnami's charts write the claims that have none."""

    def convert(value: Any, _place: Place) -> Said:
        return Said({"storage.storageClassName": ""}, "claims without a class") if value == "-" else Said({to: value}, "")

    return convert


def _anti_affinity(value: Any, _place: Place) -> Said:
    if value == "soft":
        return Said({}, "as always: the pods prefer different nodes")
    if value != "hard":
        raise NoCounterpart("set affinity")
    constraint = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    return Said({"topologySpreadConstraints[]": constraint}, "by a spread of the release's pods")


def common() -> tuple[Rule, ...]:
    """Return the rules for the values of all of Bitnami's charts."""
    return (
        same("global.imageRegistry", "global.imageRegistry"),
        same("global.imagePullSecrets[]", "global.imagePullSecrets[]"),
        change("global.storageClass", "", storage_class("global.storageClass"), ""),
        change("global.defaultStorageClass", "", storage_class("global.storageClass"), ""),
        none("global.security", "it is about Bitnami's images"),
        none("global.compatibility", "set securityContext.uid to `platform` for OpenShift"),
        none("kubeVersion", "the chart asks Helm for it"),
        none("clusterDomain", "the Services are addressed without the domain"),
        change("fullnameOverride", "", lambda *_: None, "the name of chart and release, unless --name gives another"),
        change("nameOverride", "", lambda *_: None, "the name of chart and release, unless --name gives another"),
        change("commonLabels.*", "commonLabels.*", foreign_key("bitnami.com"), ""),
        change("commonAnnotations.*", "commonAnnotations.*", foreign_key("bitnami.com"), ""),
        same("extraDeploy[]", "extraObjects[]"),
        none("diagnosticMode", "a server is looked at with `kubectl exec` and `hapg status`"),
        none("volumePermissions", "fsGroup gives the pods their volumes; set securityContext.uid for another user"),
        none("serviceBindings", "the Secret NAME-app has host, port, user, password and uri, with app.database"),
        same("serviceAccount.create", "serviceAccount.create"),
        same("serviceAccount.name", "serviceAccount.name"),
        same("serviceAccount.annotations", "serviceAccount.annotations"),
        none("serviceAccount", "the pods mount a token of their own"),
        none("rbac", "the chart has the Role that its pods need"),
        none("psp", "PodSecurityPolicies are gone from Kubernetes; the pods are restricted"),
        none("ldap", "add a line with ldap to postgresql.pgHba"),
        none("backup", "a CronJob of pg_dumpall; set archiver.* and backup.schedules for physical backups"),
        none("passwordUpdateJob", "a changed Secret changes the password"),
    )


def image(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for an image."""
    return (
        change(f"{prefix}.tag", "", major, ""),
        same(f"{prefix}.pullPolicy", "image.pullPolicy"),
        change(f"{prefix}.pullSecrets[]", "imagePullSecrets[]", reference, "as an object with a name"),
        none(prefix, "the chart uses the stock image, not Bitnami's; set image.* for another one"),
    )


def audit(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for what is logged."""
    settings = {
        "logHostname": "log_hostname",
        "logConnections": "log_connections",
        "logDisconnections": "log_disconnections",
        "clientMinMessages": "client_min_messages",
        "logLinePrefix": "log_line_prefix",
        "logTimezone": "log_timezone",
    }
    return (
        *(same(f"{prefix}.{key}", f"postgresql.parameters.{name}") for key, name in settings.items()),
        none(prefix, "the stock image has no pgaudit; set image.* to one that has it, and its parameters"),
    )


def tls(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for certificates."""
    return (
        change(f"{prefix}.enabled", "", lambda value, _: Said({"tls.mode": "allow"} if value else {}, "clients may use TLS"), ""),
        same(f"{prefix}.certificatesSecret", "tls.secretName"),
        change(f"{prefix}.certFilename", "", implied("tls.crt", "the certificate has to be under tls.crt"), "as always"),
        change(f"{prefix}.certKeyFilename", "", implied("tls.key", "the key has to be under tls.key"), "as always"),
        change(f"{prefix}.certCAFilename", "", implied("ca.crt", "the authority's certificate has to be under ca.crt"), "as always"),
        none(f"{prefix}.autoGenerated", "set tls.certManager.issuerRef for certificates that are made for the release"),
        none(prefix, "set the parameters ssl_* in postgresql.parameters, as far as the chart does not set them"),
    )


def settings(prefix: str, extended: str) -> tuple[Rule, ...]:
    """Return the rules for configuration files. extended: the key of the appended one, whose settings win."""
    return (
        change(f"{prefix}.{extended}", "", configuration, ""),
        change(f"{prefix}.configuration", "", configuration, ""),
        change(f"{prefix}.pgHbaConfiguration", "", rules_of_hosts, ""),
    )


def pods(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for the servers' pods."""
    return (
        same(f"{prefix}.resources", "resources"),
        none(f"{prefix}.resourcesPreset", "set resources to numbers"),
        change(f"{prefix}.labels.*", "commonLabels.*", foreign_key("bitnami.com"), "on all objects of the release except pods and claims"),
        change(
            f"{prefix}.annotations.*",
            "commonAnnotations.*",
            foreign_key("bitnami.com"),
            "on all objects of the release but pods and claims",
        ),
        same(f"{prefix}.podLabels.*", "podLabels.*"),
        same(f"{prefix}.podAnnotations.*", "podAnnotations.*"),
        change(f"{prefix}.affinity", "", placement.affinity, ""),
        change(f"{prefix}.podAntiAffinityPreset", "", _anti_affinity, ""),
        none(f"{prefix}.podAffinityPreset", "set affinity.podAffinity"),
        none(f"{prefix}.nodeAffinityPreset", "set affinity.nodeAffinity"),
        same(f"{prefix}.nodeSelector", "nodeSelector"),
        same(f"{prefix}.tolerations", "tolerations"),
        *placement.spread(f"{prefix}."),
        same(f"{prefix}.priorityClassName", "priorityClassName"),
        same(f"{prefix}.schedulerName", "schedulerName"),
        same(f"{prefix}.terminationGracePeriodSeconds", "terminationGracePeriodSeconds"),
        change(f"{prefix}.extraEnvVars[]", "extraEnv[]", environment, ""),
        change(
            f"{prefix}.extraEnvVarsCM", "extraEnvFrom[]", lambda value, _: {"configMapRef": {"name": value}}, "an entry of extraEnvFrom"
        ),
        change(
            f"{prefix}.extraEnvVarsSecret", "extraEnvFrom[]", lambda value, _: {"secretRef": {"name": value}}, "an entry of extraEnvFrom"
        ),
        same(f"{prefix}.extraVolumes[]", "extraVolumes[]"),
        same(f"{prefix}.extraVolumeMounts[]", "extraVolumeMounts[]"),
        same(f"{prefix}.sidecars[]", "extraContainers[]"),
        same(f"{prefix}.initContainers[]", "initContainers[]"),
        same(f"{prefix}.pdb.create", "podDisruptionBudget.enabled"),
        same(f"{prefix}.pdb.maxUnavailable", "podDisruptionBudget.maxUnavailable"),
        none(f"{prefix}.pdb", "set podDisruptionBudget.maxUnavailable"),
        same(f"{prefix}.networkPolicy.enabled", "networkPolicy.enabled"),
        same(f"{prefix}.networkPolicy.extraIngress", "networkPolicy.extraIngress"),
        same(f"{prefix}.networkPolicy.extraEgress", "networkPolicy.extraEgress"),
        none(f"{prefix}.networkPolicy", "set networkPolicy.clients, networkPolicy.metrics and networkPolicy.extraEgress"),
        change(f"{prefix}.updateStrategy.type", "", implied("RollingUpdate", "pods are always replaced one by one"), "as always"),
        none(f"{prefix}.updateStrategy", "pods are replaced one by one, the primary last and by a switchover"),
        *(
            none(f"{prefix}.{key}", _PROBES)
            for key in (
                "livenessProbe",
                "readinessProbe",
                "startupProbe",
                "customLivenessProbe",
                "customReadinessProbe",
                "customStartupProbe",
                "lifecycleHooks",
            )
        ),
        *(none(f"{prefix}.{key}", _SECURITY) for key in ("podSecurityContext", "containerSecurityContext", "securityContext")),
        *(none(f"{prefix}.{key}", "the supervisor starts the server; set postgresql.parameters") for key in ("command", "args")),
        *(
            none(f"{prefix}.{key}", "change the rendered manifests with a hook (docs/hooks.md)")
            for key in ("hostAliases", "hostNetwork", "hostIPC", "extraPodSpec", "automountServiceAccountToken", "runtimeClassName")
        ),
    )


def service(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for the primary's Service."""
    return (
        same(f"{prefix}.type", "service.type"),
        same(f"{prefix}.port", "service.port"),
        same(f"{prefix}.ports.postgresql", "service.port"),
        change(f"{prefix}.nodePort", "service.nodePort", lambda value, _: int(value), "as a number"),
        change(f"{prefix}.nodePorts.postgresql", "service.nodePort", lambda value, _: int(value), "as a number"),
        same(f"{prefix}.annotations.*", "service.annotations.*"),
        *(
            same(f"{prefix}.{key}", f"service.{key}")
            for key in ("loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges", "externalTrafficPolicy")
        ),
        none(prefix, "the chart has no such setting of its Services; add one of your own with extraObjects"),
    )


def persistence(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for the servers' volumes."""
    return (
        change(
            f"{prefix}.enabled",
            "",
            lambda value, _: Said(
                {} if value else {"storage": None}, "a claim for each server" if value else "an emptyDir, lost with its pod"
            ),
            "",
        ),
        change(f"{prefix}.storageClass", "", storage_class("storage.storageClassName"), ""),
        same(f"{prefix}.accessModes", "storage.accessModes"),
        same(f"{prefix}.size", "storage.resources.requests.storage"),
        none(prefix, "all servers' claims are made from one template, with the chart's own layout"),
    )


def retention(prefix: str) -> tuple[Rule, ...]:
    """Return the rules for what becomes of the claims. prefix: of the policy's key, with its dot."""
    policy = f"{prefix}persistentVolumeClaimRetentionPolicy"
    return (
        change(f"{policy}.whenDeleted", "", _retention, ""),
        change(f"{policy}.whenScaled", "", _retention, ""),
        change(f"{policy}.enabled", "", lambda *_: None, "with whenDeleted and whenScaled"),
    )


def _retention(value: Any, place: Place) -> Said:
    if not place.above().get("enabled"):
        return Said({}, "not enabled: the claims stay")
    return Said({f"persistentVolumeClaimRetentionPolicy.{place.key}": value}, "")


def metrics() -> tuple[Rule, ...]:
    """Return the rules for the metrics, which are those of the failover containers."""
    return (
        change("metrics.enabled", "", _metrics, ""),
        change("metrics.serviceMonitor.enabled", "", lambda *_: None, "with metrics.enabled, monitor.agent"),
        same("metrics.serviceMonitor.namespace", "monitor.prometheus.namespace"),
        same("metrics.serviceMonitor.interval", "monitor.prometheus.interval"),
        same("metrics.serviceMonitor.labels.*", "monitor.prometheus.labels.*"),
        same("metrics.serviceMonitor.additionalLabels.*", "monitor.prometheus.labels.*"),
        none("metrics", "the failover containers serve the metrics; run an exporter of your own in extraContainers for others"),
    )


def _metrics(value: Any, place: Place) -> Said:
    if not value:
        return Said({}, "no metrics")
    monitor = place.above().get("serviceMonitor") or {}
    return Said(
        {"monitor.agent": f"prometheus.io/{'coreos-operator' if monitor.get('enabled') else 'builtin'}"}, "the failover containers' metrics"
    )


def passwords(prefix: str, *keys: str) -> tuple[Rule, ...]:
    """Return the rules for values that are passwords or say where they are."""
    return tuple(none(f"{prefix}.{key}", _PASSWORD) for key in keys)


def full_name(document: Mapping[str, Any], otherwise: str) -> str:
    """Return how the old release's objects are called, `otherwise` if the values don't say it."""
    given = str(document.get("fullnameOverride") or "")
    return given if re.fullmatch("[-a-z0-9]+", given) else otherwise


_LOGINS = (("global", "postgresql", "auth"), ("global", "postgresql"), ("auth",), ("postgresql",))


def has_own_user(document: Mapping[str, Any]) -> bool:
    """True if the database is of another user than `postgres`."""
    names = (walk.get(document, *path, "username") for path in _LOGINS)
    return next(filter(None, names), "postgres") != "postgres"


def database(value: Any, place: Place) -> Said:
    """Return the application's database, or one of `postgres`, which has no owner of its own."""
    name = declared_name(value, place)
    if has_own_user(place.document):
        return Said({"app.database": name}, "")
    return Said({"databases[]": {"name": name}}, "a database of `postgres`, as there is no username")


def owner(value: Any, place: Place) -> Any:
    """Return the role that owns the database."""
    return declared_name(value, place)
