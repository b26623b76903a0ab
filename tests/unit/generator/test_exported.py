"""KubeDB's objects as its documentation and `kubectl get -o yaml` show them, and objects of other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.cli import main
from hapg.errors import InputError
from hapg.spec import foreign, parser
from tests.unit.generator.conftest import WARM

CLAIM = {"storageClassName": "standard", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "50Mi"}}}
S3 = {"storageSecretName": "s3-secret", "s3": {"bucket": "kubedb"}}
GCS = {"storageSecretName": "gcs-secret", "gcs": {"bucket": "kubedb"}}
PROMETHEUS = {"namespace": "monitoring", "labels": {"app": "kubedb"}, "interval": "10s"}

KUBEDB_08: dict[str, dict[str, Any]] = {
    "clustering/ha-postgres": {"replicas": 3},
    "clustering/hot-postgres": {"replicas": 3, "standbyMode": "hot"},
    "initialization/recovered-postgres": {
        "databaseSecret": {"secretName": "script-postgres-auth"},
        "init": {"snapshotSource": {"name": "instant-snapshot", "namespace": "demo"}},
    },
    "initialization/replay-postgres": {
        "replicas": 2,
        "databaseSecret": {"secretName": "wal-postgres-auth"},
        "init": {"postgresWAL": {**S3, "s3": {"bucket": "kubedb", "prefix": "kubedb/demo/wal-postgres/archive"}}},
    },
    "initialization/script-postgres": {"init": {"scriptSource": {"configMap": {"name": "pg-init-script"}}}},
    "monitoring/builtin-prom-postgres": {"monitor": {"agent": "prometheus.io/builtin"}},
    "monitoring/coreos-prom-postgres": {"monitor": {"agent": "prometheus.io/coreos-operator", "prometheus": PROMETHEUS}},
    "private-registry/pvt-reg-postgres": {"imagePullSecrets": [{"name": "myregistrykey"}]},
    "quickstart/quick-postgres": {"doNotPause": True},
    "snapshot/scheduled-pg": {"replicas": 3, "backupSchedule": {"cronExpression": "@every 6h", **GCS}},
    "snapshot/wal-postgres": {"replicas": 2, "archiver": {"storage": S3}},
    "pg-overview": {
        "replicas": 2,
        "standbyMode": "hot",
        "archiver": {"storage": S3},
        "databaseSecret": {"secretName": "p1-auth"},
        "nodeSelector": {"disktype": "ssd"},
        "backupSchedule": {"cronExpression": "@every 6h", **GCS},
        "doNotPause": True,
        "monitor": {"agent": "prometheus.io/coreos-operator", "prometheus": PROMETHEUS},
        "resources": {"requests": {"memory": "64Mi", "cpu": "250m"}, "limits": {"memory": "128Mi", "cpu": "500m"}},
    },
}
"""The twelve Postgres objects in the examples of KubeDB 0.8, by what each of them shows."""


def described(**keys: object) -> dict[str, Any]:
    return {
        "apiVersion": "kubedb.com/v1alpha1",
        "kind": "Postgres",
        "metadata": {"name": "db", "namespace": "demo"},
        "spec": {"version": "9.6", "storage": CLAIM, **keys},
    }


def text(document: object) -> bytes:
    return yaml.safe_dump(document).encode()


@pytest.mark.parametrize("keys", KUBEDB_08.values(), ids=KUBEDB_08)
def test_the_objects_of_kubedbs_examples_are_accepted(keys: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_bytes(text(described(**keys)))
    assert main(["generate", str(tmp_path / "db.yaml"), "-o", str(tmp_path / "out")]) == 0


def exported() -> dict[str, Any]:
    document = described(replicas=3)
    document["metadata"] |= {
        "uid": "0b0c2f9e-0000-4000-8000-000000000000",
        "resourceVersion": "1234",
        "creationTimestamp": "2018-06-01T10:00:00Z",
        "generation": 1,
        "finalizers": ["kubedb.com"],
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
    }
    return {**document, "status": {"phase": "Running", "creationTime": "2018-06-01T10:00:00Z"}}


def test_what_a_cluster_has_filled_in_is_ignored_with_one_line() -> None:
    found, plain = parser.parse(text(exported()), "db.yaml"), parser.parse(text(described(replicas=3)), "db.yaml")
    assert (found.name, found.defaults) == (plain.name, plain.defaults)
    assert [str(piece) for piece in found.advice if piece not in plain.advice] == [
        "db.yaml:1: metadata.creationTimestamp, metadata.finalizers, metadata.generation, metadata.resourceVersion, metadata.uid, "
        "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration, status: filled in by Kubernetes or an operator, and "
        "ignored here [exported]"
    ]


def test_a_list_of_one_object_is_that_object() -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": [exported()], "metadata": {"resourceVersion": ""}}
    assert parser.parse(text(listed), "db.yaml").defaults["replicas"] == 3
    with pytest.raises(InputError, match="contains 2 Postgres objects"):
        parser.parse(text({**listed, "items": [exported(), exported()]}), "db.yaml")


def test_labels_and_annotations_of_the_author_are_still_refused() -> None:
    document = exported()
    document["metadata"]["annotations"]["example.com/team"] = "orders"
    with pytest.raises(InputError, match="annotations are not copied"):
        parser.parse(text(document), "db.yaml")


@pytest.mark.parametrize("text", ["postgresql: {parameters: {work_mem: 16MB}}\n", 'version: "15"\nvalues: {replicas: 3}\n'])
def test_what_is_ours_is_not_taken_for_anothers(text: str) -> None:
    assert foreign.system(yaml.safe_load(text)) is None


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (WARM.replace("v1alpha1", "v1"), "a Postgres object of KubeDB (kubedb.com/v1)"),
        (WARM.replace("v1alpha1", "v1alpha2"), "a Postgres object of KubeDB (kubedb.com/v1alpha2)"),
        ("apiVersion: postgresql.cnpg.io/v1\nkind: Cluster\n", "a Cluster of CloudNativePG (postgresql.cnpg.io/v1)"),
        ("apiVersion: acid.zalan.do/v1\nkind: postgresql\n", "a postgresql object of Zalando's operator (acid.zalan.do/v1)"),
        (
            "apiVersion: postgres-operator.crunchydata.com/v1beta1\nkind: PostgresCluster\n",
            "a PostgresCluster of Crunchy's operator (postgres-operator.crunchydata.com/v1beta1)",
        ),
        ("auth: {database: shop}\nprimary: {}\n", "values of Bitnami's chart postgresql"),
        ("postgresql: {replicaCount: 3}\npgpool: {}\n", "values of Bitnami's chart postgresql-ha"),
    ],
)
def test_other_systems_are_for_migrate(document: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        parser.parse(document.encode(), "db.yaml")
    assert caught.value.problems == (f"db.yaml:1: {words}; `hapg migrate db.yaml` translates it",)
