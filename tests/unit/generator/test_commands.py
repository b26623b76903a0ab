"""The table of commands: each has its module, and none pays for another's imports."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from hapg import cli, commands
from hapg.commands.post_render import HELM_PLUGIN

HEAVY = ("jinja2", "jsonschema", "yaml", "kubernetes", "psycopg2", "pluggy", "cronsim", "difflib", "shtab", "tempfile")


def test_every_command_has_a_module_and_every_module_is_a_command() -> None:
    modules = {module.name.replace("_", "-") for module in pkgutil.iter_modules(commands.__path__)}
    assert modules == set(commands.COMMANDS)


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_a_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"hapg.commands.{name.replace('-', '_')}")
    with pytest.raises(SystemExit) as caught:
        cli.main([name, "--help"])
    assert caught.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: hapg {name} ")


def test_the_plugin_for_helm_4_has_the_projects_version() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert yaml.safe_load((HELM_PLUGIN / "plugin.yaml").read_text())["version"] == project["version"]


def test_hapg_tells_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    with pytest.raises(SystemExit) as caught:
        cli.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"hapg {project['version']}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["stauts"], "unknown: 'stauts'; did you mean status?"),
        (["backup", "lst"], "unknown: 'lst'; did you mean list?"),
        (["status", "-o", "jsn"], "unknown: 'jsn'; did you mean json?"),
        (["schema", "chart"], "unknown: 'chart'; known are spec, values"),
    ],
)
def test_a_misspelt_word_is_told_its_nearest(arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2
    assert sentence in capsys.readouterr().err


def test_bash_completes_commands_verbs_options_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "postgres.yaml").touch()
    monkeypatch.chdir(tmp_path)

    def completed(*words: str) -> list[str]:
        call = 'source ./script; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _shtab_hapg; printf "%s\\n" "${COMPREPLY[@]}"'
        done = subprocess.run(["/bin/bash", "-c", call, "bash", *words], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return sorted(word.strip() for word in done.stdout.splitlines())

    assert completed("hapg", "s") == ["schema", "status", "switchover"]
    assert completed("hapg", "backup", "ver") == ["verify"]
    assert completed("hapg", "diff", "--kube-v") == ["--kube-version"]
    assert completed("hapg", "generate", "post") == ["postgres.yaml"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_is_completed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert [name for name in commands.COMMANDS if name not in script] == []
    assert "--kube-version" in script or "kube-version" in script


def test_the_help_lists_every_command_and_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from hapg.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])\n"
    )
    wide = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=wide)
    assert done.stdout.endswith("heavy: []\n")
    for name in commands.COMMANDS:
        assert f"    {name}" in done.stdout.splitlines() or f"\n    {name} " in done.stdout
