"""Strategies for hypothesis: valid specs of every shape, and mutations of them."""

from __future__ import annotations

import copy
from typing import Any

import yaml
from hypothesis import strategies as st

from hapg import yamlio
from hapg.spec import quantity, version_profiles
from hapg.spec.version_profiles import PROFILES

Object = dict[str, Any]

# What has a meaning in YAML, in Go's templates, in Jinja's, in PostgreSQL's settings or in a shell.
TRICKY = (
    "{{ .Values.x }}",
    "[[ x ]]",
    "[% x %]",
    "1e3",
    "0x1F",
    "yes",
    "null",
    "~",
    "a: b",
    "- a",
    "#",
    "it's",
    '"',
    "\\",
    "$(x)",
    "é",
    "🐘",
    "|",
    "`",
)
WORDS = st.sampled_from(["a", "db", "fast-ssd", "x-1", "zone.example.com"])
TEXTS = st.one_of(WORDS, st.sampled_from(TRICKY), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8))
NAMES = st.one_of(WORDS, st.sampled_from(["123", "0x1f", "1e3", "true", "on", "null", "a.b-c"]))
LABEL_VALUES = st.sampled_from(["", "a", "A_b.c-1", "true", "1e3", "0123", "x" * 63])
LABELS = st.dictionaries(st.sampled_from(["disk", "example.com/zone", "on", "1"]), LABEL_VALUES, max_size=2)
QUANTITIES = st.one_of(
    st.sampled_from(["1", "500m", "1.5", "50Mi", "10Gi", "1e9", "129e6", "1Ti", ".5"]), st.integers(0, 10**12), st.floats(0.5, 9e9)
)
SIZES = st.one_of(st.sampled_from(["50Mi", "10Gi", "1e9", "129e6", "1Ti", ".5Gi", "1.5G"]), st.integers(2**20, 10**12))
RESOURCES = st.fixed_dictionaries(
    {},
    optional={
        kind: st.dictionaries(st.sampled_from(["cpu", "memory", "hugepages-2Mi"]), QUANTITIES, max_size=2)
        for kind in ("requests", "limits")
    },
).filter(lambda resources: not list(quantity.resources_problems("", resources)))

REQUIREMENTS = st.fixed_dictionaries(
    {"key": TEXTS, "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"])}, optional={"values": st.lists(TEXTS, max_size=2)}
)
NODE_TERMS = st.fixed_dictionaries({}, optional={"matchExpressions": st.lists(REQUIREMENTS, max_size=2)})
LABEL_SELECTORS = st.fixed_dictionaries({}, optional={"matchLabels": LABELS, "matchExpressions": st.lists(REQUIREMENTS, max_size=1)})
POD_TERMS = st.fixed_dictionaries(
    {"topologyKey": TEXTS}, optional={"labelSelector": LABEL_SELECTORS, "namespaces": st.lists(TEXTS, max_size=1)}
)
POD_AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(POD_TERMS, max_size=2),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": POD_TERMS}), max_size=1
        ),
    },
)
AFFINITY = st.fixed_dictionaries(
    {},
    optional={
        "nodeAffinity": st.fixed_dictionaries(
            {},
            optional={
                "requiredDuringSchedulingIgnoredDuringExecution": st.fixed_dictionaries(
                    {"nodeSelectorTerms": st.lists(NODE_TERMS, max_size=2)}
                ),
                "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
                    st.fixed_dictionaries({"weight": st.integers(1, 100), "preference": NODE_TERMS}), max_size=1
                ),
            },
        ),
        "podAffinity": POD_AFFINITY,
        "podAntiAffinity": POD_AFFINITY,
    },
)
TOLERATIONS = st.fixed_dictionaries(
    {},
    optional={
        "key": TEXTS,
        "operator": st.sampled_from(["Exists", "Equal"]),
        "value": TEXTS,
        "effect": st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
        "tolerationSeconds": st.integers(0, 600),
    },
)
CLAIMS = st.fixed_dictionaries(
    {"resources": st.fixed_dictionaries({"requests": st.fixed_dictionaries({"storage": SIZES})})},
    optional={
        "storageClassName": st.one_of(NAMES, st.just("")),
        "accessModes": st.lists(st.sampled_from(["ReadWriteOnce", "ReadWriteOncePod"]), min_size=1, max_size=1),
    },
)
MONITORS = st.fixed_dictionaries(
    {"agent": st.sampled_from(["prometheus.io/builtin", "prometheus.io/coreos-operator"])},
    optional={
        "prometheus": st.fixed_dictionaries(
            {},
            optional={
                "namespace": st.sampled_from(["monitoring", "123", "on"]),
                "labels": LABELS,
                "interval": st.sampled_from(["", "10s", "1m30s", "500ms"]),
                "port": st.integers(1, 65535),
            },
        )
    },
)
SCRIPTS = st.one_of(
    st.fixed_dictionaries({"configMap": st.fixed_dictionaries({"name": NAMES})}),
    st.fixed_dictionaries({"secret": st.fixed_dictionaries({"secretName": NAMES})}),
)
FOLDERS = st.sampled_from(["", "a", "/a/b.c/", "production/on"])
BUCKETS = st.fixed_dictionaries({"bucket": st.sampled_from(["kubedb", "a.b-c", "1e3"])}, optional={"prefix": FOLDERS})
STORAGES = st.one_of(
    st.fixed_dictionaries({"storageSecretName": NAMES, "s3": BUCKETS}),
    st.fixed_dictionaries({"storageSecretName": NAMES, "gcs": BUCKETS}),
    st.fixed_dictionaries({"local": st.fixed_dictionaries({"persistentVolumeClaim": st.fixed_dictionaries({"claimName": NAMES})})}),
)
VERSIONS = st.sampled_from([version for name in PROFILES for version in (name, f"{name}.4")])


def _with_a_standby_to_wait_for(content: Object) -> Object:
    """Synchronous streaming needs two servers."""
    is_synchronous = content.get("streamingMode", "").lower() == "synchronous"
    return {**content, "replicas": max(2, content.get("replicas", 1))} if is_synchronous else content


def _with_an_archive_where_there_can_be_one(content: Object) -> Object:
    """pgBackRest does not support every major."""
    profile, _ = version_profiles.find(content["version"])
    return {key: value for key, value in content.items() if key != "archiver" or not profile.no_archive}


CONTENTS: st.SearchStrategy[Object] = (
    st.fixed_dictionaries(
        {"version": VERSIONS},
        optional={
            "replicas": st.integers(1, 9),
            "standbyMode": st.sampled_from(["warm", "hot"]),
            "streamingMode": st.sampled_from(["asynchronous", "synchronous", "Synchronous"]),
            "storage": st.one_of(st.none(), CLAIMS),
            "databaseSecret": st.fixed_dictionaries({"secretName": NAMES}),
            "nodeSelector": LABELS,
            "resources": RESOURCES,
            "tolerations": st.lists(TOLERATIONS, max_size=2),
            "affinity": AFFINITY,
            "schedulerName": NAMES,
            "imagePullSecrets": st.lists(st.fixed_dictionaries({"name": NAMES}), max_size=2),
            "monitor": MONITORS,
            "doNotPause": st.booleans(),
            "archiver": st.fixed_dictionaries({"storage": STORAGES}),
            "init": st.fixed_dictionaries({}, optional={"scriptSource": SCRIPTS}),
        },
    )
    .map(_with_a_standby_to_wait_for)
    .map(_with_an_archive_where_there_can_be_one)
)
"""What may be below `spec`."""

OBJECTS: st.SearchStrategy[Object] = st.fixed_dictionaries(
    {
        "apiVersion": st.just("kubedb.com/v1alpha1"),
        "kind": st.just("Postgres"),
        "metadata": st.fixed_dictionaries({"name": st.sampled_from(["db", "a", "a" * 52, "e1", "x-0"])}, optional={"namespace": TEXTS}),
        "spec": CONTENTS,
    }
)
"""Valid Postgres objects."""

SPECS = st.one_of(OBJECTS, CONTENTS)
"""The same, and the short form."""


def text(document: Object) -> bytes:
    """A spec as a file."""
    return yaml.dump(document, Dumper=yamlio.Dumper, allow_unicode=True).encode()


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXTS,
    st.just([]),
    st.just({}),
    st.just([{"a": 1}]),
    st.just(""),
)


@st.composite
def mutations(draw: st.DrawFn) -> Object:
    """A valid spec with one part removed, replaced, renamed, moved or added."""
    spec: Object = copy.deepcopy(draw(SPECS))
    places = [place for place in _places(spec) if place]
    path = draw(st.sampled_from(places))
    parent: Any = spec
    for step in path[:-1]:
        parent = parent[step]
    last = path[-1]
    match draw(st.sampled_from(["drop", "replace", "rename", "add", "nest"])):
        case "drop":
            del parent[last]
        case "replace":
            parent[last] = draw(JUNK)
        case "nest":
            parent[last] = draw(st.sampled_from([[parent[last]], {"value": parent[last]}]))
        case _ if isinstance(parent, list):
            parent.append(draw(JUNK))
        case "rename":
            parent[draw(st.one_of(TEXTS, st.just(str(last)[:-1]), st.just(f"{last}s")))] = parent.pop(last)
        case _:
            parent[draw(TEXTS)] = draw(JUNK)
    return spec


def _places(node: object) -> list[tuple[Any, ...]]:
    """The paths of everything in `node`."""
    if isinstance(node, dict):
        children = list(node.items())
    elif isinstance(node, list):
        children = list(enumerate(node))
    else:
        children = []
    return [(), *((key, *place) for key, child in children for place in _places(child))]
