"""A small workload for the tests of the cluster itself: one PostgreSQL server per node, each with a volume."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster import local
from tests.cluster.errors import ClusterError
from tests.cluster.images import POSTGRES_IMAGE
from tests.cluster.topology import NODES

NAMESPACE = "cluster-probe"
CONTAINER = "postgres"
PODS = tuple(f"probe-{index}" for index in range(len(NODES)))
_SECONDS = 120.0

_SCRIPT = """\
export PATH=$PATH:/usr/lib/postgresql/15/bin
if [ ! -s /data/pg/PG_VERSION ]; then
  initdb -D /data/pg -A trust -U postgres && echo 'host all all all trust' >>/data/pg/pg_hba.conf
fi
rm -f /data/pg/postmaster.pid
exec postgres -D /data/pg -k /tmp -c listen_addresses='*' -c fsync=off
"""


def _manifests() -> list[object]:
    labels = {"app": "probe"}
    security = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": CONTAINER,
        "image": POSTGRES_IMAGE,
        "imagePullPolicy": "Never",
        "command": ["bash", "-c", _SCRIPT],
        "securityContext": security,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}, {"name": "tmp", "mountPath": "/tmp"}],
        "readinessProbe": {"exec": {"command": ["pg_isready", "-q", "-h", "/tmp"]}, "periodSeconds": 1},
    }
    spec = {
        "terminationGracePeriodSeconds": 1,
        "securityContext": {
            "runAsUser": 999,
            "runAsGroup": 999,
            "runAsNonRoot": True,
            "fsGroup": 999,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": labels},
            }
        ],
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {"medium": "Memory"}}],
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "100Mi"}}},
    }
    return [
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "probe", "namespace": NAMESPACE},
            "spec": {"selector": labels, "ports": [{"port": 5432}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": "probe", "namespace": NAMESPACE},
            "spec": {
                "serviceName": "probe",
                "replicas": len(PODS),
                "podManagementPolicy": "Parallel",
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": spec},
                "volumeClaimTemplates": [claim],
            },
        },
    ]


def kubectl(*words: str) -> str:
    """kubectl in the workload's namespace."""
    return local.kubectl("--namespace", NAMESPACE, *words)


def start() -> None:
    """Creates the workload and waits until it is ready."""
    local.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(json.dumps(each) for each in _manifests()))
    kubectl("rollout", "status", "statefulset/probe", f"--timeout={_SECONDS:.0f}s")


@contextmanager
def running() -> Iterator[None]:
    """The workload, while the context lasts."""
    start()
    try:
        yield
    finally:
        local.kubectl("delete", "namespace", NAMESPACE, f"--timeout={_SECONDS:.0f}s")


def psql(pod: str, host: str, statement: str) -> str:
    """The result of a statement that psql in a pod sends to the server at `host`; ClusterError if that takes over 2 s or fails."""
    script = 'exec timeout 2 psql -h "$0" -U postgres -qAtX -c "$1"'
    return kubectl("exec", pod, "--", "bash", "-c", script, host, statement).strip()


def eventually(pod: str, host: str, statement: str) -> str:
    """Like `psql`, retried for up to two minutes."""
    limit = time.monotonic() + _SECONDS
    while True:
        try:
            return psql(pod, host, statement)
        except ClusterError:
            if time.monotonic() > limit:
                raise
            time.sleep(0.3)


def restarts(pod: str) -> int:
    """How often the pod's container was restarted."""
    return int(kubectl("get", "pod", pod, "-o", "jsonpath={.status.containerStatuses[0].restartCount}"))
