"""Adds a NetworkPolicy that lets only the listed clients reach the database.

helm install … --post-renderer hapg --post-renderer-args=post-render --post-renderer-args=--hooks=network_policy.py
"""

from __future__ import annotations

from typing import Any

from hapg.hooks import hook

CLIENTS = {"example.com/database-client": "true"}
"""Pods with this label in the database's namespace may connect to it."""

MONITORING = {"kubernetes.io/metadata.name": "monitoring"}
"""Pods in a namespace with this label may read the metrics."""


@hook(trylast=True)
def adjust_manifests(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add a NetworkPolicy for the pods; `helm test` is a client too. It runs last, to see the ports that other hooks have added."""
    (stateful_set,) = (manifest for manifest in manifests if manifest["kind"] == "StatefulSet")
    pods = stateful_set["spec"]["selector"]
    release = stateful_set["metadata"]["labels"]["app.kubernetes.io/instance"]
    test = {"app.kubernetes.io/instance": release, "app.kubernetes.io/component": "test"}
    containers = stateful_set["spec"]["template"]["spec"]["containers"]
    for_clients = [{"protocol": "TCP", "port": port["name"]} for container in containers for port in container.get("ports", [])]
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {key: stateful_set["metadata"][key] for key in ("name", "namespace", "labels")},
        "spec": {
            "podSelector": pods,
            "policyTypes": ["Ingress"],
            "ingress": [
                {"from": [{"podSelector": pods}]},
                {"from": [_from(CLIENTS), _from(test)], "ports": for_clients},
                {"from": [{"namespaceSelector": {"matchLabels": MONITORING}}], "ports": [{"protocol": "TCP", "port": "http"}]},
            ],
        },
    }
    return [*manifests, policy]


def _from(labels: dict[str, str]) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}
