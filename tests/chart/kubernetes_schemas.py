"""Kubernetes' own schemas for kubeconform, generated offline from the API description in the pinned
Go module, and one written by hand.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.cluster.paths import GO_MODULES

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"

_TEXT = {"type": "string"}
_TEXTS = {"type": "object", "additionalProperties": _TEXT}


def _closed(optional: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_METADATA = {**_closed(name=_TEXT, namespace=_TEXT, labels=_TEXTS, annotations=_TEXTS), "required": ["name", "namespace", "labels"]}

SERVICE_MONITOR = _closed(
    apiVersion={"const": "monitoring.coreos.com/v1"},
    kind={"const": "ServiceMonitor"},
    metadata=_METADATA,
    spec=_closed(
        namespaceSelector=_closed(matchNames={"type": "array", "items": _TEXT}),
        selector=_closed(matchLabels=_TEXTS),
        endpoints={"type": "array", "items": _closed(("interval",), port=_TEXT, path=_TEXT, interval=_TEXT)},
    ),
)
"""What a chart says in a ServiceMonitor. Its own schema is not part of Kubernetes."""


CERTIFICATE = _closed(
    apiVersion={"const": "cert-manager.io/v1"},
    kind={"const": "Certificate"},
    metadata=_METADATA,
    spec=_closed(
        secretName=_TEXT,
        issuerRef=_closed(name=_TEXT, kind=_TEXT, group=_TEXT),
        usages={"type": "array", "items": _TEXT},
        dnsNames={"type": "array", "items": _TEXT},
        duration=_TEXT,
        renewBefore=_TEXT,
    ),
)
"""The same for a Certificate of cert-manager."""


def write(directory: Path) -> str:
    """Write a strict schema of every kind into `directory`; return kubeconform's schema location."""
    command = ["go", "mod", "download", "-json", "k8s.io/kubernetes"]
    found = subprocess.run(command, cwd=GO_MODULES / "kubernetes", capture_output=True, text=True, check=True)
    module = Path(json.loads(found.stdout)["Dir"])
    description = json.loads((module / "api" / "openapi-spec" / "swagger.json").read_text(encoding="utf-8"))
    definitions = {name: _strict(node) for name, node in description["definitions"].items()}
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] = {"type": ["string", "number"]}
    (directory / "all.json").write_text(json.dumps({"definitions": definitions}), encoding="utf-8")
    for name, node in description["definitions"].items():
        for kind in node.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].split(".")[0]
            file = "-".join(part for part in (kind["kind"].lower(), group, kind["version"]) if part)
            (directory / f"{file}.json").write_text(json.dumps({"$ref": f"all.json#/definitions/{name}"}), encoding="utf-8")
    (directory / "certificate-cert-manager-v1.json").write_text(json.dumps(CERTIFICATE), encoding="utf-8")
    (directory / "servicemonitor-monitoring-v1.json").write_text(json.dumps(SERVICE_MONITOR), encoding="utf-8")
    return f"{directory}/{LOCATION}"


def _strict(node: Any) -> Any:
    """Return the schema with unknown keys refused and number types stated."""
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _strict(value) for key, value in node.items() if key != "description" or not isinstance(value, str)}
    if isinstance(out.get("properties"), dict) and out.get("type") == "object":
        out.setdefault("additionalProperties", False)
    if out.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    return out
