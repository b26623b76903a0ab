"""The command line: what is written, what is refused, and that no output is partial."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jsonschema
import pytest
import yaml

from hapg.cli import main
from tests.unit.generator.conftest import HOT, WARM

CHARTS = Path(__file__).parents[3] / "charts"

Written = dict[str, bytes]


def tree(directory: Path) -> Written:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_spec_becomes_a_chart_with_its_values_as_the_defaults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hot.yaml").write_text(HOT)
    assert main(["generate", str(tmp_path / "hot.yaml"), "-o", str(tmp_path / "out")]) == 0
    chart = tmp_path / "out" / "hot-postgres"
    head = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert (head["name"], head["version"], head["appVersion"]) == ("hot-postgres", "15.0.0", "15")
    values = yaml.safe_load((chart / "values.yaml").read_text())
    assert (values["replicas"], values["standbyMode"]) == (3, "hot")
    assert values["storage"] == yaml.safe_load(HOT)["spec"]["storage"]
    captured = capsys.readouterr()
    assert captured.out == f"{chart}: written\n"
    warnings = captured.err.splitlines()
    assert warnings[0].startswith("warning: spec.storage.resources.requests.storage: 50Mi is less than")
    assert [warning.rsplit(" ", 1)[1] for warning in warnings] == ["[small-volume]", "[no-resources]"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hot-postgres"]


def test_the_committed_charts_are_what_hapg_writes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--all", "--check", "-o", str(CHARTS)]) == 0
    assert capsys.readouterr().out == ""


def test_the_shipped_defaults() -> None:
    values = yaml.safe_load((CHARTS / "ha-postgres-15" / "values.yaml").read_text())
    assert (values["version"], values["replicas"], values["standbyMode"]) == ("15", 3, "warm")
    assert values["storage"] == {
        "storageClassName": None,
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "8Gi"}},
    }


def test_the_same_spec_gives_the_same_bytes(warm_file: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert main(["generate", str(warm_file), "-o", str(tmp_path / name)]) == 0
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_advice_can_be_silenced(warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silence = ["--silence", "small-volume", "--silence", "no-resources"]
    assert main(["generate", str(warm_file), "-o", str(tmp_path / "out"), *silence]) == 0
    assert capsys.readouterr().err == ""


def test_advice_that_is_not_there_cannot_be_silenced(warm_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(warm_file), "-o", str(tmp_path / "out"), "--silence", "smal-volume"]) == 2
    assert capsys.readouterr().err == "error: --silence smal-volume: unknown id; did you mean small-volume?\n"
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_too_large(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    assert main(["generate", str(large), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"error: {large}: too large; at most 256 KiB are allowed\n"


def test_nothing_of_the_machine_gets_into_a_chart(warm_file: Path, tmp_path: Path) -> None:
    """Neither the seed of hashes, nor language, time zone, umask or folder."""
    machines = {
        "one": {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "UTC"},
        "two": {"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8", "TZ": "Pacific/Auckland", "PYTHONUTF8": "0"},
    }
    for name, machine in machines.items():
        (tmp_path / f"at-{name}").mkdir()
        command = [sys.executable, "-m", "hapg", "generate", str(warm_file), "-o", str(tmp_path / name)]
        environment = {**os.environ, **machine}
        subprocess.run(command, cwd=tmp_path / f"at-{name}", env=environment, check=True, capture_output=True, umask=0o77)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_a_spec_from_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(WARM.encode())))
    assert main(["generate", "-", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "ha-postgres" / "Chart.yaml").is_file()


def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    done = subprocess.run(
        ["/bin/bash", "-c", f"set -o pipefail; {sys.executable} -m hapg schema values | true; echo $?"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout in ("0\n", "1\n")
    assert done.stderr == ""


def test_ctrl_c_ends_without_a_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("hapg.commands.schema.run", interrupted)
    assert main(["schema", "spec"]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_check_prints_a_diff_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--all", "-o", str(tmp_path)]) == 0
    chart = tmp_path / "ha-postgres-15"
    values = chart / "values.yaml"
    values.write_text(values.read_text().replace("replicas: 3", "replicas: 5"))
    (chart / "of-somebody-else.yaml").write_text("a: 1\n")
    (chart / "README.md").unlink()
    before = tree(tmp_path)
    capsys.readouterr()
    assert main(["generate", "--all", "--check", "-o", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert f"--- {values}\n+++ {values}\n" in captured.out
    assert "-replicas: 5\n+replicas: 3\n" in captured.out
    assert "of-somebody-else.yaml" not in captured.out
    assert f"--- /dev/null\n+++ {chart / 'README.md'}\n" in captured.out
    assert captured.err == f"{chart}: differs from what hapg would write\n"
    assert tree(tmp_path) == before


def test_check_of_nothing_is_drift(tmp_path: Path) -> None:
    assert main(["generate", "--all", "--check", "-o", str(tmp_path / "none")]) == 1
    assert not (tmp_path / "none").exists()


def test_a_refused_spec_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.yaml").write_text(WARM.replace("replicas: 3", "replicas: 0").replace('"15"', '"9.5"'))
    assert main(["generate", str(tmp_path / "bad.yaml"), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == (
        "error: spec.replicas: 0 is not allowed; an integer from 1 to 9\n"
        'error: spec.version: "9.5" is not a supported version; allowed are "9.6", "12", "13", "14", "15", "16", "17", "18", "19", '
        'or a release of one, such as "15.4"\n'
    )
    assert not (tmp_path / "out").exists()


def test_a_spec_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", str(tmp_path / "none.yaml"), "-o", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"error: {tmp_path}/none.yaml: can't be read: No such file or directory\n"


@pytest.mark.parametrize("arguments", [["generate", "-o", "out"], ["generate", "x.yaml", "--all", "-o", "out"]])
def test_a_spec_or_all_of_them(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err == "error: give either a SPEC or --all\n"


@pytest.mark.parametrize("arguments", [[], ["generate"], ["generate", "x.yaml"]])
def test_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("which", ["spec", "values"])
def test_the_schemas_are_valid_and_printed(which: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", which]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft7Validator.check_schema(schema)
    document = yaml.safe_load(WARM if which == "spec" else (CHARTS / "ha-postgres-18" / "values.yaml").read_text())
    jsonschema.Draft7Validator(schema).validate(document)
    assert not {"unit", "complaint", "unsupported"} & set(_keywords(schema))


@pytest.mark.parametrize("major", ["9.6", "15"])
def test_the_schema_of_the_values_of_each_major(major: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "values", "--major", major]) == 0
    printed = json.loads(capsys.readouterr().out)
    committed = json.loads((CHARTS / f"ha-postgres-{major}" / "values.schema.json").read_text())
    assert {**printed, "title": ""} == {**committed, "title": ""}


def test_the_schema_of_the_short_form(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "spec", "--short"]) == 0
    printed = jsonschema.Draft7Validator(json.loads(capsys.readouterr().out))
    content = yaml.safe_load(WARM)["spec"]
    assert list(printed.iter_errors(content)) == []
    assert list(printed.iter_errors({"name": "orders", **content})) == []
    assert len(list(printed.iter_errors(yaml.safe_load(WARM)))) > 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["spec", "--major", "15"], "--major: only with values"), (["values", "--short"], "--short: only with spec")],
)
def test_an_option_of_the_other_schema(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", *arguments]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_the_printed_schema_of_a_spec_requires_what_a_spec_must_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "spec"]) == 0
    printed = jsonschema.Draft7Validator(json.loads(capsys.readouterr().out))
    document = yaml.safe_load(WARM)
    for section, key in (("metadata", "name"), ("spec", "version")):
        lacking = {**document, section: {name: value for name, value in document[section].items() if name != key}}
        assert [error.message for error in printed.iter_errors(lacking)] == [f"'{key}' is a required property"]


def _keywords(node: object) -> list[str]:
    if isinstance(node, list):
        return [key for item in node for key in _keywords(item)]
    if not isinstance(node, dict):
        return []
    return [key for key in node if not isinstance(node[key], dict)] + [key for value in node.values() for key in _keywords(value)]
