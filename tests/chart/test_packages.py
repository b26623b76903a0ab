"""Packages and the repository index, with the real helm."""

from __future__ import annotations

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from hapg.cli import main
from hapg.spec.version_profiles import PROFILES
from tests.chart import helm
from tests.cluster.paths import BIN
from tests.unit.generator.conftest import WARM

NAME = f"ha-postgres-{PROFILES['15'].chart_version}.tgz"


def package(output: Path, *charts: Path, version: str = "helm3", more: tuple[str, ...] = ()) -> int:
    return main(["package", *map(str, charts or (helm.CHART,)), "-o", str(output), "--helm", str(BIN / version), *more])


def own_chart(tmp_path: Path, replicas: int) -> Path:
    (tmp_path / "pg.yaml").write_text(WARM.replace("replicas: 3", f"replicas: {replicas}").replace("name: ha-postgres", "name: orders"))
    assert main(["generate", str(tmp_path / "pg.yaml"), "-o", str(tmp_path / "charts")]) == 0
    return tmp_path / "charts" / "orders"


def test_the_same_chart_gives_the_same_bytes_with_helm_3_and_4(tmp_path: Path) -> None:
    for version in helm.VERSIONS:
        assert package(tmp_path / version, version=version) == 0
    three, four = (tmp_path / version / NAME for version in helm.VERSIONS)
    assert three.read_bytes() == four.read_bytes()


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_a_package_renders_as_its_chart(version: str, tmp_path: Path) -> None:
    assert package(tmp_path) == 0
    assert helm.text(chart=tmp_path / NAME, version=version) == helm.text(version=version)


def test_the_index(tmp_path: Path) -> None:
    assert package(tmp_path / "repository", more=("--url", "https://charts.example.com")) == 0
    assert package(tmp_path / "repository", own_chart(tmp_path, 3), more=("--url", "https://charts.example.com")) == 0
    index = yaml.safe_load((tmp_path / "repository" / "index.yaml").read_text())
    assert {name: entry["urls"] for name, (entry,) in index["entries"].items()} == {
        "ha-postgres": [f"https://charts.example.com/{NAME}"],
        "orders": ["https://charts.example.com/" + NAME.replace("ha-postgres", "orders")],
    }
    assert sorted(os.listdir(tmp_path / "repository")) == [NAME, "index.yaml", NAME.replace("ha-postgres", "orders")]


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_helm_finds_the_chart_in_the_repository(version: str, tmp_path: Path) -> None:
    assert package(tmp_path / "served") == 0
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = ("--repo", f"http://127.0.0.1:{server.server_port}", "--version", "^15", "--destination", str(tmp_path))
        done = helm.run(version, "pull", "ha-postgres", *options)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / NAME).read_bytes() == (tmp_path / "served" / NAME).read_bytes()


def test_annotations_for_artifact_hub(tmp_path: Path) -> None:
    assert package(tmp_path) == 0
    entry = yaml.safe_load((tmp_path / "index.yaml").read_text())["entries"]["ha-postgres"][0]
    assert entry["annotations"]["artifacthub.io/license"] == "Apache-2.0"
    assert entry["annotations"]["artifacthub.io/category"] == "database"
    images = yaml.safe_load(entry["annotations"]["artifacthub.io/images"])
    with_backup = helm.pod("--set", "archiver.type=posix,archiver.claimName=archive")
    rendered = {container["image"] for container in helm.containers(with_backup["spec"]).values()}
    assert {image["image"] for image in images} == rendered


def test_a_released_package_never_changes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "repository"
    assert package(output, own_chart(tmp_path, 3)) == 0
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    assert package(output, own_chart(tmp_path, 3)) == 0
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before
    capsys.readouterr()
    assert package(output, helm.CHART, own_chart(tmp_path, 5)) == 1
    assert (
        "already exists with different content; a released package never changes, so raise the chart's version" in capsys.readouterr().err
    )
    after = {path.name: path.read_bytes() for path in output.iterdir()}
    assert after == before


def test_a_new_address_is_a_new_index(tmp_path: Path) -> None:
    assert package(tmp_path / "repository") == 0
    assert package(tmp_path / "repository", more=("--url", "https://charts.example.com")) == 0
    index = yaml.safe_load((tmp_path / "repository" / "index.yaml").read_text())
    assert index["entries"]["ha-postgres"][0]["urls"] == [f"https://charts.example.com/{NAME}"]


def test_a_link_out_of_the_chart_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = own_chart(tmp_path, 3)
    (tmp_path / "secret").write_text("hunter2\n")
    (chart / "files" / "inside.yaml").symlink_to("parameters.json")
    (chart / "files" / "outside").symlink_to("../../../secret")
    capsys.readouterr()
    assert package(tmp_path / "out", helm.CHART, chart) == 2
    assert capsys.readouterr().err == (
        f"error: {chart}/files/outside: a symbolic link that leads out of the chart, to {tmp_path}/secret; remove it\n"
    )
    assert list((tmp_path / "out").iterdir()) == []


def test_warnings_of_helm_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = own_chart(tmp_path, 3)
    (chart / "files" / "inside.yaml").symlink_to("parameters.json")
    assert package(tmp_path / "out", chart) == 0
    assert "found symbolic link in path" in capsys.readouterr().err


def test_a_chart_that_helm_refuses_leaves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = own_chart(tmp_path, 3)
    (chart / "templates" / "services.yaml").write_text("{{ nothing }}")
    assert package(tmp_path / "out", helm.CHART, chart) == 1
    assert 'function "nothing" not defined' in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_what_is_no_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert package(tmp_path / "out", tmp_path) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}: not a chart directory; Chart.yaml not found\n"
    assert not (tmp_path / "out").exists()
