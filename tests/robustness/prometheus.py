"""Prometheus in a namespace, from Debian's package: it finds Services there by their annotations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import yaml

from tests.cluster import chosen
from tests.cluster.images import PROMETHEUS_IMAGE
from tests.robustness.client import restricted_pod
from tests.robustness.programs import Namespace

NAME = "prometheus"
PORT = 9090
READY_SECONDS = 120
_ADDRESS = f"http://127.0.0.1:{PORT}"
_ANNOTATION = "__meta_kubernetes_service_annotation_prometheus_io"
_HOST = r"([^:]+)(?::\d+)?"


def configuration(discovery: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration that the annotations `prometheus.io/…` are known for, with a scrape each second.

    discovery: of kubernetes_sd_configs, besides the role.
    """
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [
            {
                "job_name": "kubernetes-service-endpoints",
                "kubernetes_sd_configs": [{"role": "endpoints", **discovery}],
                "relabel_configs": [
                    {"source_labels": [f"{_ANNOTATION}_scrape"], "action": "keep", "regex": "true"},
                    {"source_labels": [f"{_ANNOTATION}_scheme"], "target_label": "__scheme__", "regex": "(https?)"},
                    {"source_labels": [f"{_ANNOTATION}_path"], "target_label": "__metrics_path__", "regex": "(.+)"},
                    {
                        "source_labels": ["__address__", f"{_ANNOTATION}_port"],
                        "target_label": "__address__",
                        "regex": rf"{_HOST};(\d+)",
                        "replacement": "$1:$2",
                    },
                    {"source_labels": ["__meta_kubernetes_service_name"], "target_label": "service"},
                    {"source_labels": ["__meta_kubernetes_pod_name"], "target_label": "pod"},
                ],
            }
        ],
    }


@dataclass(frozen=True)
class Sample:
    """A time series' value at one instant. labels: also `pod` and `service`."""

    labels: dict[str, str]
    value: float


def samples(answer: str) -> list[Sample]:
    """Read the JSON of an instant query's vector."""
    return [Sample(each["metric"], float(each["value"][1])) for each in json.loads(answer)]


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    namespace: Namespace

    def query(self, expression: str) -> list[Sample]:
        """Return the time series of an expression of PromQL. Raise ProgramError for one that Prometheus does not take."""
        promtool = ("promtool", "query", "instant", "--format=json", _ADDRESS, expression)
        return samples(self.namespace.kubectl("exec", NAME, "--", *promtool))

    def values(self, expression: str, label: str = "pod") -> dict[str, float]:
        """Return the values of an expression by one label."""
        return {sample.labels[label]: sample.value for sample in self.query(expression)}


def start(namespace: Namespace) -> Prometheus:
    """Start it and wait until it is ready; it ends with the namespace.

    Raise ClusterError if the cluster is not one of ours: its image can't be loaded into another.
    """
    chosen.load_prometheus()
    namespace.apply(*_objects(namespace.name))
    namespace.kubectl("wait", "--for=condition=Ready", f"--timeout={READY_SECONDS}s", f"pod/{NAME}")
    return Prometheus(namespace)


def _objects(namespace: str) -> list[dict[str, Any]]:
    """Return the pod, what it may read in its own namespace, and its configuration."""
    metadata = {"name": NAME}
    found = configuration({"namespaces": {"own_namespace": True}})
    container: dict[str, Any] = {
        "name": NAME,
        "image": PROMETHEUS_IMAGE,
        "args": ["--config.file=/config/prometheus.yml", "--storage.tsdb.path=/prometheus", "--storage.tsdb.retention.time=1h"],
        "readinessProbe": {"httpGet": {"path": "/-/ready", "port": PORT}, "periodSeconds": 1},
        "volumeMounts": [{"name": "config", "mountPath": "/config"}, {"name": "data", "mountPath": "/prometheus"}],
    }
    volumes = [{"name": "config", "configMap": {"name": NAME}}, {"name": "data", "emptyDir": {}}]
    pod = restricted_pod(NAME, container, volumes=volumes, serviceAccountName=NAME, terminationGracePeriodSeconds=2)
    spec: Any = pod["spec"]
    spec["automountServiceAccountToken"] = True
    spec["securityContext"]["fsGroup"] = 999
    rights = [{"apiGroups": [""], "resources": ["services", "endpoints", "pods"], "verbs": ["get", "list", "watch"]}]
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rights},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}],
        },
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"prometheus.yml": yaml.safe_dump(found)}},
        pod,
    ]
