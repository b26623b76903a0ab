"""Objects and values with the fields that the examples don't have, so that each rule that gives a value is tried."""

from __future__ import annotations

from typing import Any

import yaml

TERM: Any = {"matchExpressions": [{"key": "kind", "operator": "In", "values": ["db"]}]}
AFFINITY: Any = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}}
POD_AFFINITY: Any = {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}
TOLERATIONS: Any = [{"key": "db", "operator": "Exists"}]
SPREAD: Any = [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]
BALANCER: Any = {
    "loadBalancerIP": "10.0.0.1",
    "loadBalancerSourceRanges": ["10.0.0.0/8"],
    "externalTrafficPolicy": "Local",
}
NOTE: Any = {"example.com/a": "b"}
CLAIM: Any = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast", "resources": {"requests": {"storage": "5Gi"}}}


def _kubedb(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kubedb.com/v1alpha1",
        "kind": "Postgres",
        "metadata": {"name": name},
        "spec": {"version": "12.1", "storage": CLAIM, **spec},
    }


_KUBEDB: Any = [
    _kubedb(
        "old",
        affinity=AFFINITY,
        tolerations=TOLERATIONS,
        schedulerName="own",
        imagePullSecrets=[{"name": "registry"}],
        podTemplate={"annotations": NOTE, "labels": {"a": "b"}},
        serviceTemplate={"annotations": NOTE, "spec": {"type": "LoadBalancer", **BALANCER}},
        backupSchedule={"cronExpression": "@daily", "storageSecretName": "s3", "s3": {"bucket": "b"}},
        monitor={"agent": "prometheus.io/builtin", "prometheus": {"port": 9000}},
        replication={"walKeepSegment": 64},
    ),
    _kubedb(
        "newer",
        podTemplate={
            "metadata": {"labels": {"a": "b"}},
            "spec": {
                "affinity": AFFINITY,
                "tolerations": TOLERATIONS,
                "schedulerName": "own",
                "priorityClassName": "high",
                "topologySpreadConstraints": SPREAD,
                "terminationGracePeriodSeconds": 60,
            },
        },
        serviceTemplate={"metadata": {"annotations": NOTE}},
        backupSchedule={"cronExpression": "@daily", "storageSecretName": "azure", "azure": {"container": "b"}},
    ),
    _kubedb(
        "shared",
        init={"scriptSource": {"configMap": {"name": "sql"}, "secret": {"secretName": "sql"}}},
        backupSchedule={"cronExpression": "@daily", "local": {"persistentVolumeClaim": {"claimName": "repo"}}},
    ),
    _kubedb("secret", init={"script": {"secret": {"secretName": "sql"}}}),
]


def _cloudnative_pg(name: str, store: dict[str, Any], **initdb: Any) -> dict[str, Any]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {
            "instances": 3,
            "storage": {"size": "1Gi"},
            "schedulerName": "own",
            "affinity": {"additionalPodAffinity": POD_AFFINITY, "additionalPodAntiAffinity": POD_AFFINITY},
            "bootstrap": {"initdb": initdb},
            "backup": {"barmanObjectStore": store},
        },
    }


def _bootstrapped(method: str) -> dict[str, Any]:
    found = _cloudnative_pg(method.replace("_", "-"), {})
    found["spec"]["walStorage"] = {"pvcTemplate": CLAIM}
    found["spec"]["bootstrap"] = {method: {"source": "old", "database": "shop", "owner": "bob", "secret": {"name": "bob"}}}
    return found


_CLOUDNATIVE_PG: Any = [
    _bootstrapped("recovery"),
    _bootstrapped("pg_basebackup"),
    _cloudnative_pg(
        "azure",
        {
            "destinationPath": "https://account.blob.core.windows.net/backups/a",
            "azureCredentials": {
                "storageAccount": {"name": "azure", "key": "AZURE_ACCOUNT_NAME"},
                "storageKey": {"name": "azure", "key": "AZURE_ACCOUNT_KEY"},
            },
        },
        locale="C",
        localeCType="C",
        options=["--no-locale"],
    ),
    _cloudnative_pg(
        "google",
        {
            "destinationPath": "gs://backups/a",
            "googleCredentials": {"applicationCredentials": {"name": "gcs", "key": "GOOGLE_SERVICE_ACCOUNT_JSON_KEY"}},
        },
        localeProvider="icu",
        icuLocale="en",
        icuRules="&a<b",
        builtinLocale="C",
    ),
]

_ZALANDO: Any = {
    "apiVersion": "acid.zalan.do/v1",
    "kind": "postgresql",
    "metadata": {"name": "rest", "annotations": NOTE},
    "spec": {
        "numberOfInstances": 2,
        "volume": {"size": "1Gi"},
        "postgresql": {"version": "17"},
        "patroni": {"initdb": {"lc-collate": "C", "lc-ctype": "C", "locale-provider": "icu", "icu-locale": "en", "wal-segsize": "32"}},
        "replicaServiceAnnotations": NOTE,
        "tls": {"secretName": "tls", "certificateFile": "tls.crt", "privateKeyFile": "tls.key"},
        "schedulerName": "own",
        "topologySpreadConstraints": SPREAD,
        "pod_priority_class_name": "high",
        "init_containers": [{"name": "date", "image": "busybox"}],
    },
}


def _crunchy(name: str, repository: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "postgres-operator.crunchydata.com/v1beta1",
        "kind": "PostgresCluster",
        "metadata": {"name": name, "labels": {"a": "b"}, "annotations": NOTE},
        "spec": {
            "postgresVersion": 17,
            "imagePullPolicy": "Always",
            "instances": [
                {
                    "replicas": 3,
                    "dataVolumeClaimSpec": CLAIM,
                    "walVolumeClaimSpec": CLAIM,
                    "topologySpreadConstraints": SPREAD,
                    "metadata": {"annotations": NOTE},
                }
            ],
            "config": {"parameters": {"work_mem": "16MB"}},
            "patroni": {"dynamicConfiguration": {"synchronous_mode": True, "synchronous_node_count": 2}},
            "service": {"type": "NodePort", "nodePort": 30432, "externalTrafficPolicy": "Local"},
            "backups": {
                "pgbackrest": {
                    "repos": [{"name": "repo1", "schedules": {"incremental": "0 */4 * * *"}, **repository}],
                    "jobs": {"resources": {"requests": {"cpu": "10m"}}},
                }
            },
        },
    }


_CRUNCHY: Any = [_crunchy("google", {"gcs": {"bucket": "b"}}), _crunchy("azure", {"azure": {"container": "b"}})]


def _pods() -> dict[str, Any]:
    return {
        "annotations": NOTE,
        "labels": {"a": "b"},
        "podLabels": {"a": "b"},
        "podAnnotations": NOTE,
        "affinity": AFFINITY,
        "nodeSelector": {"disk": "ssd"},
        "tolerations": TOLERATIONS,
        "topologySpreadConstraints": SPREAD,
        "priorityClassName": "high",
        "schedulerName": "own",
        "terminationGracePeriodSeconds": 60,
        "extraEnvVars": [{"name": "TZ", "value": "UTC"}],
        "extraEnvVarsCM": "map",
        "extraEnvVarsSecret": "secret",
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        "sidecars": [{"name": "exporter", "image": "exporter:1"}],
        "initContainers": [{"name": "date", "image": "busybox"}],
        "pdb": {"create": True, "maxUnavailable": 1},
        "networkPolicy": {"enabled": True, "extraIngress": [{"ports": [{"port": 1}]}], "extraEgress": [{"ports": [{"port": 1}]}]},
        "updateStrategy": {"type": "RollingUpdate"},
        "configuration": "work_mem = '16MB'\n",
    }


_AUDIT: Any = {
    "logHostname": False,
    "logConnections": True,
    "logDisconnections": True,
    "clientMinMessages": "error",
    "logLinePrefix": "%m",
    "logTimezone": "UTC",
}
_TLS: Any = {
    "enabled": True,
    "certificatesSecret": "tls",
    "certFilename": "tls.crt",
    "certKeyFilename": "tls.key",
    "certCAFilename": "ca.crt",
}
_KEYS: Any = {"adminPasswordKey": "POSTGRES_PASSWORD", "userPasswordKey": "password", "replicationPasswordKey": "replication"}
_COMMON: Any = {
    "nameOverride": "rest",
    "commonLabels": {"a": "b"},
    "commonAnnotations": NOTE,
    "extraDeploy": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}}],
    "serviceAccount": {"create": False, "name": "own", "annotations": NOTE},
}
_MONITOR: Any = {"enabled": True, "namespace": "monitoring", "interval": "30s", "labels": {"a": "b"}, "additionalLabels": {"c": "d"}}
_METRICS: Any = {"enabled": True, "serviceMonitor": _MONITOR}
_SERVICE: Any = {"loadBalancerClass": "internal", **BALANCER, "annotations": NOTE, "nodePorts": {"postgresql": 30432}}

_BITNAMI: Any = {
    **_COMMON,
    "global": {
        "storageClass": "fast",
        "postgresql": {
            "auth": {"username": "shop", "database": "shop", "existingSecret": "own", "secretKeys": _KEYS, "enablePostgresUser": True},
            "service": {"ports": {"postgresql": 5433}},
        },
    },
    "image": {"tag": "17.1.0", "pullPolicy": "Always"},
    "auth": {"enablePostgresUser": True},
    "containerPorts": {"postgresql": 5432},
    "audit": _AUDIT,
    "tls": _TLS,
    "primary": {
        **_pods(),
        "name": "primary",
        "initdb": {"scriptsConfigMap": "map", "scriptsSecret": "secret"},
        "service": {"type": "LoadBalancer", **_SERVICE},
    },
    "metrics": _METRICS,
}
_BITNAMI_OLD: Any = {"primary": {"service": {"port": 5433, "nodePort": "30432", "type": "NodePort"}}}

_BITNAMI_HA: Any = {
    **_COMMON,
    "fullnameOverride": "rest-ha",
    "persistentVolumeClaimRetentionPolicy": {"enabled": True, "whenDeleted": "Delete", "whenScaled": "Retain"},
    "global": {
        "imageRegistry": "registry.example.com",
        "imagePullSecrets": ["registry"],
        "defaultStorageClass": "fast",
        "postgresql": {"username": "shop", "database": "shop"},
    },
    "postgresql": {
        **_pods(),
        "image": {"tag": "17.1.0", "pullPolicy": "Always", "pullSecrets": ["own"]},
        "tcpKeepalivesInterval": 10,
        "tcpKeepalivesIdle": 60,
        "tcpKeepalivesCount": 5,
        "audit": _AUDIT,
        "tls": _TLS,
        "initdbScriptsCM": "map",
        "initdbScriptsSecret": "secret",
        "extraInitContainers": [{"name": "more", "image": "busybox"}],
        "updateStrategyType": "RollingUpdate",
        "containerPorts": {"postgresql": 5432},
    },
    "pgpool": {},
    "service": {"type": "LoadBalancer", "port": 5433, **_SERVICE},
    "persistence": {"enabled": True, "accessModes": ["ReadWriteOnce"]},
    "metrics": _METRICS,
}
_BITNAMI_HA_OLD: Any = {
    "global": {"storageClass": "fast"},
    "postgresqlImage": {"tag": "14.1.0", "pullPolicy": "Always", "pullSecrets": ["own"]},
    "postgresql": {"replicaCount": 2},
    "pgpool": {},
    "service": {"nodePort": "30432", "type": "NodePort"},
    "networkPolicy": {"enabled": True},
}

REST: dict[str, list[dict[str, Any]]] = {
    "kubedb": _KUBEDB,
    "cloudnative-pg": _CLOUDNATIVE_PG,
    "zalando": [_ZALANDO],
    "crunchy": _CRUNCHY,
    "bitnami": [_BITNAMI],
    "bitnami-old": [_BITNAMI_OLD],
    "bitnami-ha": [_BITNAMI_HA],
    "bitnami-ha-old": [_BITNAMI_HA_OLD],
}


def text(name: str) -> str:
    """One of them as a file."""
    found: str = yaml.safe_dump_all(REST[name])
    return found
