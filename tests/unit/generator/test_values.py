"""values.yaml, values.schema.json and the README's table agree."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml

from hapg.chart import render, values
from hapg.spec.version_profiles import PROFILES
from hapg_failover.core.eligible_replicas import KEEPS_UP_BYTES
from hapg_failover.core.timing import Timing
from hapg_protocol.wal_files import SEGMENT_SIZE

FILES = {path: data.decode() for path, data in render.chart("ha-postgres", PROFILES["15"], {}).items()}
VALUES: dict[str, Any] = yaml.safe_load(FILES["values.yaml"])
SCHEMA: dict[str, Any] = json.loads(FILES["values.schema.json"])


def leaves(schema: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found = {}
    for key, node in schema["properties"].items():
        if "default" in node:
            found[prefix + key] = node
        elif "properties" in node:
            found |= leaves(node, f"{prefix}{key}.")
    return found


def at(document: dict[str, Any], path: str) -> object:
    found: Any = document
    for key in path.split("."):
        found = found[key]
    return found


@pytest.mark.parametrize("path", leaves(SCHEMA))
def test_each_value_has_a_default_a_description_and_a_row(path: str) -> None:
    node = leaves(SCHEMA)[path]
    assert at(VALUES, path) == node["default"]
    assert node["description"]
    assert f"| `{path}` | `{json.dumps(node['default'])}` | " in FILES["README.md"]


def test_values_yaml_holds_nothing_else() -> None:
    known = list(leaves(SCHEMA))

    def paths(value: object, path: str) -> list[str]:
        if path in known or not isinstance(value, dict):
            return [path]
        return [found for key, child in value.items() for found in paths(child, f"{path}.{key}" if path else key)]

    assert paths(VALUES, "") == known


def test_every_value_is_used_by_a_template() -> None:
    texts = "".join(text for path, text in FILES.items() if path.startswith("templates/"))
    for path in leaves(SCHEMA):
        top, last = path.split(".")[0], path.rsplit(".", maxsplit=1)[-1]
        assert f".Values.{top}" in texts, path
        assert re.search(rf"\b{last}\b", texts) or top == "failover", path


def test_objects_refuse_other_keys() -> None:
    def open_objects(node: object, path: str) -> list[str]:
        if isinstance(node, list):
            return [found for item in node for found in open_objects(item, path)]
        if not isinstance(node, dict):
            return []
        own = [path] if "properties" in node and node.get("type") and node.get("additionalProperties") is not False else []
        return own + [found for key, child in node.items() for found in open_objects(child, f"{path}/{key}")]

    # Other charts may put what they like into `global`; containers, volumes and the like are Kubernetes' to check.
    assert open_objects(SCHEMA, "") == [
        "/properties/global",
        "/definitions/volumes/items",
        "/definitions/containers/items",
        "/definitions/containers/items/properties/resources",
    ]


def test_the_shipped_times_keep_the_protocols_inequalities() -> None:
    failover = VALUES["failover"]
    timing = Timing(
        ttl=failover["ttlSeconds"],
        lease=failover["leaseSeconds"],
        renew=failover["renewSeconds"],
        call=failover["callTimeoutSeconds"],
        overdue=failover["overdueSeconds"],
        fence=failover["fenceSeconds"],
        clock_ratio=failover["clockRatio"],
        restart=failover["restartInPlaceSeconds"],
        extension=failover["extensionSeconds"],
        stall=failover["recoveryStallSeconds"],
        hold=failover["cleanHoldSeconds"],
        unready=failover["unreadySeconds"],
    )
    assert timing == Timing()
    assert timing.violations() == []


def test_a_failover_gives_up_no_backlog_unless_a_value_says_so() -> None:
    """Who is ahead is waited for a second only (rule 4D), and members need not be that near (rule 7)."""
    assert VALUES["failover"]["maxLagBytes"] == 1 << 20 < SEGMENT_SIZE < KEEPS_UP_BYTES


def test_a_default_that_the_schema_does_not_have() -> None:
    with pytest.raises(KeyError):
        values.source({"replicaz": 3}, "15")


def test_no_template_asks_the_cluster_or_chance() -> None:
    for path, text in FILES.items():
        if path.startswith("templates/"):
            assert not re.search(
                r"\b(lookup|rand\w+|genCA|genSelfSignedCert|genPrivateKey|uuidv4|now|getHostByName|env)\b\s", _actions(text)
            ), path


def _actions(text: str) -> str:
    return " ".join(re.findall(r"\{\{-?(?!/\*)(.*?)\}\}", text, re.DOTALL))
