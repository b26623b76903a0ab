"""What is written for a migration: the spec, the values, and the values that import the data."""

from __future__ import annotations

import copy
from typing import Any

import yaml

from hapg import yamlio
from hapg.migrate import conversions
from hapg.migrate.source import Migration

_SAME_IN_SPEC = ("replicas", "standbyMode", "nodeSelector", "resources", "tolerations", "affinity", "schedulerName", "imagePullSecrets")


def spec_and_values(migration: Migration) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the Postgres object, and the values that its keys can't express."""
    values = copy.deepcopy(migration.values)
    content: dict[str, Any] = {"version": migration.spec["version"]}
    content |= {key: values.pop(key) for key in _SAME_IN_SPEC if key in values}
    storage = values.get("storage")
    if isinstance(storage, dict) and "requests" in storage.get("resources", {}):
        content["storage"] = values.pop("storage")
    elif storage is None:
        values.pop("storage", None)
    replication = values.get("replication", {})
    if replication.get("mode") == "synchronous" and content.get("replicas", 1) > 1:
        content["streamingMode"] = "Synchronous"
        del replication["mode"]
    if "databaseSecret" in values:
        content["databaseSecret"] = values.pop("databaseSecret")
    content |= {key: value for key, value in migration.spec.items() if key != "version"}
    metadata = {"name": migration.name} | ({"namespace": migration.namespace} if migration.namespace else {})
    document = {"apiVersion": "kubedb.com/v1alpha1", "kind": "Postgres", "metadata": metadata, "spec": content}
    return document, {key: value for key, value in values.items() if value != {}}


def new_login(migration: Migration) -> str:
    """Return the name of the Secret to create for the login of the old cluster, which has none that fits."""
    return f"{conversions.release_name(migration.old_name)}-old-login"


def import_values(migration: Migration) -> dict[str, Any]:
    """Return the values with which the release imports the old cluster's databases."""
    data = migration.data
    source = {"host": migration.host, "secretName": data.secret or new_login(migration), "sslMode": data.ssl_mode}
    return {"import": {"from": source} | ({"databases": list(data.databases)} if data.databases else {})}


def files(migration: Migration, report: str) -> dict[str, str]:
    """Return the files of a migration by name."""
    document, values = spec_and_values(migration)
    head = f"# Made by `hapg migrate` from {migration.place}. report.md says what became of each field.\n"
    return {
        "postgres.yaml": head + _yaml(document),
        "values.yaml": f"{head}# Values that have no key in the spec.\n{_yaml(values)}",
        "import.yaml": f"{head}# Copies the databases of the old cluster into the release, by dump. report.md says how else they move.\n"
        + _yaml(import_values(migration)),
        "report.md": report,
    }


def one_document(migration: Migration) -> str:
    """Return the spec with the values in it, as one document."""
    document, values = spec_and_values(migration)
    if values:
        document["spec"]["values"] = values
    return f"---\n# Made by `hapg migrate` from {migration.place}.\n{_yaml(document)}"


def _yaml(value: object) -> str:
    return yaml.dump(value, Dumper=yamlio.Dumper, sort_keys=False, allow_unicode=True)
