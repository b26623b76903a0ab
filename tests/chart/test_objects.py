"""Properties of the rendered objects, one per test."""

from __future__ import annotations

import pytest
import yaml

from tests.chart import golden, helm

PAIR = {"kubedb.com/kind": "Postgres", "kubedb.com/name": "ha-postgres"}
VOLUMES_OF_RESTRICTED = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}


def test_the_objects_of_a_release() -> None:
    assert sorted(helm.objects()) == [
        ("ConfigMap", "ha-postgres-config"),
        ("Pod", "ha-postgres-test-primary"),
        ("PodDisruptionBudget", "ha-postgres"),
        ("Role", "ha-postgres"),
        ("RoleBinding", "ha-postgres"),
        ("Service", "ha-postgres"),
        ("Service", "ha-postgres-pods"),
        ("Service", "ha-postgres-readonly"),
        ("Service", "ha-postgres-replicas"),
        ("ServiceAccount", "ha-postgres"),
        ("StatefulSet", "ha-postgres"),
    ]


def test_all_objects_are_in_the_releases_namespace() -> None:
    assert {document["metadata"]["namespace"] for document in helm.objects().values()} == {"demo"}


# --- as the tutorial prints them ---


def test_the_services_that_the_databases_label_lists() -> None:
    found = {
        name: (document["spec"].get("type", "ClusterIP"), document["spec"]["selector"])
        for (kind, name), document in helm.objects().items()
        if kind == "Service" and document["metadata"]["labels"].get("kubedb.com/name") == "ha-postgres"
    }
    assert found == {
        "ha-postgres": ("ClusterIP", {**PAIR, "kubedb.com/role": "primary"}),
        "ha-postgres-replicas": ("ClusterIP", PAIR),
    }


def test_the_role_alone_leads_to_the_primary_and_readiness_to_all() -> None:
    found = {
        name: document["spec"].get("publishNotReadyAddresses", False)
        for (kind, name), document in helm.objects().items()
        if kind == "Service"
    }
    assert found == {"ha-postgres": True, "ha-postgres-pods": True, "ha-postgres-readonly": False, "ha-postgres-replicas": False}


def test_the_ports_that_clients_see() -> None:
    for name in ("ha-postgres", "ha-postgres-replicas", "ha-postgres-readonly"):
        (port,) = helm.objects()["Service", name]["spec"]["ports"]
        assert (port["port"], port["targetPort"]) == (5432, "postgresql")


def test_pods_carry_the_databases_labels_and_no_role() -> None:
    labels = helm.pod()["metadata"]["labels"]
    assert labels.items() >= PAIR.items()
    assert "role" not in yaml.safe_dump(labels)


def test_only_database_pods_match_the_services() -> None:
    assert not PAIR.items() <= helm.objects()["Pod", "ha-postgres-test-primary"]["metadata"]["labels"].items()


def test_settings_of_the_tutorial() -> None:
    conf = helm.objects()["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"].splitlines()
    for line in ("wal_level = replica", "max_wal_senders = 99", "wal_keep_size = '512MB'", "recovery_target_timeline = 'latest'"):
        assert line in conf
    assert conf[-1] == "include_if_exists = '/run/hapg/conf/instance.conf'"


def test_the_password_is_not_rendered() -> None:
    assert "Secret" not in {kind for kind, _ in helm.objects()}


# --- names ---


@pytest.mark.parametrize(
    ("release", "options", "name"),
    [
        ("ha-postgres", (), "ha-postgres"),
        ("orders-ha-postgres", (), "orders-ha-postgres"),
        ("orders", (), "orders-ha-postgres"),
        ("orders", ("--set", "nameOverride=pg"), "orders-pg"),
        ("orders", ("--set", "fullnameOverride=hot-postgres"), "hot-postgres"),
    ],
)
def test_names(release: str, options: tuple[str, ...], name: str) -> None:
    assert ("StatefulSet", name) in helm.objects(*options, release=release)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_name_that_is_too_long_is_refused_and_not_cut(version: str) -> None:
    name = "a" * 53
    assert f'the name "{name}" has 53 characters; at most 52 are allowed' in helm.refusal(
        "--set", f"fullnameOverride={name}", version=version
    )
    assert ("StatefulSet", "a" * 52) in helm.objects("--set", f"fullnameOverride={'a' * 52}", version=version)


def test_a_name_that_no_service_can_have_is_refused() -> None:
    assert 'the name "1db-ha-postgres" is not allowed' in helm.refusal(release="1db")


def test_a_name_that_yaml_takes_for_something_else_is_refused() -> None:
    assert 'the name "null" is not allowed' in helm.refusal("--set-string", "fullnameOverride=null")


def test_a_namespace_of_digits() -> None:
    done = helm.run("helm3", "template", "ha-postgres", str(helm.CHART), "--namespace", "123")
    assert {document["metadata"]["namespace"] for document in helm.documents(done.stdout)} == {"123"}


def test_another_label_domain() -> None:
    found = helm.objects("--set", "labelDomain=example.org")
    assert "kubedb.com" not in yaml.safe_dump(list(found.values()))
    assert found["Service", "ha-postgres"]["spec"]["selector"] == {
        "example.org/kind": "Postgres",
        "example.org/name": "ha-postgres",
        "example.org/role": "primary",
    }


# --- what must not change by itself ---


@pytest.mark.parametrize("options", [("--set", "replicas=5"), ("--set", "standbyMode=hot"), ("--set", "failover.maxLagBytes=1")])
def test_the_pods_do_not_depend_on(options: tuple[str, str]) -> None:
    assert helm.pod(*options) == helm.pod()


def test_a_number_is_written_alike_however_it_was_given() -> None:
    """`--set` gives Helm an integer; from a file or an earlier release the same value is floating
    point.
    """
    name = "ConfigMap", "ha-postgres-config"
    by_file = helm.objects(*helm.values({"postgresql": {"parameters": {"max_connections": 200}}}))[name]
    assert helm.objects("--set", "postgresql.parameters.max_connections=200")[name] == by_file


def test_nothing_that_a_chart_release_changes_is_in_pods_or_claims() -> None:
    stateful_set = helm.objects()["StatefulSet", "ha-postgres"]
    text = yaml.safe_dump([stateful_set["spec"]["template"], stateful_set["spec"]["volumeClaimTemplates"]])
    assert "helm.sh/chart" not in text
    assert "app.kubernetes.io/version" not in text
    assert "15.0.0" not in text


# --- rights ---


@pytest.mark.parametrize("example", golden.NAMES)
def test_pods_satisfy_pod_security_restricted(example: str) -> None:
    found = helm.objects(*helm.example(example))
    pods = [document["spec"]["template"]["spec"] for (kind, _), document in found.items() if kind == "StatefulSet"]
    pods += [document["spec"] for (kind, _), document in found.items() if kind == "Pod"]
    assert len(pods) == 2
    jobs = [document["spec"]["jobTemplate"] for (kind, _), document in found.items() if kind == "CronJob"]
    pods += [job["spec"]["template"]["spec"] for job in jobs]
    for spec in pods:
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= VOLUMES_OF_RESTRICTED
        for container in helm.containers(spec).values():
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert not [port for port in container.get("ports", []) if "hostPort" in port]


def test_the_rights_of_the_pods() -> None:
    rules = helm.objects()["Role", "ha-postgres"]["rules"]
    assert [(rule["resources"], rule.get("resourceNames"), rule["verbs"]) for rule in rules] == [
        (["leases"], None, ["create"]),
        (["leases"], ["ha-postgres"], ["get", "update", "watch"]),
        (["pods"], None, ["list", "watch"]),
        (["pods"], [f"ha-postgres-{ordinal}" for ordinal in range(9)], ["patch"]),
        (["configmaps"], ["ha-postgres-config"], ["watch"]),
        (["events"], None, ["create"]),
        (["secrets"], None, ["create"]),
        (["secrets"], ["ha-postgres-auth", "ha-postgres-replication"], ["get"]),
    ]


def secret_sources(*options: str) -> dict[str, bool]:
    """Return the Secrets that a pod's volume `secret` shows, and whether the pod starts without them."""
    (volume,) = [volume for volume in helm.pod(*options)["spec"]["volumes"] if volume["name"] == "secret"]
    assert volume["projected"]["defaultMode"] == 0o440
    return {source["secret"]["name"]: source["secret"].get("optional", False) for source in volume["projected"]["sources"]}


def test_with_a_secret_of_ones_own_the_pods_have_no_right_to_it_and_wait_for_it() -> None:
    options = ("--set", "databaseSecret.secretName=own")
    rules = helm.objects(*options)["Role", "ha-postgres"]["rules"]
    named = [rule["resourceNames"] for rule in rules if "secrets" in rule["resources"] and "get" in rule["verbs"]]
    assert named == [["ha-postgres-replication"]]
    assert secret_sources(*options) == {"own": False, "ha-postgres-replication": True}
    assert secret_sources() == {"ha-postgres-auth": True, "ha-postgres-replication": True}


def test_no_password_is_in_an_environment() -> None:
    for container in helm.containers(helm.pod()["spec"]).values():
        assert not [entry for entry in container.get("env", []) if "secretKeyRef" in entry.get("valueFrom", {})]


def test_nothing_is_cluster_wide() -> None:
    assert not [kind for kind, _ in helm.objects() if kind.startswith("Cluster") or kind == "CustomResourceDefinition"]


@pytest.mark.parametrize(
    ("options", "name", "made"),
    [
        ((), "ha-postgres", True),
        (("--set", "serviceAccount.name=own"), "own", True),
        (("--set", "serviceAccount.create=false"), "default", False),
        (("--set", "serviceAccount.create=false,serviceAccount.name=own"), "own", False),
    ],
)
def test_the_service_account(options: tuple[str, ...], name: str, made: bool) -> None:
    found = helm.objects(*options)
    assert (("ServiceAccount", name) in found) is made
    assert helm.pod(*options)["spec"]["serviceAccountName"] == name
    assert found["RoleBinding", "ha-postgres"]["subjects"][0]["name"] == name


# --- images ---


@pytest.mark.parametrize(
    ("options", "images"),
    [
        ((), {"postgres:15", "ha-postgres-failover:0.1.0"}),
        (("--set", "global.imageRegistry=r.example"), {"r.example/postgres:15", "r.example/ha-postgres-failover:0.1.0"}),
        (("--set", "image.registry=r.example"), {"r.example/postgres:15", "ha-postgres-failover:0.1.0"}),
        (("--set-string", "image.tag=15.14"), {"postgres:15.14", "ha-postgres-failover:0.1.0"}),
        (("--set", f"failoverImage.digest=sha256:{'0' * 64}"), {"postgres:15", f"ha-postgres-failover:0.1.0@sha256:{'0' * 64}"}),
    ],
)
def test_images(options: tuple[str, ...], images: set[str]) -> None:
    found = helm.objects(*options)
    assert {container["image"] for container in helm.containers(helm.pod(*options)["spec"]).values()} == images
    assert helm.containers(found["Pod", "ha-postgres-test-primary"]["spec"])["psql"]["image"] in images


# --- scheduling ---


def test_pods_prefer_different_nodes_unless_told_otherwise() -> None:
    (term,) = helm.pod()["spec"]["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"] == {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": PAIR}}
    own: helm.Object = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    assert helm.pod(*helm.values({"affinity": own}))["spec"]["affinity"] == own


def test_a_spread_without_a_selector_counts_the_releases_pods() -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    own = {**spread, "labelSelector": {"matchLabels": {"a": "b"}}}
    assert helm.pod(*helm.values({"topologySpreadConstraints": [spread, own]}))["spec"]["topologySpreadConstraints"] == [
        {**spread, "labelSelector": {"matchLabels": PAIR}},
        own,
    ]


def test_the_labels_of_pods_are_on_those_of_jobs_too_which_no_service_selects() -> None:
    """But for the import's, which is a Job of another name with another pod."""
    archiver = {"type": "s3", "bucket": "b", "region": "r", "secretName": "s"}
    backup = {"schedules": {"full": "0 3 * * 0"}, "verify": {"schedule": "0 4 * * 0"}}
    selecting = {"kubedb.com/name": "ha-postgres", "kubedb.com/kind": "Postgres", "ha-postgres/name": "other"}
    labels = {"team": "orders", "app.kubernetes.io/component": "other", **selecting}
    rendered = helm.objects(*helm.values({"archiver": archiver, "backup": backup, "wipeOut": True, "podLabels": labels}))
    templates = [each["spec"]["jobTemplate"]["spec"]["template"] for (kind, _), each in rendered.items() if kind == "CronJob"]
    templates += [each["spec"]["template"] for (kind, _), each in rendered.items() if kind == "Job"]
    found = [each["metadata"]["labels"] for each in templates]
    assert len(found) == 3
    for each in found:
        assert each["team"] == "orders"
        assert each["app.kubernetes.io/component"] in ("backup", "wipe")
        assert each.get("ha-postgres/name", "ha-postgres") == "ha-postgres"
        assert not {"kubedb.com/name", "kubedb.com/kind"} & each.keys()
