"""hapg lint: what it refuses, and its advice."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hapg.cli import main
from tests.chart import helm
from tests.cluster.paths import BIN
from tests.unit.generator.conftest import WARM

ENOUGH = {"requests": {"memory": "4Gi"}, "limits": {"memory": "4Gi"}}


def lint(folder: Path, capsys: pytest.CaptureFixture[str], *documents: object, options: tuple[str, ...] = ()) -> tuple[int, list[str]]:
    """The exit code, and what is printed to standard error, for one values file after the other."""
    arguments = ["lint", "--helm", str(BIN / "helm3"), *options]
    for number, document in enumerate(documents):
        file = folder / f"{number}.yaml"
        file.write_text(yaml.safe_dump(document))
        arguments += ["-f", str(file)]
    code = main(arguments)
    captured = capsys.readouterr()
    assert captured.out == ("" if code else "valid\n")
    return code, captured.err.splitlines()


@pytest.mark.parametrize(
    ("given", "lines"),
    [
        ({"replica": 2}, ["replica: unknown key; did you mean replicas?"]),
        ({"imag": {}, "qqqq": 1}, ["imag: unknown key; did you mean image?", "qqqq: unknown key"]),
        ({"postgresql": {"parameters": {"worke_mem": "1MB"}}}, ["unknown parameter of PostgreSQL 15; did you mean work_mem?"]),
        ({"postgresql": {"parameters": {"work_mem": "4gb"}}}, ['work_mem: "4gb" is not allowed; a whole number from 64 to']),
        ({"postgresql": {"parameters": {"fsync": False}}}, ["fsync: false is not allowed; left out, because a replica is promoted"]),
        ({"service": {"nodePort": 30000}}, ["service.type: ClusterIP has no nodePort; set it to NodePort or LoadBalancer"]),
        ({"fullnameOverride": "a b"}, ['the name "a b" is not allowed']),
        (
            {"failover": {"ttlSeconds": 3}, "walVolume": {"size": 5}},
            ["failover: leaseSeconds", "failover: overdue", "failover: ", "walVolume.size: 5"],
        ),
    ],
)
def test_values_are_refused_as_helm_refuses_them(
    given: object, lines: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = lint(tmp_path, capsys, given)
    assert code == 2
    assert len(said) == len(lines)
    assert all(words in line for words, line in zip(lines, said, strict=True))


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ({}, []),
        ({"storage": None}, ["storage: not set, so data is kept in an emptyDir and lost with its pod [ephemeral]"]),
        ({"storage": {"resources": {"requests": {"storage": "50Mi"}}}}, ["small-volume"]),
        ({"replicas": 2, "replication": {"mode": "synchronous"}}, ["synchronous-pair"]),
        ({"replicas": 2, "replication": {"mode": "synchronous", "synchronousPolicy": "preferred"}}, []),
        ({"resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": None}}, ["no-resources"]),
        (
            {"postgresql": {"parameters": {"shared_buffers": "2GB"}}},
            [
                "postgresql.parameters.shared_buffers: 2GB is more than 40% of the memory limit (4Gi), which connections and the page "
                "cache need too; a quarter is usual [shared-buffers]"
            ],
        ),
        ({"postgresql": {"parameters": {"shared_buffers": 131072}}}, []),
        (
            {"postgresql": {"parameters": {"max_connections": 300, "work_mem": "16MB"}}},
            [
                "postgresql.parameters.work_mem: 16MB for each of 300 connections, with shared_buffers, can need more than the memory "
                "limit (4Gi); lower work_mem or max_connections, or raise the limit [work-mem]"
            ],
        ),
        ({"postgresql": {"parameters": {"max_connections": 2000}}}, ["4MB for each of 2000 connections"]),
        ({"postgresql": {"parameters": {"max_connections": 2000}}, "resources": {"limits": {"memory": "16Gi"}}}, []),
    ],
)
def test_advice_on_values(given: object, advice: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = lint(tmp_path, capsys, {"resources": ENOUGH}, given)
    assert code == 0
    assert len(said) == len(advice)
    assert all(line.startswith("warning: ") and words in line for words, line in zip(advice, said, strict=True))


def test_a_major_without_repairs_and_silence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, [said] = lint(tmp_path, capsys, {"resources": ENOUGH}, options=("--major", "9.6"))
    assert said.endswith("[end-of-life]")
    assert lint(tmp_path, capsys, {"resources": ENOUGH}, options=("--major", "9.6", "--silence", "end-of-life")) == (0, [])


def test_a_major_without_archive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"archiver": {"type": "s3", "bucket": "a", "secretName": "b"}, "resources": ENOUGH}
    code, [said] = lint(tmp_path, capsys, given, options=("--major", "19"))
    assert (code, said.startswith('error: archiver.type: "s3" is not allowed; left out, because pgBackRest ')) == (2, True)
    assert lint(tmp_path, capsys, given, options=("--major", "18")) == (0, [])


def test_a_spec_with_values_over_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "postgres.yaml"
    spec.write_text(WARM)
    _, said = lint(tmp_path, capsys, options=(str(spec),))
    assert [line.rsplit(" ", 1)[1] for line in said] == ["[small-volume]", "[no-resources]"]
    larger = {"storage": {"resources": {"requests": {"storage": "1Gi"}}}, "resources": ENOUGH}
    assert lint(tmp_path, capsys, larger, options=(str(spec),)) == (0, [])
    code, [problem] = lint(tmp_path, capsys, {"version": "16"}, options=(str(spec),))
    assert (code, problem) == (2, 'error: version: "16" is not allowed; 15')


def test_generate_warns_of_the_memory_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = tmp_path / "postgres.yaml"
    spec.write_text("version: '15'\nresources: {limits: {memory: 256Mi}, requests: {memory: 256Mi}}\n")
    assert main(["generate", str(spec), "-o", str(tmp_path / "out"), "--silence", "ephemeral"]) == 0
    assert capsys.readouterr().err.endswith("[shared-buffers]\n")


def test_the_examples_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("production", "production-tls"):
        assert main(["lint", "--helm", str(BIN / "helm4"), *helm.example(name)]) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "nothing to check; give SPEC or -f FILE"),
        (["--hooks", "x.py", "-f", "x"], "--hooks: not possible without SPEC"),
        (["x.yaml", "--major", "15"], "--major: not possible with SPEC"),
        (["-f", "/nowhere.yaml"], "/nowhere.yaml: can't be read"),
    ],
)
def test_a_wrong_call_is_refused(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lint", *options]) == 2
    assert capsys.readouterr().err.startswith(f"error: {said}")


@pytest.mark.parametrize(("text", "said"), [("- a\n", "a mapping of values"), ("a: 1\n---\nb: 1\n", ":3: a second document")])
def test_a_file_that_holds_no_values_is_refused(text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "values.yaml").write_text(text)
    assert main(["lint", "-f", str(tmp_path / "values.yaml")]) == 2
    assert said in capsys.readouterr().err
