"""The upgrade guard: the differences, and the effect of each."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg.chart import manifests
from hapg.cli import main
from hapg.upgrade import differences, impact
from hapg.upgrade.impact import Effect
from hapg_protocol.start_settings import RELOADED
from tests.unit.generator.conftest import WARM

Objects = dict[str, Any]
RENDERED = Path(__file__).parents[3] / "values-examples" / "rendered" / "tutorial-warm.yaml"


@cache
def rendered() -> list[manifests.Manifest]:
    return manifests.read(RENDERED.read_bytes(), "rendered")


def release() -> list[manifests.Manifest]:
    return copy.deepcopy(rendered())


def find(objects: list[manifests.Manifest], kind: str, name: str = "ha-postgres") -> Any:
    return next(each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name)


def judged(change: Callable[[list[manifests.Manifest]], object]) -> tuple[Effect, list[str]]:
    """The worst effect of a change of the tutorial's release, and where the changes are."""
    new = release()
    change(new)
    found = impact.compare(release(), new)
    return impact.worst(found), [
        f"{each.name.split(' ')[0]} {finding.change.where if finding.change else finding.reason}"
        for each in found
        for finding in each.findings
    ]


def pods(objects: list[manifests.Manifest]) -> Any:
    return find(objects, "StatefulSet")["spec"]["template"]["spec"]


def in_settings(objects: list[manifests.Manifest], **changed: object) -> None:
    data = find(objects, "ConfigMap", "ha-postgres-config")["data"]
    data["failover.json"] = json.dumps({**json.loads(data["failover.json"]), **changed})


def without(objects: list[manifests.Manifest], kind: str, name: str = "ha-postgres") -> None:
    objects.remove(find(objects, kind, name))


def parameter(objects: list[manifests.Manifest], old: str, new: str) -> None:
    data = find(objects, "ConfigMap", "ha-postgres-config")["data"]
    assert old in data["postgresql.conf"]
    data["postgresql.conf"] = data["postgresql.conf"].replace(old, new)


def families(objects: list[manifests.Manifest], *names: str) -> None:
    find(objects, "Service")["spec"]["ipFamilies"] = list(names)


FAMILIES = "Service/ha-postgres spec.ipFamilies"
SET = "StatefulSet/ha-postgres spec."
CONFIG = "ConfigMap/ha-postgres-config data."

CASES: dict[str, tuple[Callable[[list[manifests.Manifest]], object], Effect, str]] = {
    "label": (
        lambda found: find(found, "StatefulSet")["metadata"]["labels"].update({"helm.sh/chart": "ha-postgres-15.9.9"}),
        Effect.NOTHING,
        "StatefulSet/ha-postgres metadata.labels.helm.sh/chart",
    ),
    "more servers": (lambda found: find(found, "StatefulSet")["spec"].update(replicas=5), Effect.NOTHING, SET + "replicas"),
    "dormant": (lambda found: find(found, "StatefulSet")["spec"].update(replicas=0), Effect.CUT_OFF, SET + "replicas"),
    "fewer servers": (lambda found: find(found, "StatefulSet")["spec"].update(replicas=2), Effect.SWITCHOVER, SET + "replicas"),
    "fewer servers and volumes": (
        lambda found: find(found, "StatefulSet")["spec"].update(replicas=2, persistentVolumeClaimRetentionPolicy={"whenScaled": "Delete"}),
        Effect.DATA,
        SET + "replicas",
    ),
    "volumes that go": (
        lambda found: find(found, "StatefulSet")["spec"]["persistentVolumeClaimRetentionPolicy"].update(whenDeleted="Delete"),
        Effect.DATA,
        SET + "persistentVolumeClaimRetentionPolicy.whenDeleted",
    ),
    "image": (
        lambda found: pods(found)["containers"][0].update(image="postgres:15.9"),
        Effect.SWITCHOVER,
        SET + "template.spec.containers[postgres].image",
    ),
    "container": (
        lambda found: pods(found)["containers"].insert(0, {"name": "x", "image": "x"}),
        Effect.SWITCHOVER,
        SET + "template.spec.containers[x]",
    ),
    "annotation of the pods": (
        lambda found: find(found, "StatefulSet")["spec"]["template"]["metadata"]["annotations"].update(a="b"),
        Effect.SWITCHOVER,
        SET + "template.metadata.annotations.a",
    ),
    "volume of the data": (
        lambda found: pods(found)["volumes"].append({"name": "data", "emptyDir": {}}),
        Effect.DATA,
        SET + "template.spec.volumes[data]",
    ),
    "another volume": (
        lambda found: pods(found)["volumes"].append({"name": "x", "emptyDir": {}}),
        Effect.SWITCHOVER,
        SET + "template.spec.volumes[x]",
    ),
    "TLS that is required at once": (
        lambda found: pods(found)["containers"][0]["env"].append({"name": "HAPG_SSLMODE", "value": "verify-ca"}),
        Effect.DATA,
        SET + "template.spec.containers[postgres].env[HAPG_SSLMODE]",
    ),
    "TLS that is allowed": (
        lambda found: pods(found)["containers"][0]["env"].append({"name": "HAPG_SSLMODE", "value": "prefer"}),
        Effect.SWITCHOVER,
        SET + "template.spec.containers[postgres].env[HAPG_SSLMODE]",
    ),
    "user": (
        lambda found: pods(found)["securityContext"].update(runAsUser=70),
        Effect.DATA,
        SET + "template.spec.securityContext.runAsUser",
    ),
    "selector": (
        lambda found: find(found, "StatefulSet")["spec"]["selector"]["matchLabels"].update(x="y"),
        Effect.IMMUTABLE,
        SET + "selector.matchLabels.x",
    ),
    "service of the pods": (
        lambda found: find(found, "StatefulSet")["spec"].update(serviceName="x"),
        Effect.IMMUTABLE,
        SET + "serviceName",
    ),
    "pod management": (
        lambda found: find(found, "StatefulSet")["spec"].update(podManagementPolicy="OrderedReady"),
        Effect.IMMUTABLE,
        SET + "podManagementPolicy",
    ),
    "class of the claims": (
        lambda found: find(found, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"].update(storageClassName="fast"),
        Effect.IMMUTABLE,
        SET + "volumeClaimTemplates[0].spec.storageClassName",
    ),
    "label of the claims": (
        lambda found: find(found, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["metadata"].update(labels={"a": "b"}),
        Effect.IMMUTABLE,
        SET + "volumeClaimTemplates[0].metadata.labels",
    ),
    "update strategy": (
        lambda found: find(found, "StatefulSet")["spec"]["updateStrategy"].update(type="OnDelete"),
        Effect.NOTHING,
        SET + "updateStrategy.type",
    ),
    "stateful set goes": (lambda found: without(found, "StatefulSet"), Effect.DATA, "StatefulSet/ha-postgres is removed: its servers stop"),
    "renamed": (
        lambda found: find(found, "StatefulSet")["metadata"].update(name="other"),
        Effect.DATA,
        "StatefulSet/ha-postgres is removed: its servers stop",
    ),
    "another namespace": (
        lambda found: find(found, "StatefulSet")["metadata"].update(namespace="other"),
        Effect.DATA,
        "StatefulSet/ha-postgres is removed: its servers stop",
    ),
    "mode of the standbys": (lambda found: in_settings(found, standbyMode="hot"), Effect.STANDBYS, CONFIG + "failover.json.standbyMode"),
    "times": (lambda found: in_settings(found, failover={}), Effect.RELOAD, CONFIG + "failover.json.failover.maxLagBytes"),
    "a setting that is new": (lambda found: in_settings(found, x=1), Effect.RELOAD, CONFIG + "failover.json.x"),
    "count in the settings": (lambda found: in_settings(found, replicas=5), Effect.NOTHING, CONFIG + "failover.json.replicas"),
    "another major": (
        lambda found: in_settings(found, postgresMajor={"major": "16"}),
        Effect.DATA,
        CONFIG + "failover.json.postgresMajor.major",
    ),
    "declared roles": (
        lambda found: find(found, "ConfigMap", "ha-postgres-config")["data"].update({"roles.json": "{}"}),
        Effect.RELOAD,
        CONFIG + "roles.json",
    ),
    "name in the settings": (lambda found: in_settings(found, name="x"), Effect.DATA, CONFIG + "failover.json.name"),
    "settings that are none": (
        lambda found: find(found, "ConfigMap", "ha-postgres-config")["data"].update({"failover.json": "{"}),
        Effect.RELOAD,
        CONFIG + "failover.json",
    ),
    "parameter that is read at a start": (
        lambda found: parameter(found, "max_connections = 100\n", "max_connections = 50\n"),
        Effect.SWITCHOVER,
        CONFIG + "postgresql.conf.max_connections",
    ),
    "parameter that is reloaded": (
        lambda found: parameter(found, f"{RELOADED}\n", f"{RELOADED}\nwork_mem = '8MB'\n"),
        Effect.RELOAD,
        CONFIG + "postgresql.conf",
    ),
    "postgresql.conf": (
        lambda found: find(found, "ConfigMap", "ha-postgres-config")["data"].update({"postgresql.conf": "x = 1\n"}),
        Effect.RELOAD,
        CONFIG + "postgresql.conf",
    ),
    "pg_hba.conf": (
        lambda found: find(found, "ConfigMap", "ha-postgres-config")["data"].update({"pg_hba.conf": "local all all trust\n"}),
        Effect.CUT_OFF,
        CONFIG + "pg_hba.conf",
    ),
    "service's selector": (
        lambda found: find(found, "Service")["spec"]["selector"].update(x="y"),
        Effect.CUT_OFF,
        "Service/ha-postgres spec.selector.x",
    ),
    "service's port": (
        lambda found: find(found, "Service")["spec"]["ports"][0].update(port=6432),
        Effect.CUT_OFF,
        "Service/ha-postgres spec.ports[postgresql].port",
    ),
    "port of the pods' names": (
        lambda found: find(found, "Service", "ha-postgres-pods")["spec"]["ports"].append({"name": "x", "port": 1}),
        Effect.NOTHING,
        "Service/ha-postgres-pods spec.ports[x]",
    ),
    "service's address": (
        lambda found: find(found, "Service", "ha-postgres-pods")["spec"].pop("clusterIP"),
        Effect.IMMUTABLE,
        "Service/ha-postgres-pods spec.clusterIP",
    ),
    "service's type": (
        lambda found: find(found, "Service")["spec"].update(type="LoadBalancer"),
        Effect.NOTHING,
        "Service/ha-postgres spec.type",
    ),
    "service elsewhere": (
        lambda found: find(found, "Service")["spec"].update(type="ExternalName"),
        Effect.CUT_OFF,
        "Service/ha-postgres spec.type",
    ),
    "first families of a service": (lambda found: families(found, "IPv6"), Effect.IMMUTABLE, FAMILIES),
    "service for clients of its own node": (
        lambda found: find(found, "Service")["spec"].update(internalTrafficPolicy="Local"),
        Effect.CUT_OFF,
        "Service/ha-postgres spec.internalTrafficPolicy",
    ),
    "service for clients of all nodes": (
        lambda found: find(found, "Service")["spec"].update(internalTrafficPolicy="Cluster"),
        Effect.NOTHING,
        "Service/ha-postgres spec.internalTrafficPolicy",
    ),
    "service of both families": (
        lambda found: find(found, "Service")["spec"].update(ipFamilyPolicy="PreferDualStack"),
        Effect.NOTHING,
        "Service/ha-postgres spec.ipFamilyPolicy",
    ),
    "service of one family": (
        lambda found: find(found, "Service")["spec"].update(ipFamilyPolicy="SingleStack"),
        Effect.CUT_OFF,
        "Service/ha-postgres spec.ipFamilyPolicy",
    ),
    "protocol of a port": (
        lambda found: find(found, "Service")["spec"]["ports"][0].update(appProtocol="tcp"),
        Effect.NOTHING,
        "Service/ha-postgres spec.ports[postgresql].appProtocol",
    ),
    "service that comes": (
        lambda found: found.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {}}),
        Effect.NOTHING,
        "Service/x is added",
    ),
    "service goes": (
        lambda found: without(found, "Service", "ha-postgres-replicas"),
        Effect.CUT_OFF,
        "Service/ha-postgres-replicas is removed: clients that use its name can no longer connect",
    ),
    "more rights": (
        lambda found: find(found, "Role")["rules"].append({"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}),
        Effect.NOTHING,
        "Role/ha-postgres rules",
    ),
    "fewer rights": (lambda found: find(found, "Role")["rules"].pop(), Effect.SWITCHOVER, "Role/ha-postgres rules"),
    "role goes": (
        lambda found: without(found, "Role"),
        Effect.SWITCHOVER,
        "Role/ha-postgres is removed: without its rights the primary stops",
    ),
    "another role": (
        lambda found: find(found, "RoleBinding")["roleRef"].update(name="x"),
        Effect.IMMUTABLE,
        "RoleBinding/ha-postgres roleRef.name",
    ),
    "another account": (
        lambda found: find(found, "RoleBinding")["subjects"][0].update(namespace="x"),
        Effect.SWITCHOVER,
        "RoleBinding/ha-postgres subjects[ha-postgres].namespace",
    ),
    "budget": (
        lambda found: find(found, "PodDisruptionBudget")["spec"].update(maxUnavailable=2),
        Effect.NOTHING,
        "PodDisruptionBudget/ha-postgres spec.maxUnavailable",
    ),
    "budget goes": (lambda found: without(found, "PodDisruptionBudget"), Effect.NOTHING, "PodDisruptionBudget/ha-postgres is removed"),
    "the test": (
        lambda found: find(found, "Pod", "ha-postgres-test-primary")["spec"]["containers"][0].update(image="x"),
        Effect.NOTHING,
        "Pod/ha-postgres-test-primary spec.containers[psql].image",
    ),
    "something new": (
        lambda found: found.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}}),
        Effect.NOTHING,
        "Secret/x is added",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_change_does(name: str) -> None:
    change, effect, where = CASES[name]
    worst, places = judged(change)
    assert worst is effect
    assert [place for place in places if place.startswith(where)], places


def one(kind: str, **content: Any) -> list[manifests.Manifest]:
    return [{"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, **content}]


@pytest.mark.parametrize(
    ("kind", "old", "new", "effect"),
    [
        ("Secret", {"data": {"a": "1"}}, {"data": {"a": "2"}}, Effect.RELOAD),
        ("Secret", {"type": "Opaque"}, {"type": "kubernetes.io/tls"}, Effect.IMMUTABLE),
        ("Secret", {"data": {"a": "1"}, "immutable": True}, {"data": {"a": "2"}, "immutable": True}, Effect.IMMUTABLE),
        ("ConfigMap", {"data": {"a": "1"}, "immutable": True}, {"data": {"a": "2"}, "immutable": True}, Effect.IMMUTABLE),
        ("ConfigMap", {"immutable": True}, {}, Effect.IMMUTABLE),
        ("ConfigMap", {}, {"immutable": True}, Effect.NOTHING),
        ("PersistentVolumeClaim", {"spec": {"storageClassName": "a"}}, {"spec": {"storageClassName": "b"}}, Effect.IMMUTABLE),
        (
            "PersistentVolumeClaim",
            {"spec": {"resources": {"requests": {"storage": "1Gi"}}}},
            {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
            Effect.NOTHING,
        ),
        ("Job", {"spec": {"template": 1}}, {"spec": {"template": 2}}, Effect.IMMUTABLE),
        ("Job", {"spec": {"suspend": True}}, {"spec": {"suspend": False}}, Effect.NOTHING),
        ("Deployment", {"spec": {"selector": 1}}, {"spec": {"selector": 2}}, Effect.IMMUTABLE),
        ("Deployment", {"spec": {"template": 1}}, {"spec": {"template": 2}}, Effect.NOTHING),
        ("NetworkPolicy", {"spec": {"ingress": []}}, {"spec": {"ingress": [{}]}}, Effect.NOTHING),
        ("NetworkPolicy", {"spec": {"ingress": [{}]}}, {"spec": {"ingress": []}}, Effect.CUT_OFF),
        ("NetworkPolicy", {"spec": {"ingress": [{"ports": [1]}]}}, {"spec": {"ingress": [{"ports": [1, 2]}]}}, Effect.NOTHING),
        ("NetworkPolicy", {"spec": {"ingress": [{"ports": [1, 2]}]}}, {"spec": {"ingress": [{"ports": [1]}]}}, Effect.CUT_OFF),
        ("NetworkPolicy", {"spec": {"egress": [{"to": [1]}]}}, {"spec": {"egress": [{"to": [1]}, {"to": [2]}]}}, Effect.NOTHING),
        ("NetworkPolicy", {"spec": {"podSelector": {}}}, {"spec": {"podSelector": {"matchLabels": {"a": "b"}}}}, Effect.CUT_OFF),
        ("NetworkPolicy", {"spec": {"policyTypes": ["Ingress"]}}, {"spec": {"policyTypes": ["Ingress", "Egress"]}}, Effect.CUT_OFF),
        (
            "Service",
            {"spec": {"loadBalancerSourceRanges": ["10.0.0.0/8"]}},
            {"spec": {"loadBalancerSourceRanges": ["::/0"]}},
            Effect.CUT_OFF,
        ),
        ("Service", {"spec": {"loadBalancerSourceRanges": ["x"]}}, {"spec": {"loadBalancerSourceRanges": ["x", "y"]}}, Effect.NOTHING),
        ("Service", {"spec": {"loadBalancerIP": "10.0.0.1"}}, {"spec": {"loadBalancerIP": "10.0.0.2"}}, Effect.CUT_OFF),
        ("Service", {"spec": {"type": "NodePort"}}, {"spec": {}}, Effect.CUT_OFF),
        ("Service", {"spec": {"ipFamilies": ["IPv4"]}}, {"spec": {"ipFamilies": ["IPv4", "IPv6"]}}, Effect.NOTHING),
        ("Service", {"spec": {"ipFamilies": ["IPv4", "IPv6"]}}, {"spec": {"ipFamilies": ["IPv4"]}}, Effect.CUT_OFF),
        ("Service", {"spec": {"ipFamilies": ["IPv4", "IPv6"]}}, {"spec": {"ipFamilies": ["IPv6", "IPv4"]}}, Effect.IMMUTABLE),
        ("Service", {"spec": {"ipFamilies": ["IPv6"]}}, {"spec": {}}, Effect.NOTHING),
        ("Widget", {"spec": 1}, {"spec": 2}, Effect.NOTHING),
    ],
)
def test_other_objects(kind: str, old: Objects, new: Objects, effect: Effect) -> None:
    assert impact.worst(impact.compare(one(kind, **old), one(kind, **new))) is effect


CHART_S_OWN = "local all all trust\nhost all all 0.0.0.0/0 md5\nhost all all ::/0 md5\n"


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("host a b all md5", "# says nothing\n\nhost  a  b all   md5", Effect.RELOAD),
        ("host a b all md5", "host a b all md5\nhost all all all reject", Effect.RELOAD),
        ("host a b all md5", "host a c all trust\nhost a b all md5", Effect.RELOAD),
        ("host a b all md5", "host a b 10.0.0.0 255.0.0.0 md5\nhost a b all md5", Effect.RELOAD),
        (CHART_S_OWN, CHART_S_OWN.replace("host", "host c d ::1/128 md5\nhost", 1), Effect.RELOAD),
        ("hostnossl all all all reject\nhostssl all all all md5", "host all all all md5", Effect.RELOAD),
        ("host a b all md5", "host a b 10.0.0.0/8 reject\nhost a b all md5", Effect.CUT_OFF),
        ("host a b all md5", "host a b 10.0.0.0/8 ldap ldapserver=x\nhost a b all md5", Effect.CUT_OFF),
        ("host a b all trust", "host a b all md5\nhost a b all trust", Effect.CUT_OFF),
        ("host a b all md5", "hostssl a b all md5", Effect.CUT_OFF),
        ("host a b all md5\nhost c d all md5", "host a b all md5", Effect.CUT_OFF),
        ("host a b all md5\nhost c d all reject", "host c d all reject\nhost a b all md5", Effect.CUT_OFF),
        ("local", "local all", Effect.CUT_OFF),
    ],
)
def test_who_may_log_in(old: str, new: str, effect: Effect) -> None:
    documents = [
        [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"pg_hba.conf": text}}] for text in (old, new)
    ]
    assert impact.worst(impact.compare(*documents)) is effect


@pytest.mark.parametrize(("kind", "effect"), [("PersistentVolumeClaim", Effect.DATA), ("Secret", Effect.DATA), ("Widget", Effect.NOTHING)])
def test_other_objects_that_go(kind: str, effect: Effect) -> None:
    assert impact.worst(impact.compare(one(kind), [])) is effect


def test_a_new_network_policy_may_cut_clients_off() -> None:
    assert impact.worst(impact.compare([], one("NetworkPolicy"))) is Effect.CUT_OFF
    assert impact.worst(impact.compare(one("NetworkPolicy"), [])) is Effect.NOTHING


@pytest.mark.parametrize(
    ("old", "new", "effect"),
    [
        ("postgres:15", "registry.example.com:5000/a/postgres:16.2-bookworm", Effect.DATA),
        ("postgres:9.6.24", "postgres:10.1", Effect.DATA),
        ("postgres:9.6.1", "postgres:9.6.24", Effect.SWITCHOVER),
        ("postgres:15", "postgres:15.4@sha256:0", Effect.SWITCHOVER),
        ("postgres:15", "postgres@sha256:0", Effect.SWITCHOVER),
        ("postgres:15", "registry.example.com:16/postgres:latest", Effect.SWITCHOVER),
    ],
)
def test_an_image_of_another_major_cannot_read_the_data(old: str, new: str, effect: Effect) -> None:
    before, after = release(), release()
    for objects, image in ((before, old), (after, new)):
        pods(objects)["containers"][0]["image"] = image
    assert impact.worst(impact.compare(before, after)) is effect


def test_changed_scripts_of_the_first_server_do_nothing() -> None:
    def scripts(text: str) -> list[manifests.Manifest]:
        return [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x-initdb"}, "data": {"a.sql": text}}]

    assert impact.worst(impact.compare(scripts("SELECT 1"), scripts("SELECT 2"))) is Effect.NOTHING


def test_a_dormant_release_and_one_that_is_wiped_with_its_uninstallation_are_told_of() -> None:
    old = release()
    asleep = copy.deepcopy(old)
    find(asleep, "StatefulSet")["spec"]["replicas"] = 0
    assert [finding.reason for diff in impact.compare(old, asleep) for finding in diff.findings] == [
        "all servers shut down, until the release goes on; their volumes are kept"
    ]
    [diff] = impact.compare(asleep, old)
    assert (diff.worst, diff.findings[0].reason) == (Effect.NOTHING, "the release goes on with its data")
    hook = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x-wipe", "annotations": {"helm.sh/hook": "post-delete"}}}
    [diff] = impact.compare(old, [*old, hook])
    assert (diff.worst, diff.findings[0].reason) == (Effect.DATA, "it deletes all data of the release once that is uninstalled")
    [diff] = impact.compare([*old, hook], old)
    assert diff.worst is Effect.NOTHING


def test_a_size_that_changes_leads_to_resize() -> None:
    new = copy.deepcopy(release())
    find(new, "StatefulSet")["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = "900Gi"
    [diff] = impact.compare(release(), new)
    [finding] = diff.findings
    assert (finding.effect, finding.reason) == (
        Effect.IMMUTABLE,
        "Kubernetes refuses to change the claims of a StatefulSet; `hapg resize` changes their size",
    )


def test_the_only_server_is_told_of() -> None:
    old = release()
    find(old, "StatefulSet")["spec"]["replicas"] = 1
    new = copy.deepcopy(old)
    pods(new)["containers"][0]["image"] = "postgres:15.9"
    (diff,) = impact.compare(old, new)
    assert [finding.reason for finding in diff.findings] == ["the only server restarts"]


def test_an_order_that_changes_is_a_change() -> None:
    (change,) = differences.changes([{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}])
    assert change.where == "[order]"


def test_true_is_not_one() -> None:
    assert [change.where for change in differences.changes({"a": True}, {"a": 1})] == ["a"]


DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(0, 3), st.sampled_from("ab")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["name", "a", "b"]), inner, max_size=3),
        st.lists(st.fixed_dictionaries({"name": st.sampled_from("abc"), "x": inner}), max_size=3),
    ),
    max_leaves=12,
)


@given(DOCUMENTS, DOCUMENTS)
def test_there_is_a_change_if_and_only_if_the_documents_differ(old: object, new: object) -> None:
    assert bool(list(differences.changes(old, new))) == (json.dumps(old, sort_keys=True) != json.dumps(new, sort_keys=True))


class TestCommand:
    @pytest.fixture
    def new(self, tmp_path: Path) -> Path:
        objects = release()
        find(objects, "StatefulSet")["spec"]["replicas"] = 2
        in_settings(objects, standbyMode="hot")
        data = find(objects, "ConfigMap", "ha-postgres-config")["data"]
        data["pg_hba.conf"] += "host all all ::1/128 reject\n"
        (tmp_path / "new.yaml").write_text(manifests.text(objects))
        return tmp_path / "new.yaml"

    def test_says_what_changes_and_how_bad_it_is(self, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", str(RENDERED), str(new)]) == 13
        assert capsys.readouterr().out == (
            "ConfigMap/ha-postgres-config in demo: restart of standbys\n"
            '  data.failover.json.standbyMode: "warm" -> "hot" (restart of standbys: standbys restart in the other mode)\n'
            "  data.pg_hba.conf: (reload: read once the kubelet has updated the files; servers reload them)\n"
            "    +host all all ::1/128 reject\n"
            "StatefulSet/ha-postgres in demo: switchover\n"
            "  spec.replicas: 3 -> 2 (switchover: the servers with the highest ordinals are removed; "
            "a primary among them switches over first)\n"
            "worst: switchover\n"
        )

    def test_as_json(self, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", str(RENDERED), str(new), "-o", "json"]) == 13
        found = json.loads(capsys.readouterr().out)
        assert (found["worst"], found["exitCode"]) == ("switchover", 13)
        assert [(each["object"], each["worst"]) for each in found["objects"]] == [
            ("ConfigMap/ha-postgres-config in demo", "restart of standbys"),
            ("StatefulSet/ha-postgres in demo", "switchover"),
        ]
        reason = "the servers with the highest ordinals are removed; a primary among them switches over first"
        assert found["objects"][1]["changes"] == [
            {"effect": "switchover", "reason": reason, "path": "spec.replicas", "old": 3, "new": 2},
        ]
        assert main(["diff", str(RENDERED), str(RENDERED), "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"worst": "nothing", "exitCode": 0, "objects": []}

    def test_as_markdown(self, new: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", str(RENDERED), str(new), "-o", "markdown"]) == 13
        assert capsys.readouterr().out == (
            "Worst effect: **switchover**\n\n| object | effect | change |\n|---|---|---|\n"
            "| ConfigMap/ha-postgres-config in demo | restart of standbys | "
            'data.failover.json.standbyMode: "warm" -> "hot" (restart of standbys: standbys restart in the other mode) |\n'
            "| ConfigMap/ha-postgres-config in demo | reload | "
            "data.pg\\_hba.conf: (reload: read once the kubelet has updated the files; servers reload them) |\n"
            "| StatefulSet/ha-postgres in demo | switchover | spec.replicas: 3 -> 2 (switchover: the servers with the highest ordinals "
            "are removed; a primary among them switches over first) |\n"
        )
        assert main(["diff", str(RENDERED), str(RENDERED), "-o", "markdown"]) == 0
        assert capsys.readouterr().out == "No difference.\n"

    def test_another_release_is_told_of(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "new").write_text(RENDERED.read_text().replace("ha-postgres", "orders"))
        assert main(["diff", str(RENDERED), str(tmp_path / "new")]) == 16
        assert capsys.readouterr().err == (
            "warning: OLD is ha-postgres in demo, NEW is orders in demo; --release and --namespace say how a chart is rendered\n"
        )

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "no objects in it; a chart, a package (.tgz) or a file of rendered manifests is expected"),
            ("# nothing\n", "no objects in it"),
            (WARM, "a spec, not a chart; `hapg generate` makes one of it"),
            ("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n", "1 objects, but no release of hapg's among them"),
            ("version: '15'\n", "manifest 1 (None None): apiVersion: a string that is not empty is expected"),
        ],
    )
    @pytest.mark.parametrize("side", [0, 1])
    def test_a_file_without_a_release_is_an_error(
        self, side: int, text: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """As nothing, it would make everything new and nothing at risk."""
        (tmp_path / "other.yaml").write_text(text)
        sides = [str(RENDERED), str(RENDERED)]
        sides[side] = str(tmp_path / "other.yaml")
        assert main(["diff", *sides]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert f"error: {tmp_path}/other.yaml: {sentence}" in captured.err

    def test_labels_take_one_line(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        objects = release()
        find(objects, "Service")["metadata"]["labels"].update({"helm.sh/chart": "ha-postgres-15.9.9", "example.com/team": "orders"})
        (tmp_path / "new.yaml").write_text(manifests.text(objects))
        assert main(["diff", str(RENDERED), str(tmp_path / "new.yaml")]) == 0
        assert capsys.readouterr().out == (
            "Service/ha-postgres in demo: nothing\n"
            "  labels change: metadata.labels.example.com/team, metadata.labels.helm.sh/chart\n"
            "worst: nothing\n"
        )

    def test_nothing(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", str(RENDERED), str(RENDERED)]) == 0
        assert capsys.readouterr().out == "no difference\n"

    def test_a_secret_is_not_shown(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name, password in (("old", "hunter2"), ("new", "hunter3")):
            secrets: list[manifests.Manifest] = []
            for kind in ("plain", "immutable", "hook"):
                annotations = {"last-applied": password} | ({"helm.sh/hook": "pre-install"} if kind == "hook" else {})
                metadata = {"name": kind, "annotations": annotations}
                content = {"stringData": {"password": password}, "immutable": kind == "immutable"}
                secrets.append({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **content})
            (tmp_path / name).write_text(manifests.text([*release(), *secrets]))
        for output in ("text", "json", "markdown"):
            assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new"), "-o", output]) == 15
            assert "hunter" not in capsys.readouterr().out

    def test_a_long_text_is_cut(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for name, lines in (("old", ""), ("new", "".join(f"{number}\n" for number in range(100)))):
            (tmp_path / name).write_text(manifests.text([*release(), *one("ConfigMap", data={"a": "x\n" + lines})]))
        assert main(["diff", str(tmp_path / "old"), str(tmp_path / "new")]) == 11
        assert "    … 80 more lines\n" in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["orders", "orders-ha-postgres"])
    def test_what_is_installed(
        self, name: str, new: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """With programs in the place of kubectl and helm, which note their arguments."""
        (tmp_path / "bin").mkdir()
        (tmp_path / "chart").mkdir()
        (tmp_path / "chart" / "Chart.yaml").write_text("name: x\n")
        config = {"metadata": {"labels": {"app.kubernetes.io/instance": "orders"}}}
        (tmp_path / "config").write_text(json.dumps(config) if name == "orders-ha-postgres" else "")
        (tmp_path / "bin" / "kubectl").write_text(f"#!/bin/sh\ncat {tmp_path}/config\n")
        (tmp_path / "bin" / "helm").write_text(
            f'#!/bin/sh\necho "$@" >> {tmp_path}/given\ncase "$1 $2" in\n"get manifest") cat {RENDERED};;\n'
            f'"get values") echo "standbyMode: hot";;\n*) [ "$6" = --values ] && cat "$7" >> {tmp_path}/given; cat {new};;\nesac\n'
        )
        for program in (tmp_path / "bin").iterdir():
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
        assert main(["diff", "--live", name, str(tmp_path / "chart"), "-n", "demo", "--context", "here"]) == 13
        assert "Pod/" not in capsys.readouterr().out.replace("Pod/ha-postgres-test-primary in demo: nothing\n  is removed\n", "")
        said = (tmp_path / "given").read_text().splitlines()
        assert said[:2] == [
            "get manifest orders --namespace demo --kube-context here",
            "get values orders --namespace demo --output yaml --kube-context here",
        ]
        assert said[2].startswith(f"template orders {tmp_path}/chart --namespace demo --values ")
        assert said[3] == "standbyMode: hot"
        assert main(["diff", "--live", name, str(tmp_path / "chart"), "-n", "demo", "--set", "replicas=2"]) == 13
        assert (tmp_path / "given").read_text().splitlines()[-1].endswith("--namespace demo --set replicas=2")

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["new.yaml"], "give either OLD and NEW, or --live RELEASE and NEW"),
            (["old.yaml", "new.yaml", "--live", "pg"], "give either OLD and NEW, or --live RELEASE and NEW"),
            (["new.yaml", "--live", "pg", "--release", "pg"], "--release: not with --live, which names the release"),
        ],
    )
    def test_one_side_too_many_or_too_few(self, arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["diff", *arguments]) == 2
        assert capsys.readouterr().err == f"error: {sentence}\n"

    @pytest.mark.parametrize(
        ("name", "code", "sentence"),
        [
            ("none.yaml", 2, "none.yaml: can't be read: No such file or directory"),
            ("folder", 2, "folder: directory without Chart.yaml; a chart, a package (.tgz) or a file of rendered manifests is expected"),
            ("chart", 1, "no-helm-of-this-name not found; install helm 3 or 4, or name it with --helm"),
        ],
    )
    def test_what_is_neither(self, name: str, code: int, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "folder").mkdir()
        (tmp_path / "chart").mkdir()
        (tmp_path / "chart" / "Chart.yaml").write_text("name: x\n")
        assert main(["diff", str(RENDERED), str(tmp_path / name), "--helm", "no-helm-of-this-name"]) == code
        assert sentence in capsys.readouterr().err
