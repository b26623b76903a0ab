"""hapg init: five questions or flags, and files that make a chart."""

from __future__ import annotations

import builtins
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from hapg.chart import starter
from hapg.cli import main
from hapg.spec.version_profiles import USUAL
from tests.cluster.paths import BIN

ROOT = Path(__file__).parents[3]


class Terminal:
    """Somebody who gives these answers, one for each question."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.asked: list[str] = []
        self._answers: Iterator[str] = iter(answers)
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        monkeypatch.setattr(builtins, "input", self._answer)

    def _answer(self, question: str) -> str:
        self.asked.append(question)
        for answer in self._answers:
            return answer
        raise EOFError


def loaded(path: Path) -> list[dict]:
    return list(yaml.safe_load_all(path.read_text()))


def test_without_a_terminal_the_defaults_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["argocd.yaml", "check-chart.sh", "postgres.yaml", "values.yaml"]
    (spec,) = loaded(tmp_path / "postgres.yaml")
    assert spec["metadata"] == {"name": "ha-postgres", "namespace": "default"}
    assert (spec["spec"]["version"], spec["spec"]["replicas"]) == (USUAL, 3)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{tmp_path}: written: postgres.yaml, values.yaml, argocd.yaml, check-chart.sh"
    assert lines[1] == f"next: hapg generate {tmp_path}/postgres.yaml --values {tmp_path}/values.yaml -o {tmp_path}/charts"
    assert lines[2].startswith(f"then replace {starter.PLACEHOLDER} ")


def test_five_questions_each_with_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "orders", "16", "", "20Gi", "flux")
    assert main(["init", str(tmp_path)]) == 0
    newest = USUAL
    assert terminal.asked == [
        "Name of the release [ha-postgres]: ",
        f"Major of PostgreSQL [{newest}]: ",
        "Number of servers [3]: ",
        "Size of each server's volume [8Gi]: ",
        "Who installs it: argocd or flux [argocd]: ",
    ]
    (spec,) = loaded(tmp_path / "postgres.yaml")
    assert (spec["metadata"]["name"], spec["spec"]["version"], spec["spec"]["replicas"]) == ("orders", "16", 3)
    assert spec["spec"]["storage"]["resources"]["requests"]["storage"] == "20Gi"
    repository, release = loaded(tmp_path / "flux.yaml")
    assert release["spec"]["chart"]["spec"]["sourceRef"] == {"kind": repository["kind"], "name": repository["metadata"]["name"]}
    assert release["spec"]["chart"]["spec"]["chart"] == "./charts/orders"


def test_a_wrong_answer_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(monkeypatch, "Orders", "orders", "11", "15", "x", "0", "2", "8 GB", "8Gi", "jenkins", "argocd")
    assert main(["init", str(tmp_path)]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in said] == [
        "metadata.name:",
        "spec.version:",
        "spec.replicas:",
        "spec.replicas:",
        "spec.storage.resources.requests.storage:",
        "delivery:",
    ]


def test_what_a_flag_says_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch, "", "")
    flags = [
        "--name",
        "orders",
        "--version",
        "15",
        "--delivery",
        "argocd",
        "--namespace",
        "shop",
        "--repository",
        "https://git.example.org/x",
    ]
    (tmp_path / ".git").mkdir()
    assert main(["init", str(tmp_path / "db" / "orders"), *flags]) == 0
    assert terminal.asked == ["Number of servers [3]: ", "Size of each server's volume [8Gi]: "]
    (application,) = loaded(tmp_path / "db" / "orders" / "argocd.yaml")
    assert application["spec"]["source"] == {
        "repoURL": "https://git.example.org/x",
        "targetRevision": "main",
        "path": "db/orders/charts/orders",
        "helm": {"releaseName": "orders"},
    }
    assert application["spec"]["destination"]["namespace"] == "shop"


def test_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(monkeypatch, "orders")
    assert main(["init", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "error: --version: no answer\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--version", "11"], 'error: spec.version: "11" is not a supported version; allowed are'),
        (["--replicas", "ten"], "error: spec.replicas: ten is not a number"),
        (["--delivery", "helm"], "error: delivery: helm is not allowed; argocd or flux"),
    ],
)
@pytest.mark.parametrize("terminal", [False, True])
def test_wrong_flags(
    flags: list[str], sentence: str, terminal: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if terminal:
        Terminal(monkeypatch)
    assert main(["init", str(tmp_path / "out"), *flags]) == 2
    assert capsys.readouterr().err.startswith(sentence)
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "values.yaml").write_text("mine: 1\n")
    assert main(["init", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/values.yaml: already exists; nothing was written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["values.yaml"]


def test_the_check_for_ci(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path), "--name", "orders"]) == 0
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "hapg").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hapg "$@"\n')
    (programs / "helm").symlink_to(BIN / "helm3")
    (programs / "hapg").chmod(0o755)
    path = f"{ROOT / 'generator'}:{ROOT / 'failover-hook'}"
    environment = {**os.environ, "PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": path}

    def check() -> int:
        return subprocess.run([tmp_path / starter.CHECK], env=environment, capture_output=True).returncode

    assert check() == 1, "there is no chart"
    spec, values = str(tmp_path / "postgres.yaml"), str(tmp_path / "values.yaml")
    assert main(["generate", spec, "--values", values, "-o", str(tmp_path / "charts")]) == 0
    assert check() == 0
    (tmp_path / "values.yaml").write_text("shmSize: 1Gi\n")
    assert check() == 1, "the chart is not that of the values"
