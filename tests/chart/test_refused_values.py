"""Values that Kubernetes or a container runtime would refuse, or that would do harm: helm names the value instead, in one line."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hapg.chart import values
from tests.chart import helm, kubernetes_schemas

LONG = "x" * 80
VOLUME = {"extraVolumes": [{"name": "x", "emptyDir": {}}]}
KEY = "is not a key of a label or an annotation"


def _mounts(*paths: str) -> dict[str, Any]:
    return VOLUME | {"extraVolumeMounts": [{"name": "x", "mountPath": path} for path in paths]}


def _container(**keys: object) -> dict[str, Any]:
    return {"extraContainers": [{"name": "a", "image": "a", **keys}]}


def _resources(value: str, request: object, limit: object) -> dict[str, Any]:
    return {value: {"requests": {"memory": request}, "limits": {"memory": limit}}}


BY_SCHEMA: list[tuple[dict[str, Any], str]] = [
    ({"extraVolumes": [{"name": "a b", "emptyDir": {}}]}, "extraVolumes[0].name"),
    (_mounts("tmp"), "extraVolumeMounts[0].mountPath"),
    (_mounts("/a:b"), "extraVolumeMounts[0].mountPath"),
    (VOLUME | {"extraVolumeMounts": [{"name": "x", "mountPath": "/a", "subPath": "../b"}]}, "extraVolumeMounts[0].subPath"),
    *(({"extraEnv": [{"name": "A", "value": value}]}, "extraEnv[0].value") for value in (1, True, 0, 1.5)),
    ({"extraEnv": [{"name": "A B", "value": "1"}]}, "extraEnv[0].name"),
    ({"extraEnv": [{"name": "A", "val": "1"}]}, "extraEnv[0].val"),
    (_container(env=[{"name": "A", "value": 1}]), "extraContainers[0].env[0].value"),
    (_container(name="A_b"), "extraContainers[0].name"),
    (_container(image="https://r/a"), "extraContainers[0].image"),
    ({"extraEnvFrom": [{"secretRef": {"name": "a b"}}]}, "extraEnvFrom[0].secretRef.name"),
    ({"service.type": "NodePort", "service.nodePort": 29999}, "service.nodePort"),
    *(
        ({"service.type": "LoadBalancer", "service.loadBalancerSourceRanges": [cidr]}, "service.loadBalancerSourceRanges[0]")
        for cidr in ("10.0.0.0", "10.0.0.0/33", "10.0.0/8", "010.0.0.0/8", "256.0.0.0/8", "fd00::/129", "fd00:/8", "any", "")
    ),
    ({"service.type": "LoadBalancer", "service.loadBalancerIP": "300.1.1.1"}, "service.loadBalancerIP"),
    ({"networkPolicy.clients": [{"ipBlock": {"cidr": "10.0.0/8"}}]}, "networkPolicy.clients[0].ipBlock.cidr"),
    ({"networkPolicy.metrics": [{"ipBlok": {"cidr": "10.0.0.0/8"}}]}, "networkPolicy.metrics[0].ipBlok"),
    ({"networkPolicy.extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0"}}]}]}, "networkPolicy.extraEgress[0].to[0].ipBlock.cidr"),
    ({"networkPolicy.extraIngress": [{"ports": [{"port": 70000}]}]}, "networkPolicy.extraIngress[0].ports[0].port"),
    *(
        ({"storage.resources.requests.storage": size}, "storage.resources.requests.storage")
        for size in (0, "0", "010", "1e30", 1e30, "0Gi")
    ),
    *(({"walVolume.size": size}, "walVolume.size") for size in (0, "0", "010", "1e30", 1e30)),
    *(
        ({f"{value}.accessModes": modes}, f"{value}.accessModes")
        for value in ("storage", "walVolume")
        for modes in ([], ["ReadWriteOnce", "ReadWriteOncePod"])
    ),
    ({"shmSize": 0}, "shmSize"),
    ({"import.scratch.size": "0"}, "import.scratch.size"),
    ({"backup.verify.scratch.size": "010"}, "backup.verify.scratch.size"),
    ({"resources.limits": {"memory": "010Gi"}}, "resources.limits.memory"),
    ({"resources.limits": {"memroy": "1Gi"}}, "resources.limits.memroy"),
    *(({"podDisruptionBudget.maxUnavailable": value}, "podDisruptionBudget.maxUnavailable") for value in ("101%", "999%", "5", -1)),
    *(
        ({f"{value}.{key}": wrong}, f"{value}.{key}")
        for value in ("image", "failoverImage", "backupImage")
        for key, wrong in (("registry", "https://r.example.com"), ("repository", "a:1"), ("tag", "1 5"))
    ),
    *(({"image.registry": wrong}, "image.registry") for wrong in ("a b", "r.example.com/", "r:x", " ")),
    *(({"image.repository": wrong}, "image.repository") for wrong in ("https://r/x", "a@sha256:ab", "a b", "Postgres", "/a", "a/", "")),
    *(({"image.tag": wrong}, "image.tag") for wrong in ("15:1", "-1", 15, 15.4)),
    ({"global.imageRegistry": "https://r.example.com"}, "global.imageRegistry"),
    ({"majorUpgrade.image": "https://r.example.com/a"}, "majorUpgrade.image"),
    *(
        ({value: {"helm.sh/hook": "pre-install"}}, f'{value}."helm.sh/hook"'.replace('"', ""))
        for value in ("commonAnnotations", "podAnnotations", "service.annotations", "serviceAccount.annotations")
    ),
    ({"commonAnnotations": {"helm.sh/hook-weight": "1"}}, "commonAnnotations.helm.sh/hook-weight"),
    ({"commonAnnotations": {"argocd.argoproj.io/hook": "Sync"}}, "commonAnnotations.argocd.argoproj.io/hook"),
    *(
        ({value: {"x": wrong}}, f"{value}.x")
        for value in ("commonLabels", "podLabels", "monitor.prometheus.labels", "nodeSelector")
        for wrong in (123, True, LONG, "a b", " ")
    ),
    *(({"commonLabels": {key: "a"}}, f"commonLabels.{key}") for key in (LONG, "a/b/c")),
    ({"podAnnotations": {"a b": "a"}}, 'podAnnotations."a b"'),
    *(({"nameOverride": wrong}, "nameOverride") for wrong in (123, True, LONG, "a b", " ")),
    *(({"fullnameOverride": wrong}, "fullnameOverride") for wrong in (123, True)),
    *(
        ({f"{value}.secretName": wrong}, f"{value}.secretName")
        for value in ("databaseSecret", "tls", "app", "archiver")
        for wrong in (123, True, "a b")
    ),
]
"""Values that the schema refuses, and the path that is named."""

BY_TEMPLATES: list[tuple[dict[str, Any], str]] = [
    *((_mounts(path), f"extraVolumeMounts: {path} would hide the files of the image") for path in ("/", "//", "/usr", "/tmp/..", "/lib")),
    *((_mounts(path), f"extraVolumeMounts: {path} overlaps the chart's own ") for path in ("/run", "/var/lib", "/etc/hapg/x", "/dev/shm/")),
    *((_mounts(path), f"extraVolumeMounts: {path} is the chart's own; mount below it") for path in ("/tmp", "/tmp/", "/x/../tmp")),
    (_mounts("/a", "/a/"), "extraVolumeMounts: /a/ is mounted twice"),
    ({"extraVolumeMounts": [{"name": "y", "mountPath": "/a"}]}, "extraVolumeMounts: there is no volume y; declare it in extraVolumes"),
    (_container(volumeMounts=[{"name": "y", "mountPath": "/a"}]), "extraContainers[0].volumeMounts: there is no volume y"),
    ({"extraVolumes": [{"name": "secret", "emptyDir": {}}]}, "extraVolumes: the name secret is the chart's own"),
    ({"extraVolumes": [{"name": "x", "emptyDir": {}}] * 2}, "extraVolumes: x is listed twice"),
    ({"extraContainers": [{"name": "a", "image": "a"}] * 2}, "extraContainers: a is listed twice"),
    ({"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}, "extraEnv: A is listed twice"),
    ({"extraEnv": [{"name": "A", "value": "1", "valueFrom": {"fieldRef": {}}}]}, "extraEnv: A has value and valueFrom"),
    *(
        ({f"service.{key}": given}, f"service.type: ClusterIP has no {key}; set it to NodePort or LoadBalancer, or remove")
        for key, given in (("nodePort", 30000), ("externalTrafficPolicy", "Local"))
    ),
    *(
        ({"service.type": kind, f"service.{key}": given}, f"service.type: {kind} has no {key}; set it to LoadBalancer, or remove")
        for kind in ("ClusterIP", "NodePort")
        for key, given in (
            ("loadBalancerIP", "192.0.2.1"),
            ("loadBalancerClass", "example.com/a"),
            ("loadBalancerSourceRanges", ["10.0.0.0/8"]),
        )
    ),
    (
        {"service.nodePort": 30000, "service.loadBalancerIP": "192.0.2.1"},
        "service.type: ClusterIP has no nodePort, loadBalancerIP; set it to LoadBalancer",
    ),
    *(
        (_resources(value, "2Gi", "1Gi"), f"{value}.requests.memory: 2Gi is more than the limit, 1Gi")
        for value in (
            "resources",
            "failoverResources",
            "clientResources",
            "backup.resources",
            "backup.verify.resources",
            "import.resources",
        )
    ),
    (
        _container(resources={"requests": {"cpu": "1500m"}, "limits": {"cpu": 1}}),
        "extraContainers[0].resources.requests.cpu: 1500m is more",
    ),
    (_resources("resources", 2000000000, "1.5e9"), "resources.requests.memory: 2e+09 is more than the limit, 1.5e9"),
    ({"storage.resources.requests.storage": 50}, "storage.resources.requests.storage: 50 is less than 1Mi; add its unit"),
    ({"storage.resources.requests.storage": "9Ei"}, "storage.resources.requests.storage: 9Ei is more than Kubernetes can count"),
    *(({"fullnameOverride": wrong}, f'the name "{wrong}"') for wrong in (LONG, "a b", " ", "123", "true")),
    ({"monitor.prometheus.labels": {"app.kubernetes.io/name": "a"}}, "monitor.prometheus.labels: app.kubernetes.io/name can't be set"),
    ({"commonLabels": {"kubedb.com/name": "a"}}, "commonLabels: kubedb.com/name can't be set"),
    *(
        ({"majorUpgrade": {"allowed": True, "from": wrong}}, f"majorUpgrade.from: {shown} is not a major of PostgreSQL, such as 15 or 9.6")
        for wrong, shown in ((1e-30, "1e-30"), (14.2, "14.2"), ("14.2", "14.2"), (0.5, "0.5"))
    ),
    ({"labelDomain": "app.kubernetes.io"}, "labelDomain: app.kubernetes.io is taken"),
]
"""Values that the templates refuse, and how the line begins."""

VALID: dict[str, Any] = {
    "service.type": "LoadBalancer",
    "service.nodePort": 30000,
    "service.loadBalancerIP": "2001:db8::1",
    "service.loadBalancerClass": "example.com/internal",
    "service.loadBalancerSourceRanges": ["10.0.0.0/8", "0.0.0.0/0", "192.0.2.1/32", "fd00::/8", "::/0", "2001:db8:0:1:2:3:4:5/128"],
    "service.externalTrafficPolicy": "Local",
    "networkPolicy": {
        "enabled": True,
        "clients": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}, {"podSelector": {}}],
        "extraIngress": [{"from": [{"namespaceSelector": {}}], "ports": [{"port": "http"}, {"protocol": "UDP", "port": 1, "endPort": 9}]}],
    },
    "extraVolumes": [{"name": "x", "emptyDir": {}}],
    "extraVolumeMounts": [
        {"name": "x", "mountPath": "/tmp/x", "subPath": "a/.b/..c"},
        {"name": "x", "mountPath": "/usr/share/postgresql/15/tsearch_data"},
        {"name": "run", "mountPath": "/mine"},
    ],
    "extraEnv": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "C"}],
    "extraContainers": [
        {"name": "a", "image": "r.example:5000/a/b:1@sha256:" + "0" * 64, "volumeMounts": [{"name": "data", "mountPath": "/tmp"}]}
    ],
    "image.registry": "r.example.com:5000/mirror/a",
    "image.repository": "library/my-postgres__x",
    "image.tag": "15.4-bookworm_1",
    "global.imageRegistry": "[fd00::1]:5000",
    "podDisruptionBudget.maxUnavailable": "100%",
    "podLabels": {"example.com/a": "", "B_c.d": "x" * 63},
    "commonAnnotations": {"helm.sh/resource-policy": "keep", "example.com/text": "a b: c"},
    "resources": {"requests": {"cpu": "1500m", "memory": "1024Mi"}, "limits": {"cpu": 1.5, "memory": "1Gi", "example.com/gpu": "1"}},
    "storage.resources.requests.storage": "0.5Gi",
    "shmSize": 67108864,
}


@pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
@pytest.mark.parametrize(("given", "path"), BY_SCHEMA)
def test_the_schema_refuses_it_in_one_line(given: dict[str, Any], path: str, version: str) -> None:
    lines = [line for line in helm.refusal(*helm.values(given), version=version).splitlines() if line.lstrip().startswith("- at ")]
    assert len(lines) == 1
    place = lines[0].split("'")[1].replace("~1", "/")
    unknown = lines[0].split("additional properties '")[1].split("'")[0] if "additional properties" in lines[0] else ""
    said = f"{place}/{unknown}" if unknown else place
    wanted = path.replace("[", ".").replace("]", "").replace('"', "")
    assert said.replace("/", ".") == "." + wanted.replace("/", ".")


@pytest.mark.parametrize(("given", "path"), BY_SCHEMA)
def test_hapg_refuses_it_in_one_line(given: dict[str, Any], path: str) -> None:
    source = values.source({}, "15")
    document = copy.deepcopy(values.nested(source))
    for key, value in given.items():
        *way, last = key.split(".")
        node = document
        for each in way:
            node = node[each]
        node[last] = value
    [said] = values.given_problems(source, document)
    assert said.startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"databaseSecret": {"secretName": 123}}, "databaseSecret.secretName: 123 is not text; put it in quotes"),
        ({"podLabels": {"a": True}}, "podLabels.a: true is not text; put it in quotes"),
        ({"nameOverride": 1.5}, "nameOverride: 1.5 is not text; put it in quotes"),
        ({"app": {"database": "a", "secretName": -1}}, "app.secretName: -1 is not a valid Kubernetes name; "),
    ],
)
def test_what_lacks_only_quotes_is_said_to(given: dict[str, Any], sentence: str) -> None:
    assert [said for said in values.given_problems(values.source({}, "15"), given) if said.startswith(sentence)]


@pytest.mark.parametrize("version", helm.HELM_4_SLOWLY)
@pytest.mark.parametrize(("given", "line"), BY_TEMPLATES)
def test_the_templates_refuse_it_in_one_line(given: dict[str, Any], line: str, version: str) -> None:
    said = helm.refusal(*helm.values(given), version=version)
    lines = [each for each in said.splitlines() if each and not each.startswith(("Error: execution error", "Use --debug"))]
    if line.startswith("the name"):
        assert line in said
        assert not lines
    else:
        assert len(lines) == 1
        assert lines[0].startswith(line)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_what_is_like_them_and_valid_is_taken(version: str) -> None:
    for document in helm.objects(*helm.values(VALID), version=version).values():
        assert kubernetes_schemas.problems(document, helm.KUBERNETES) == []


def test_a_name_that_looks_like_a_number_is_text_wherever_it_is_used() -> None:
    """A Secret may be called 123."""
    given = {
        "databaseSecret.secretName": "123",
        "app": {"database": "orders", "secretName": "123"},
        "tls": {"mode": "allow", "secretName": "123"},
        "archiver": {"type": "s3", "bucket": "a", "secretName": "123", "cipherSecretName": "1e3"},
        "restore": {"enabled": True, "stanza": "a-1", "source": {"type": "posix", "claimName": "123"}},
        "import.from": {"host": "a", "secretName": "123", "sslMode": "verify-full"},
        "initdb": {"scriptsConfigMap": "123", "scriptsSecret": "123"},
        "roles": [{"name": "a", "passwordSecret": {"name": "123"}}],
        "imagePullSecrets": ["123", {"name": "123"}],
        "serviceAccount.name": "123",
        "priorityClassName": "123",
        "schedulerName": "123",
        "global.storageClass": "123",
        "storage.storageClassName": "123",
        "backup.verify.schedule": "@daily",
        "image.tag": "15",
        "nameOverride": "123",
        "fullnameOverride": "orders",
    }
    for document in helm.objects(*helm.values(given)).values():
        assert kubernetes_schemas.problems(document, helm.KUBERNETES) == []


@pytest.mark.parametrize("domain", ["ha-postgres", "helm.sh", "123", "kubernetes.io"])
def test_a_domain_of_labels_makes_no_key_twice(domain: str) -> None:
    everything = helm.ROOT / "tests" / "chart" / "everything.yaml"
    for document in helm.objects("--values", str(everything), "--set-string", f"labelDomain={domain}").values():
        assert kubernetes_schemas.problems(document, helm.KUBERNETES) == []


@pytest.mark.parametrize("name", ["production", "production-tls"])
def test_an_example_for_production_names_no_release(name: str) -> None:
    text = (helm.EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
    assert "ha-postgres" not in text
    pod = helm.pod(*helm.example(name), release="other")
    [term] = pod["spec"]["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    selected = term["labelSelector"]["matchLabels"]
    assert selected == {"kubedb.com/kind": "Postgres", "kubedb.com/name": "other-ha-postgres"}
    assert selected.items() <= pod["metadata"]["labels"].items()


def test_a_constraint_with_an_empty_selector_keeps_it() -> None:
    spread = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    given = {"topologySpreadConstraints": [{**spread, "labelSelector": {}}, spread]}
    first, second = helm.pod(*helm.values(given))["spec"]["topologySpreadConstraints"]
    assert first["labelSelector"] == {}
    assert second["labelSelector"]["matchLabels"]["kubedb.com/name"] == "ha-postgres"


def test_a_term_of_affinity_keeps_the_selector_that_it_has() -> None:
    other = {"topologyKey": "zone", "labelSelector": {"matchLabels": {"a": "b"}}}
    anyone = {"topologyKey": "zone", "labelSelector": {}}
    given = {
        "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": other}]},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [anyone]},
    }
    assert helm.pod(*helm.values({"affinity": given}))["spec"]["affinity"] == given
