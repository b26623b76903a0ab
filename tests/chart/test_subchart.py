"""The charts as dependencies of another one: two majors and two releases of one major side by side, with conditions and tags."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chart import helm, umbrella

RELEASE = "shop"
ALIASES = {"orders": "15", "stock": "15", "ledger": "9.6"}
FOREIGN = {"imageRegistry": "registry.example.com", "storageClass": "fast", "security": {"allowInsecureImages": True}}
OWN: dict[str, helm.Object] = {
    "orders": {"replicas": 2},
    "stock": {"standbyMode": "hot"},
    "ledger": {"postgresql": {"parameters": {"work_mem": "5MB"}}},
}


@pytest.fixture(scope="module", name="app")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An umbrella with two releases of one major and one of another."""
    return umbrella.build(tmp_path_factory.mktemp("umbrella"), ALIASES, {"global": FOREIGN, **OWN})


def named(objects: dict[tuple[str, str], helm.Object], fullname: str) -> dict[tuple[str, str], helm.Object]:
    """The objects of one release, without the label that names the chart, which Helm calls by its alias in an umbrella."""
    own = {key: value for key, value in objects.items() if key[1].startswith(fullname)}
    for value in own.values():
        value["metadata"]["labels"].pop("helm.sh/chart", None)
    return own


def stateful_sets(app: Path, *options: str, **how: Any) -> set[str]:
    return {name for kind, name in helm.objects(*options, chart=app, **how) if kind == "StatefulSet"}


@pytest.mark.parametrize("version", helm.VERSIONS)
@pytest.mark.parametrize("alias", ALIASES)
def test_a_subchart_is_what_a_release_of_its_own_would_be(app: Path, alias: str, version: str) -> None:
    together = named(helm.objects(chart=app, release=RELEASE, version=version), f"{RELEASE}-{alias}")
    values = helm.values({"global": FOREIGN, "nameOverride": alias, **OWN[alias]})
    alone = helm.objects(*values, chart=helm.ROOT / "charts" / f"ha-postgres-{ALIASES[alias]}", release=RELEASE, version=version)
    assert together == named(alone, f"{RELEASE}-{alias}")
    assert len(together) >= 9


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_condition_leaves_a_subchart_out(app: Path, version: str) -> None:
    left = {"shop-orders", "shop-stock"}
    assert stateful_sets(app, "--set", "ledger.enabled=false", release=RELEASE, version=version) == left


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_tag_leaves_subcharts_out_whose_conditions_are_not_set(app: Path, version: str) -> None:
    off = ("--set", f"tags.{umbrella.TAG}=false")
    assert stateful_sets(app, *off, release=RELEASE, version=version) == set()
    assert stateful_sets(app, *off, "--set", "orders.enabled=true", release=RELEASE, version=version) == {"shop-orders"}


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_umbrella_of_subcharts_is_linted(app: Path, version: str) -> None:
    done = helm.run(version, "lint", str(app), "--strict", "--with-subcharts", "--kube-version", helm.KUBERNETES)
    assert done.returncode == 0, done.stdout


BITNAMI: helm.Object = {
    "imageRegistry": "registry.example.com/mirror",
    "imagePullSecrets": ["a", {"name": "b"}],
    "defaultStorageClass": "slow",
    "storageClass": "-",
    "security": {"allowInsecureImages": True},
    "compatibility": {"openshift": {"adaptSecurityContext": "auto"}},
    "postgresql": {"auth": {"existingSecret": "login", "database": "shop"}, "service": {"ports": {"postgresql": 5432}}},
}
UNSET: helm.Object = dict.fromkeys(("imageRegistry", "imagePullSecrets", "storageClass"))


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_the_globals_of_an_umbrella_of_bitnamis_charts_are_understood(version: str, tmp_path: Path) -> None:
    app = umbrella.build(tmp_path, {"db": "15"}, {"global": BITNAMI})
    found = helm.objects(chart=app, release=RELEASE, version=version)["StatefulSet", "shop-db"]["spec"]
    assert found["volumeClaimTemplates"][0]["spec"]["storageClassName"] == ""
    spec = found["template"]["spec"]
    assert spec["imagePullSecrets"] == [{"name": "a"}, {"name": "b"}]
    assert {each["image"].rpartition("/")[0] for each in helm.containers(spec).values()} == {"registry.example.com/mirror"}


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_null_and_empty_sections_of_an_umbrella_mean_the_defaults(version: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = umbrella.build(tmp_path / "plain", {"db": "15"}, {})
    empty = {"global": UNSET, "db": {"replicas": None, "replication": None, "image": None, "storage": {"accessModes": None}}}
    app = umbrella.build(tmp_path, {"db": "15"}, empty)
    assert helm.objects(chart=app, release=RELEASE, version=version) == helm.objects(chart=plain, release=RELEASE, version=version)


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_an_alias_that_the_release_is_named_after_adds_nothing_to_its_name(version: str, tmp_path: Path) -> None:
    app = umbrella.build(tmp_path, {"db": "15", "stock": "15"}, {})
    assert stateful_sets(app, release="mydb", version=version) == {"mydb", "mydb-stock"}


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_the_longest_release_name_needs_a_name_for_the_objects(version: str, tmp_path: Path) -> None:
    app = umbrella.build(tmp_path, {"db": "15"}, {})
    longest = "a" * 53
    said = helm.refusal(chart=app, release=longest, version=version)
    assert f'the name "{longest}-db" has 56 characters; at most 52 are allowed' in said
    assert stateful_sets(app, release="a" * 49, version=version) == {f"{'a' * 49}-db"}
    assert stateful_sets(app, "--set", "db.fullnameOverride=orders", release=longest, version=version) == {"orders"}


def test_a_subchart_refuses_what_the_chart_refuses_and_says_where(app: Path) -> None:
    assert "/replicas" in helm.refusal("--set", "stock.replicas=0", chart=app)
    assert "/postgresql/parameters/port" in helm.refusal("--set", "stock.postgresql.parameters.port=1", chart=app)


def test_enabled_false_is_refused_where_no_condition_asks_for_it() -> None:
    assert "enabled: false takes effect only as the condition of a dependency" in helm.refusal("--set", "enabled=false")


def test_the_templates_of_two_charts_have_no_name_in_common() -> None:
    """Helm has one set of template names for an umbrella and all its subcharts; the last definition wins."""
    owners: dict[str, str] = {}
    for chart in helm.CHARTS:
        for path in (chart / "templates").rglob("*"):
            if path.is_file():
                for line in path.read_text(encoding="utf-8").split('define "')[1:]:
                    name = line.split('"')[0]
                    assert owners.setdefault(name, chart.name) == chart.name, name
    assert len(owners) > 50 * len(helm.CHARTS)
