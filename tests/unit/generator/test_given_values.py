"""Values of the chart in the spec's key `values` and in files, and where hapg says that a value comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hapg.cli import main
from tests.unit.generator.conftest import WARM
from tests.unit.generator.test_hooks import hook_file


def spec(folder: Path, values: object = None, **keys: object) -> Path:
    document = yaml.safe_load(WARM)
    document["spec"] |= keys if values is None else {**keys, "values": values}
    path = folder / "postgres.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def file(folder: Path, values: object, name: str = "more.yaml") -> list[str]:
    (folder / name).write_text(yaml.safe_dump(values))
    return ["--values", str(folder / name)]


def made(folder: Path, path: Path, *options: str) -> dict[str, Any]:
    assert main(["generate", str(path), "-o", str(folder / "out"), *options]) == 0
    found: dict[str, Any] = yaml.safe_load((folder / "out" / "ha-postgres" / "values.yaml").read_text())
    return found


def refused(folder: Path, path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    assert main(["generate", str(path), "-o", str(folder / "out"), *options]) == 2
    assert not (folder / "out").exists()
    return [line.removeprefix("error: ") for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]


def explained(path: Path, capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, str]:
    """Who gave each value that is not the chart's default."""
    assert main(["generate", str(path), "--explain", *options]) == 0
    lines = [line.split(None, 1) for line in capsys.readouterr().out.splitlines()]
    return {said.partition(" = ")[0]: giver for giver, said in lines if giver != "default"}


def test_a_spec_reaches_every_value(tmp_path: Path) -> None:
    values = {"walVolume": {"enabled": True}, "postgresql": {"parameters": {"work_mem": "16MB"}}, "roles": [{"name": "app"}]}
    found = made(tmp_path, spec(tmp_path, values))
    assert found["walVolume"] == {"enabled": True, "size": "4Gi", "storageClassName": None, "accessModes": ["ReadWriteOnce"]}
    assert found["postgresql"]["parameters"] == {"max_connections": 100, "shared_buffers": "128MB", "work_mem": "16MB"}
    assert found["roles"] == [{"name": "app"}]
    assert found["replicas"] == 3


@pytest.mark.parametrize("path", ["archiver.type", "restore.enabled"])
def test_a_major_without_archive_refuses_values_that_need_one(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    section, key = path.split(".")
    values = {section: {key: "s3" if section == "archiver" else True}}
    why = "is not allowed; left out, because pgBackRest in the backup image does not support PostgreSQL 19 yet"
    [said] = refused(tmp_path, spec(tmp_path, values, version="19"), capsys)
    assert said.startswith(f"spec.values.{path}: ")
    assert why in said
    [said] = refused(tmp_path, spec(tmp_path, version="19"), capsys, *file(tmp_path, values))
    assert f"more.yaml: {path}: " in said
    assert why in said


def test_the_short_form_has_values_too(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text('version: "15"\nvalues: {storage: {resources: {requests: {storage: 2Gi}}}, pause: null}\n')
    found = made(tmp_path, tmp_path / "short.yaml")
    assert found["storage"] == {"storageClassName": None, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    assert found["pause"] is False


def test_advice_is_on_what_the_files_leave(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "short.yaml").write_text('version: "15"\n')
    made(tmp_path, tmp_path / "short.yaml")
    assert [line.rsplit(" ", 1)[1] for line in capsys.readouterr().err.splitlines()] == ["[ephemeral]", "[no-resources]"]
    memory = {"limits": {"memory": "256Mi"}, "requests": {"memory": "256Mi"}}
    more = file(tmp_path, {"storage": {"resources": {"requests": {"storage": "2Gi"}}}, "resources": memory})
    made(tmp_path, tmp_path / "short.yaml", *more)
    assert [line.rsplit(" ", 1)[1] for line in capsys.readouterr().err.splitlines()] == ["[shared-buffers]"]


def test_later_files_override_earlier_ones_and_the_spec(tmp_path: Path) -> None:
    path = spec(tmp_path, {"shmSize": "1Gi", "priorityClassName": "spec"})
    one = file(tmp_path, {"priorityClassName": "one", "podLabels": {"a": "1"}}, "one.yaml")
    two = file(tmp_path, {"priorityClassName": "two", "podLabels": {"b": "2"}}, "two.yaml")
    found = made(tmp_path, path, *one, *two)
    assert (found["shmSize"], found["priorityClassName"], found["podLabels"]) == ("1Gi", "two", {"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"replicaz": 3}, "replicaz: unknown key; did you mean replicas?"),
        ({"walVolume": {"size": "4 GB"}}, 'walVolume.size: "4 GB" is not a quantity above 0; e.g. 50Mi, 10Gi'),
        ({"postgresql": {"parameters": {"fsync": False}}}, "postgresql.parameters.fsync: false is not allowed; left out, because"),
        ({"enabled": True}, "enabled: the chart that has this one as a dependency sets it; remove it"),
        ({"version": "16"}, 'version: "16" is not allowed; 15'),
    ],
)
def test_values_are_checked_by_the_charts_schema(values: object, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (problem,) = refused(tmp_path, spec(tmp_path, values), capsys)
    assert problem.startswith(f"spec.values.{sentence}")
    (problem,) = refused(tmp_path, spec(tmp_path), capsys, *file(tmp_path, values))
    assert problem.startswith(f"{tmp_path / 'more.yaml'}: {sentence}")


def test_a_value_that_contradicts_a_key_of_the_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(tmp_path, spec(tmp_path, {"replicas": 5, "standbyMode": "hot"}), capsys) == [
        "spec.values: replicas is 5, but a key of the spec sets replicas to 3; keep one of them"
    ]
    assert made(tmp_path, spec(tmp_path, {"replicas": 3}))["replicas"] == 3


def test_a_file_that_is_no_mapping(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(tmp_path, spec(tmp_path), capsys, *file(tmp_path, [1])) == [
        f"{tmp_path / 'more.yaml'}: [1] is not allowed; a mapping of values"
    ]


def test_it_is_said_who_gave_each_value(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = spec(tmp_path, {"shmSize": "1Gi"}, standbyMode=None)
    path.write_text(path.read_text().replace("standbyMode: null", ""))
    more = file(tmp_path, {"priorityClassName": "high"})
    body = "@hook\ndef adjust_values(values):\n    values['podLabels'] = {'a': '1'}\n\n\n@hook\ndef adjust_spec(spec):\n"
    hooks = hook_file(tmp_path, "ours", body + "    spec['schedulerName'] = 'x'\n")
    assert explained(path, capsys, *more, "--hooks", str(hooks)) == {
        "replicas": "spec",
        "storage.storageClassName": "spec",
        "storage.accessModes": "spec",
        "storage.resources.requests.storage": "spec",
        "shmSize": "spec",
        "priorityClassName": str(tmp_path / "more.yaml"),
        "podLabels": "hook",
        "schedulerName": "hook",
    }
    assert not (tmp_path / "out").exists()


def test_every_value_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(spec(tmp_path)), "--explain"]) == 0
    printed = {line.split(None, 1)[1].partition(" = ")[0] for line in capsys.readouterr().out.splitlines()}
    nested = made(tmp_path, spec(tmp_path))
    assert printed == {path for path in printed if _has(nested, path.split("."))}
    assert {path.split(".")[0] for path in printed} == set(nested)


def _has(nested: Any, path: list[str]) -> bool:
    for key in path:
        if not isinstance(nested, dict) or key not in nested:
            return False
        nested = nested[key]
    return True
