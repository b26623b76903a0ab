"""What the chart's templates refuse is refused by a migration first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hapg.migrate import own_names
from hapg.migrate.checks import of_major
from hapg.migrate.rules import Outcome
from tests.unit.migrate.test_tables import migrate, said

TEMPLATES = Path(__file__).parents[3] / "generator" / "hapg" / "chart" / "template" / "templates"


def test_the_names_are_those_of_the_templates() -> None:
    text = (TEMPLATES / "_pods.tpl").read_text()
    volumes, rest = text.split("{{- $volumes | toJson -}}", 1)
    assert set(re.findall('"([-a-z]+)"', volumes)) == set(own_names.VOLUMES)
    assert [name for name in own_names.CONTAINERS if f'"{name}"' not in rest] == []
    mounts = "".join(path.read_text() for path in TEMPLATES.glob("*.tpl"))
    assert [path for path in own_names.PATHS if f'"{path}"' not in mounts] == []


def test_the_volumes_that_are_always_there_are_those_of_the_template() -> None:
    always = (TEMPLATES / "_pods.tpl").read_text().split("$volumes := list ", 1)[1].split(" -}}", 1)[0]
    assert tuple(always.replace('"', "").split()) == own_names.ALWAYS


@pytest.mark.parametrize("key", ["sidecars", "initContainers", "extraVolumeMounts"])
def test_a_mount_of_a_volume_that_the_release_lacks_is_left_out(key: str) -> None:
    def item(volume: str) -> dict[str, Any]:
        mount = {"name": volume, "mountPath": "/x"}
        return mount if key == "extraVolumeMounts" else {"name": "own", "image": "own:1", "volumeMounts": [mount]}

    found = migrate({"auth": {}, "primary": {"extraVolumes": [{"name": "mine", "emptyDir": {}}], key: [item("gone")]}})
    assert "declare it in extraVolumes" in said(found, f"primary.{key}[0]")[1]
    for volume in ("mine", "tmp"):
        found = migrate({"auth": {}, "primary": {key: [item(volume)], "extraVolumes": [{"name": "mine", "emptyDir": {}}]}})
        assert said(found, f"primary.{key}[0]")[0] is Outcome.TAKEN


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        (("extraVolumes", "[]"), {"name": "data", "emptyDir": {}}, "extraVolumes: data is reserved"),
        (("extraContainers", "[]"), {"name": "postgres"}, "extraContainers: postgres is reserved"),
        (("initContainers", "[]"), {"name": "prepare"}, "initContainers: prepare is reserved"),
        (("extraEnv", "[]"), {"name": "POD_NAME", "value": "x"}, "extraEnv: POD_NAME is reserved"),
        (("roles", "[]"), {"name": "pg_x"}, "roles: pg_x is reserved"),
        (("databases", "[]"), {"name": "postgres"}, "databases: postgres is reserved"),
        (("extraVolumeMounts", "[]"), {"name": "x", "mountPath": "/var/lib/postgresql"}, "extraVolumeMounts: /var/lib/postgresql overlaps"),
        (("commonLabels", "app.kubernetes.io/name"), "x", "commonLabels: app.kubernetes.io/name is the chart's own"),
        (("podLabels", "kubedb.com/role"), "x", "podLabels: kubedb.com/role is the chart's own"),
        (("monitor", "prometheus", "labels", "ha-postgres/x"), "x", "monitor.prometheus.labels: ha-postgres/x is the chart's own"),
        (
            ("podAnnotations", "kubectl.kubernetes.io/default-container"),
            "x",
            "podAnnotations: kubectl.kubernetes.io/default-container is the chart's own",
        ),
        (("initdb", "scripts", "run.sh"), "x", "initdb.scripts: run.sh is not run"),
    ],
)
def test_names_of_the_chart(path: tuple[str, ...], value: Any, sentence: str) -> None:
    assert of_major("15").problem(False, path, value).startswith(sentence)


def test_other_names() -> None:
    assert of_major("15").problem(False, ("extraVolumes", "[]"), {"name": "scratch", "emptyDir": {}}) == ""
    assert of_major("15").problem(False, ("extraVolumeMounts", "[]"), {"name": "scratch", "mountPath": "/var/lib/x"}) == ""
    assert of_major("15").problem(False, ("roles", "[]"), {"name": "app"}) == ""
