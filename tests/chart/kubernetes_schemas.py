"""Schemas for kubeconform of every Kubernetes version that the charts support, made from the API
server's own OpenAPI document in the pinned Go module of each; those of a ServiceMonitor and a
HelmRelease, from the definitions of the prometheus-operator and of Flux; and one written by hand.

`python -m tests.chart.kubernetes_schemas` makes them in the cache. What is there is not made again.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator

from tests.cluster import files
from tests.cluster.paths import CACHE

RELEASES = {
    "1.29.15": "h1:hLcyf3XmxtfkubCEmmPX5QVD7lDclXjvEUrJeP283LM=",
    "1.30.14": "h1:MrlKXh9uhLIJpyxOeXhcndzRVSvwiV9iJ8NgH8nqPsg=",
    "1.31.14": "h1:UtjLfqvXLuSVDdJ4+NpQCIfFkKkLnAAVmxAEMsnkhjk=",
    "1.32.11": "h1:vGU5kf3OD2/Pu/OAOyPld7gHlS1gmeRth54PWxcRVMM=",
    "1.33.7": "h1:Qhp1gwCPSOqt3du6A0uTGrrTcZDtShdSCIR5IZag16Y=",
    "1.34.4": "h1:Yy6R4QB8C9kJPp25GFqEvX5XQwY5qzKeqD0Xx6oAcmk=",
}
"""The supported versions of Kubernetes, each with the checksum of its Go module."""

DEFINITIONS = {
    "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml": (
        "github.com/prometheus-operator/prometheus-operator",
        "0.85.0",
        "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
    ),
    "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml": (
        "github.com/fluxcd/helm-controller",
        "1.4.0",
        "h1:rkm8rmB6Na7eNc4pJOnvtXEaJ19iKluRtayHKjBxcUM=",
    ),
}
"""Definitions of kinds that are not part of Kubernetes: the Go module of each, its version and its checksum."""

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}


def _closed(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_METADATA = {**_closed(name=_TEXT, namespace=_TEXT, labels=_TEXTS, annotations=_TEXTS), "required": ["name", "namespace", "labels"]}

CERTIFICATE = _closed(
    apiVersion={"const": "cert-manager.io/v1"},
    kind={"const": "Certificate"},
    metadata=_METADATA,
    spec=_closed(
        ("duration", "renewBefore"),
        secretName=_TEXT,
        issuerRef=_closed(name=_TEXT, kind=_TEXT, group=_TEXT),
        usages={"type": "array", "items": _TEXT},
        dnsNames={"type": "array", "items": _TEXT},
        duration=_TEXT,
        renewBefore=_TEXT,
    ),
)
"""What a chart says in a Certificate of cert-manager."""


@cache
def location(version: str) -> str:
    """Return kubeconform's schema location for a version of RELEASES; the schemas are made if they are not in the cache."""
    made = CACHE / "schemas" / f"{version}-{files.digest([Path(__file__)], RELEASES[version])}"
    with files.lock(CACHE / "schemas.lock"):
        if not made.is_dir():
            with files.workspace(made.parent) as folder:
                _write(_description(version), folder / version)
                (folder / version).rename(made)
    return f"{made}/{LOCATION}"


def problems(document: dict[str, Any], version: str) -> list[str]:
    """Return what is wrong with an object: the place and the complaint of each."""
    group, _, api = document["apiVersion"].rpartition("/")
    parts = (document["kind"].lower(), group.split(".")[0], api)
    errors = _validator(Path(location(version)).parent, "-".join(part for part in parts if part)).iter_errors(document)
    return [f"{document['kind']}{error.json_path[1:]}: {error.message}" for error in errors]


@cache
def _validator(directory: Path, name: str) -> Draft4Validator:
    schema = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
    if "$ref" in schema:
        schema = {**_definitions(directory), "$ref": schema["$ref"].removeprefix("all.json")}
    return Draft4Validator(schema)


@cache
def _definitions(directory: Path) -> Any:
    return json.loads((directory / "all.json").read_text(encoding="utf-8"))


def _description(version: str) -> Any:
    """Return the OpenAPI document of a version. RuntimeError: the module is not the pinned one."""
    module = _module("k8s.io/kubernetes", version, RELEASES[version])
    return json.loads((module / "api" / "openapi-spec" / "swagger.json").read_text(encoding="utf-8"))


def _defined(path: str) -> dict[str, Any]:
    """Return the strict schemas in a definition, by their files' names. RuntimeError: the module is not the pinned one."""
    spec = yaml.safe_load((_module(*DEFINITIONS[path]) / path).read_text(encoding="utf-8"))["spec"]
    group, kind = spec["group"], spec["names"]["kind"]
    found = {}
    for version in spec["versions"]:
        schema = _strict(version["schema"]["openAPIV3Schema"])
        api = {"enum": [f"{group}/{version['name']}"]}
        schema["properties"] |= {"apiVersion": api, "kind": {"enum": [kind]}, "metadata": _METADATA}
        found[f"{kind.lower()}-{group.split('.')[0]}-{version['name']}.json"] = schema
    return found


def _module(name: str, version: str, checksum: str) -> Path:
    """Return the folder of a Go module. RuntimeError: it has another checksum."""
    command = ["go", "mod", "download", "-json", f"{name}@v{version}"]
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=True)  # in a module it would change go.sum
    found = json.loads(done.stdout)
    if found["Sum"] != checksum:
        raise RuntimeError(f"{name}@v{version}: the checksum is {found['Sum']}, not {checksum}")
    return Path(found["Dir"])


def _write(description: Any, directory: Path) -> None:
    """Write a strict schema of every kind into a new `directory`."""
    directory.mkdir()
    definitions = {name: _strict(node) for name, node in description["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    (directory / "all.json").write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
    for name, node in description["definitions"].items():
        for kind in node.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].split(".")[0]
            file = "-".join(part for part in (kind["kind"].lower(), group, kind["version"]) if part)
            (directory / f"{file}.json").write_text(json.dumps({"$ref": f"all.json#/definitions/{name}"}), encoding="utf-8")
    (directory / "certificate-cert-manager-v1.json").write_text(json.dumps(CERTIFICATE), encoding="utf-8")
    for path in DEFINITIONS:
        for file, schema in _defined(path).items():
            (directory / file).write_text(json.dumps(schema), encoding="utf-8")


def _strict(node: Any) -> Any:
    """Return the schema with unknown keys refused and number types stated."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _strict(value) for key, value in node.items() if key != "description" or not isinstance(value, str)}
    if isinstance(out.get("properties"), dict) and out.get("type") == "object" and not out.get("x-kubernetes-preserve-unknown-fields"):
        out.setdefault("additionalProperties", False)
    if out.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    return out


if __name__ == "__main__":
    for each in RELEASES:
        location(each)
