"""A ResourceQuota with limits refuses pods of which a container has none."""

from __future__ import annotations

import pytest

from tests.chart import helm, test_everything
from tests.chart.test_platform_uid import IMPORT, pods

NUMBERS = {"cpu": "100m", "memory": "64Mi"}
GIVEN = {"requests": NUMBERS, "limits": NUMBERS}
ALL: helm.Object = {
    **dict.fromkeys(("resources", "failoverResources", "clientResources"), GIVEN),
    "backup": {"resources": GIVEN, "verify": {"resources": GIVEN}},
    "import": {"resources": GIVEN},
    "extraContainers": [],
    "initContainers": [],
}


@pytest.mark.parametrize("version", helm.VERSIONS)
@pytest.mark.parametrize("options", [test_everything.SET, IMPORT], ids=["everything", "import"])
def test_every_container_has_the_requests_and_limits_that_are_set(options: tuple[str, ...], version: str) -> None:
    rendered = helm.objects(*options, *(f"--set-json={path}" for path in sets(ALL)), version=version)
    found = {
        (kind, name, each["name"]): each.get("resources")
        for (kind, name), document in rendered.items()
        for spec in pods(document)
        for each in helm.containers(spec).values()
    }
    assert len(found) >= 5
    assert {where for where, has in found.items() if has != GIVEN} == set()


def sets(document: helm.Object, prefix: str = "") -> list[str]:
    """Return the values as assignments, each whole where it is of resources or a list, so that others of a section stay."""
    found: list[str] = []
    for name, value in document.items():
        if value is GIVEN or not value:
            found += helm.values({f"{prefix}{name}": value})[1:]
        else:
            found += sets(value, f"{prefix}{name}.")
    return found
