"""docs/migrate.md, followed word for word as far as no cluster is needed: its inputs are saved, and its commands run in order."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from hapg.cli import main
from hapg.migrate import systems
from tests.cluster.paths import BIN

PAGE = Path(__file__).parents[3] / "docs" / "migrate.md"


def sections() -> dict[str, str]:
    """The parts of the page that have an input, by heading."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {heading: text for heading, text in zip(parts[::2], parts[1::2], strict=True) if "```yaml" in text}


def inputs(text: str) -> dict[str, str]:
    """The files that a section shows, by name."""
    return dict(re.findall(r"^`(\S+)`:\n```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))


def commands(text: str) -> list[str]:
    """The commands of a section that need no cluster. What would be installed is rendered, with the same values."""
    found = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    blocks = "\n".join(block for block in found if not block.startswith("kubectl "))
    return blocks.replace("helm upgrade --install ", "helm template ").splitlines()


def test_every_system_has_a_section() -> None:
    assert len(sections()) == len(systems.SYSTEMS)


@pytest.mark.parametrize("heading", sections())
def test_the_commands_of_a_section_run_in_order(heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = sections()[heading]
    monkeypatch.chdir(tmp_path)
    for name, content in inputs(text).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    rendered = []
    for program, *arguments in map(shlex.split, commands(text)):
        if program == "hapg":
            assert main(arguments) == 0
        else:
            assert program == "helm"
            done = subprocess.run([str(BIN / "helm3"), *arguments], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            rendered.append("kind: Job" in done.stdout)
    assert rendered == [False, True], "the last one imports"


@pytest.mark.parametrize("heading", sections())
def test_the_export_that_a_section_prints_is_for_its_input(heading: str) -> None:
    text = sections()[heading]
    assert re.findall(r"^From a cluster: `.* > (\S+)`\.$", text, flags=re.MULTILINE) == list(inputs(text))
