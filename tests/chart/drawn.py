"""Strategies for hypothesis, made from a chart's values.schema.json: values that the schema accepts, in few places at a time, on top of
values with which something depends on them.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from tests.chart import helm
from tests.unit.generator import specs

Schema = dict[str, Any]

SCHEMA: Schema = json.loads((helm.CHART / "values.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft7Validator(SCHEMA)

OWN_KEYS = (
    *("app.kubernetes.io/name", "app.kubernetes.io/component", "helm.sh/chart", "helm.sh/hook", "ha-postgres/name", "kubedb.com/name"),
    *("kubectl.kubernetes.io/default-container", "prometheus.io/port", "ha-postgres/paused"),
)
"""Labels and annotations that the chart sets itself."""

_KEYS = st.sampled_from(["example.com/a", "on", "1", "a b", *OWN_KEYS])
_SHARED: dict[str, st.SearchStrategy[Any]] = {
    "affinity": specs.AFFINITY,
    "resources": specs.RESOURCES,
    "tolerations": st.lists(specs.TOLERATIONS, max_size=2),
    "labels": st.dictionaries(_KEYS, specs.LABEL_VALUES, max_size=2),
    "annotations": st.dictionaries(_KEYS, specs.TEXTS, max_size=2),
}
_PEERS = st.lists(st.fixed_dictionaries({"podSelector": st.fixed_dictionaries({"matchLabels": specs.LABELS})}), max_size=2)
_RULES = st.lists(st.fixed_dictionaries({"ports": st.just([{"protocol": "TCP", "port": 6432}])}), max_size=2)
_CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from(["a", "b-1", "on", "1"]), "image": st.sampled_from(["a", "r.example:5000/a/b:1"])}),
    max_size=1,
)
PASSED_ON: dict[str, st.SearchStrategy[Any]] = {
    "networkPolicy.clients": _PEERS,
    "networkPolicy.metrics": _PEERS,
    "networkPolicy.extraIngress": _RULES,
    "networkPolicy.extraEgress": _RULES,
    "extraContainers": _CONTAINERS,
    "initContainers": _CONTAINERS,
    "extraVolumes": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["a", "1"]), "emptyDir": st.just({})}), max_size=1),
    "extraEnv": st.lists(st.fixed_dictionaries({"name": st.sampled_from(["A", "N"]), "value": specs.TEXTS}), max_size=1),
    "extraEnvFrom": st.lists(st.fixed_dictionaries({"secretRef": st.fixed_dictionaries({"name": specs.NAMES})}), max_size=1),
    "extraVolumeMounts": st.just([]),
    "extraObjects": st.just([]),
    "global": st.just({}),
    "labelDomain": st.sampled_from(["app.kubernetes.io", "helm.sh", "ha-postgres", "1"]),
}
"""Values that the chart passes on as they are, so that what Kubernetes says of them is the user's business; and labelDomain, of whose
contents few matter."""


_PRINTED = st.characters(exclude_categories=["Cs", "Cc", "Co", "Cn"])
"""What YAML takes unescaped; whether it takes other characters is not up to a chart."""


def _text(schema: Schema) -> st.SearchStrategy[str]:
    pattern = schema.get("pattern", schema.get("if", {}).get("pattern"))
    drawn = st.from_regex(pattern, alphabet=_PRINTED) if pattern else st.one_of(st.just(""), specs.TEXTS)
    least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
    return drawn.filter(lambda text: least <= len(text) <= most and not text.endswith("\n"))  # Go's $ is the end, Python's may precede \n


def _number(schema: Schema) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum", 0), schema.get("maximum", 10**12)
    fractions = st.floats(float(least), float(most))
    return fractions | st.integers(int(least) + 1, int(most)) if most > least + 1 else fractions


def _typed(kind: str, schema: Schema) -> st.SearchStrategy[Any]:
    if kind == "string":
        return _text(schema)
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), schema.get("maximum", 10**12))
    if kind == "number":
        return _number(schema)
    if kind == "array":
        return st.lists(strategy(schema.get("items", {"type": "string"})), min_size=schema.get("minItems", 0), max_size=2)
    if kind == "object":
        return _object(schema)
    return st.none() if kind == "null" else st.booleans()


def _object(schema: Schema) -> st.SearchStrategy[Any]:
    named = {name: strategy(child) for name, child in schema.get("properties", {}).items()}
    required = {name: named.pop(name) for name in schema.get("required", ())}
    made: st.SearchStrategy[Any] = st.fixed_dictionaries(required, optional=named)
    if isinstance(schema.get("additionalProperties"), dict):
        keys = st.sampled_from(["work_mem", "jit", "my.setting", "10-a.sql", "b.sql"])
        made = st.dictionaries(keys, strategy(schema["additionalProperties"]), max_size=2)
    return made


def strategy(schema: Schema) -> st.SearchStrategy[Any]:
    """Values of a part of the schema. Conditions in it are left to a validator."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _SHARED[name] if name in _SHARED else strategy(SCHEMA["definitions"][name])
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "string")
    return st.one_of([_typed(kind, schema) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def leaves(schema: Schema, prefix: str = "") -> dict[str, Schema]:
    """The schema of each value by its path; a value is what has a default, or no keys of its own."""
    found: dict[str, Schema] = {}
    for name, child in schema["properties"].items():
        if child.get("properties") and "default" not in child and name not in ("storage", "global"):
            found |= leaves(child, f"{prefix}{name}.")
        else:
            found[prefix + name] = child
    return found


LEAVES = leaves(SCHEMA)
_FILES = [*sorted(helm.EXAMPLES.glob("*.yaml")), helm.ROOT / "tests" / "chart" / "everything.yaml"]


def _base(path: Path) -> Any:
    """The values of a file, without the user's own objects. A time is text, as it is for helm."""
    document = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")), default=str))
    return {key: value for key, value in document.items() if key != "extraObjects"}


BASES: list[Any] = [{}, *map(_base, _FILES)]


def _put(document: Any, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for key in way:
        document = document.setdefault(key, {})
    document[last] = value


@st.composite
def values(draw: st.DrawFn) -> Any:
    """A document of values that the schema accepts."""
    document = copy.deepcopy(draw(st.sampled_from(BASES)))
    for path in draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=4, unique=True)):
        before = copy.deepcopy(document)
        _put(document, path, draw(PASSED_ON[path] if path in PASSED_ON else strategy(LEAVES[path])))
        if not VALIDATOR.is_valid(document):
            document = before
    return document
