"""Adds a connection pool: a PgBouncer sidecar for every server, and a Service NAME-pooler for the primary's one.

    helm install … --post-renderer hapg --post-renderer-args=post-render --post-renderer-args=--hooks=pgbouncer.py

It pools transactions. Session features (LISTEN, advisory locks, SET without LOCAL) need the Service NAME itself. PgBouncer reads
the password at start: after a change, run `kubectl rollout restart statefulset/NAME`.
"""

from __future__ import annotations

from typing import Any

from hapg.hooks import Refused, hook

IMAGE = "registry.example.com/mirror/pgbouncer:1.24.1"
PORT = 6432
SECRETS, KEY = "secret", "POSTGRES_PASSWORD"

SETTINGS = f"""\
[databases]
* = host=127.0.0.1 port=5432

[pgbouncer]
listen_addr = *
listen_port = {PORT}
unix_socket_dir = /run/pgbouncer
auth_type = scram-sha-256
auth_file = /run/pgbouncer/users
pool_mode = transaction
default_pool_size = 20
max_client_conn = 1000
ignore_startup_parameters = extra_float_digits
"""

# The password goes from the environment to a file in memory. It must never be a process argument.
START = """\
umask 077
{ printf '"postgres" "'; printf %s "$POSTGRES_PASSWORD" | sed 's/"/""/g'; printf '"\\n'; } > /run/pgbouncer/users
exec pgbouncer /etc/pgbouncer/pgbouncer.ini
"""


@hook
def adjust_manifests(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add PgBouncer to the pods, with its settings and a Service."""
    (stateful_set,) = (manifest for manifest in manifests if manifest["kind"] == "StatefulSet")
    name = stateful_set["metadata"]["name"]
    pod = stateful_set["spec"]["template"]["spec"]
    failover = next(container for container in pod["initContainers"] if container["name"] == "failover")
    secrets = next(volume["projected"]["sources"] for volume in pod["volumes"] if volume["name"] == SECRETS)
    secret = next(source["secret"]["name"] for source in secrets if source["secret"]["items"][0]["key"] == KEY)
    password = {"name": KEY, "valueFrom": {"secretKeyRef": {"name": secret, "key": KEY}}}
    if any(container["name"] == "pgbouncer" for container in pod["containers"]):
        raise Refused(f"the pods of {name} already have a container pgbouncer")
    pod["containers"].append(
        {
            "name": "pgbouncer",
            "image": IMAGE,
            "command": ["/bin/sh", "-ec", START],
            "env": [password],
            "ports": [{"name": "pooler", "containerPort": PORT}],
            "securityContext": failover["securityContext"],
            "resources": {"requests": {"cpu": "20m", "memory": "32Mi"}},
            "volumeMounts": [
                {"name": "pgbouncer", "mountPath": "/run/pgbouncer"},
                {"name": "pgbouncer-settings", "mountPath": "/etc/pgbouncer", "readOnly": True},
            ],
        }
    )
    pod["volumes"] += [
        {"name": "pgbouncer", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "pgbouncer-settings", "configMap": {"name": f"{name}-pgbouncer"}},
    ]
    primary = next(manifest for manifest in manifests if manifest["kind"] == "Service" and manifest["metadata"]["name"] == name)
    metadata = {"namespace": stateful_set["metadata"]["namespace"], "labels": _labels(primary)}
    return [
        *manifests,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": f"{name}-pgbouncer", **metadata},
            "data": {"pgbouncer.ini": SETTINGS},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{name}-pooler", **metadata},
            "spec": {
                "selector": primary["spec"]["selector"],
                "ports": [{"name": "postgresql", "port": 5432, "targetPort": "pooler"}],
            },
        },
    ]


def _labels(primary: dict[str, Any]) -> dict[str, str]:
    """The primary's labels, except those that select the database's own objects."""
    chosen = primary["spec"]["selector"]
    return {key: value for key, value in primary["metadata"]["labels"].items() if key not in chosen}
