"""Values that change pods, Services and PVCs, as seen by an init container, a sidecar, the server and Kubernetes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.cluster import chosen
from tests.cluster.fixtures import Cluster
from tests.robustness import programs
from tests.robustness.release import CHART, NAME, Release
from tests.robustness.stock import installed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

UNPRIVILEGED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
MOUNT = {"name": "scratch", "mountPath": "/scratch"}
SHAPED = {
    "replicas": 2,
    "standbyMode": "hot",
    "initdb": {"args": ["--wal-segsize=64"]},
    "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete", "whenScaled": "Retain"},
    "extraEnv": [{"name": "TZ", "value": "Europe/Berlin"}],
    "extraEnvFrom": [{"configMapRef": {"name": "ha-postgres-extra"}}],
    "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
    "extraVolumeMounts": [MOUNT],
    "extraObjects": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "{{ .Release.Name }}-extra"},
            "data": {"FROM_OBJECT": "{{ .Release.Name }}"},
        }
    ],
    "shmSize": "64Mi",
    "podAnnotations": {"example.com/note": "annotated"},
    "podLabels": {"example.com/team": "orders"},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}],
    "service": {"type": "NodePort", "annotations": {"example.com/note": "annotated"}},
    "serviceAccount": {"name": "own"},
    "commonLabels": {"example.com/cost": "1234"},
    "terminationGracePeriodSeconds": 60,
}


def containers(image: str) -> dict[str, object]:
    """An init container that writes a file, and a sidecar that copies it, both with a volume that the server's container also mounts."""
    bare = {"image": image, "securityContext": UNPRIVILEGED, "volumeMounts": [MOUNT]}
    copy = "cp /scratch/made /scratch/copied; trap 'exit 0' TERM; sleep infinity & wait"
    return {
        "initContainers": [{**bare, "name": "before", "command": ["touch", "/scratch/made"]}],
        "extraContainers": [{**bare, "name": "beside", "command": ["bash", "-c", copy]}],
    }


def image() -> str:
    """The PostgreSQL image, as the chart names it on this cluster."""
    documents = yaml.safe_load_all(programs.run("helm3", "template", NAME, str(CHART), *chosen.image_options()))
    [pod] = [each["spec"]["template"]["spec"] for each in documents if each and each["kind"] == "StatefulSet"]
    return str(pod["containers"][0]["image"])


@pytest.fixture(scope="module")
def shaped(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A release with all of these values, at full strength."""
    values = tmp_path_factory.mktemp("values") / "values.yaml"
    values.write_text(yaml.safe_dump({**SHAPED, **containers(image())}))
    with installed("e2e-values", "--values", str(values), replicas=2) as release:
        yield release


def inside(release: Release, pod: str, script: str) -> str:
    """The output of a script in the PostgreSQL container."""
    return release.inside(pod, "bash", "-c", script).strip()


def test_the_servers_container_sees_them(shaped: Release) -> None:
    for pod in shaped.pods():
        assert inside(shaped, pod.name, 'echo "$TZ $FROM_OBJECT"') == "Europe/Berlin ha-postgres"
        assert inside(shaped, pod.name, "ls /scratch") == "copied\nmade"
        assert inside(shaped, pod.name, "df --output=size --block-size=1M /dev/shm | tail -1").strip() == "64"


def test_kubernetes_sees_them(shaped: Release) -> None:
    pods = shaped.namespace.get("pods", "--selector", "example.com/team=orders")
    assert sorted(pod["metadata"]["name"] for pod in pods) == [pod.name for pod in shaped.pods()]
    for pod in pods:
        assert pod["metadata"]["annotations"]["example.com/note"] == "annotated"
        assert pod["spec"]["terminationGracePeriodSeconds"] == 60
        assert pod["spec"]["serviceAccountName"] == "own"
    assert len({pod["spec"]["nodeName"] for pod in pods}) == 2
    service = shaped.namespace.get("service", shaped.name)
    assert service["metadata"]["annotations"]["example.com/note"] == "annotated"
    assert service["metadata"]["labels"]["example.com/cost"] == "1234"


def test_a_node_port_leads_to_the_primary(shaped: Release) -> None:
    [port] = shaped.namespace.get("service", shaped.name)["spec"]["ports"]
    [node, *_] = shaped.namespace.get("nodes")
    [address] = [each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP"]
    setup = f"export PGPORT={port['nodePort']}"
    answer = shaped.client.try_psql("SELECT pg_is_in_recovery()", host=address, setup=setup, options="-qAt")
    assert answer.out == "f\n", answer.err


def test_a_failover_works_with_larger_segments(shaped: Release) -> None:
    assert shaped.client.sql("SHOW wal_segment_size") == [["64MB"]]
    shaped.client.sql("CREATE TABLE kept AS SELECT 1 AS number")
    shaped.fail_over()
    assert shaped.client.sql("SELECT number FROM kept") == [["1"]]


def test_an_uninstallation_takes_the_claims_along_if_it_was_asked_to(shaped: Release) -> None:
    assert len(shaped.namespace.get("persistentvolumeclaims")) == 2
    shaped.uninstall()
    shaped.wait("no claim is left", lambda: shaped.namespace.get("persistentvolumeclaims") == [], 60)
