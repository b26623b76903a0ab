"""hapg migrate: what is written and printed, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hapg.cli import main
from tests.unit.migrate.examples import BITNAMI, BITNAMI_HA, KUBEDB_08, KUBEDB_V1


def saved(folder: Path, text: str, name: str = "in.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> list[str]:
    assert main(["migrate", *arguments]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_folder_for_each_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\nstringData: {password: hunter2}\n"
    old, new = saved(tmp_path, KUBEDB_08), saved(tmp_path, KUBEDB_V1 + "---\n" + secret, "new.yaml")
    assert main(["migrate", old, new, "-o", str(tmp_path / "out")]) == 0
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")) == sorted(
        name for each in ("p1", "orders") for name in (each, *(f"{each}/{file}" for file in FILES))
    )
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0].startswith(f"{tmp_path}/out/p1: written; p1: from a Postgres object of KubeDB ({old}:1): ")
    line = KUBEDB_V1.count("\n") + 2
    assert captured.err == f"warning: {new}:{line}: Secret own is not translated; apply it yourself, or leave it out\n"


FILES = ("postgres.yaml", "values.yaml", "import.yaml", "report.md")


def test_without_a_folder_the_spec_is_printed_with_its_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", saved(tmp_path, KUBEDB_V1)]) == 0
    captured = capsys.readouterr()
    printed = yaml.safe_load(captured.out)
    assert printed["spec"]["replicas"] == 3
    assert printed["spec"]["values"]["service"] == {
        "annotations": {"example.com/dns": "orders"},
        "type": "LoadBalancer",
        "replicas": {"annotations": {"example.com/dns": "orders-ro"}},
    }
    assert "## No counterpart" in captured.err
    saved(tmp_path, captured.out, "spec.yaml")
    assert main(["generate", str(tmp_path / "spec.yaml"), "-o", str(tmp_path / "charts")]) == 0


def test_another_name(tmp_path: Path) -> None:
    assert main(["migrate", saved(tmp_path, KUBEDB_V1), "--name", "orders-2", "-o", str(tmp_path / "out")]) == 0
    spec = yaml.safe_load((tmp_path / "out" / "orders-2" / "postgres.yaml").read_text())
    source = yaml.safe_load((tmp_path / "out" / "orders-2" / "import.yaml").read_text())["import"]["from"]
    assert spec["metadata"] == {"name": "orders-2", "namespace": "shop"}
    assert source == {"host": "orders.shop", "secretName": "orders-auth", "sslMode": "prefer"}


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out" / "orders").mkdir(parents=True)
    path = saved(tmp_path, KUBEDB_08 + "---\n" + KUBEDB_V1)
    assert refused(capsys, path, "-o", str(tmp_path / "out"), code=1) == [
        f"error: {tmp_path}/out/orders: already exists; nothing was written"
    ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["orders"]


def test_what_stands_beside_an_object_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beside = "apiVersion: postgresql.cnpg.io/v1\nkind: ScheduledBackup\nmetadata: {name: nightly}\n---\n"
    path = saved(tmp_path, beside + KUBEDB_08)
    assert main(["migrate", path, "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err == (
        f"warning: {path}:1: ScheduledBackup nightly is not translated; set backup.schedules.full to its schedule, without the field of "
        "seconds\n"
    )


def test_nothing_to_migrate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, "apiVersion: v1\nkind: Secret\nmetadata: {name: own}\n---\nfoo: 1\n")
    lines = refused(capsys, path)
    assert lines[:2] == [
        f"error: {path}:1: Secret own is not translated; apply it yourself, or leave it out",
        f"error: {path}:5: a document with the keys foo is not translated; apply it yourself, or leave it out",
    ]
    assert lines[2].startswith("error: nothing to migrate; expected is one of: a Postgres object of KubeDB")
    assert refused(capsys, saved(tmp_path, "- 1\n")) == [f"error: {path}:1: [1] is no object and no values; a mapping is expected"]


def test_names_that_cannot_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, KUBEDB_08 + "---\n" + KUBEDB_V1)
    assert refused(capsys, path, "--name", "x") == ["error: --name x: there are 2 objects; give a name for one at a time"]
    path = saved(tmp_path, KUBEDB_08 + "---\n" + KUBEDB_08)
    assert refused(capsys, path) == ["error: p1: there are 2 objects of this name; migrate them one at a time"]
    (line,) = refused(capsys, saved(tmp_path, KUBEDB_08), "--name", "X")
    assert line.startswith(f'error: {path}:1: can\'t be expressed as a spec: metadata.name: "X" is not a valid name')


@pytest.mark.parametrize("text", [BITNAMI, BITNAMI_HA])
def test_no_password_is_repeated(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" in text
    assert main(["migrate", saved(tmp_path, text), "-o", str(tmp_path / "out")]) == 0
    assert main(["migrate", saved(tmp_path, text)]) == 0
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out + captured.err
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file() and "hunter2" in path.read_text()] == []


def test_the_report(tmp_path: Path) -> None:
    assert main(["migrate", saved(tmp_path, KUBEDB_08), "-o", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "p1" / "report.md").read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# p1, from a Postgres object of KubeDB",
        "## Taken",
        "## Changed",
        "## No counterpart",
        "## Not part of a specification",
        "## Data",
    ]
    assert "- `spec.replicas` → `replicas`\n" in text
    assert "- `spec.init.scriptSource`: scripts come from a ConfigMap or a Secret; put them into one and set" in text
