"""docs/migrate.md, followed word for word as far as no cluster is needed: its inputs are saved, and its commands run in order."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from hapg.migrate import systems
from tests.cluster.paths import BIN

PAGE = Path(__file__).parents[3] / "docs" / "migrate.md"
PRELUDE = 'set -euo pipefail\nhapg() { "$PYTHON" -m hapg "$@"; }\nhelm() { "$HELM" "$@"; }\n'


def sections() -> dict[str, str]:
    """The parts of the page that have an input, by heading."""
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return {heading: text for heading, text in zip(parts[::2], parts[1::2], strict=True) if "```yaml" in text}


def inputs(text: str) -> dict[str, str]:
    """The files that a section shows, by name."""
    return dict(re.findall(r"^`(\S+)`:\n```yaml\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL))


def commands(text: str) -> str:
    """The commands of a section. What would be installed is rendered, with the same values."""
    found = re.findall(r"^```console\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    blocks = "\n".join(block for block in found if not block.startswith("kubectl "))
    return re.sub(r"^helm upgrade --install (.*)$", r"helm template \1 > rendered.yaml", blocks, flags=re.MULTILINE)


def test_every_system_has_a_section() -> None:
    assert len(sections()) == len(systems.SYSTEMS)


@pytest.mark.parametrize("heading", sections())
def test_the_commands_of_a_section_run_in_order(heading: str, tmp_path: Path) -> None:
    text = sections()[heading]
    for name, content in inputs(text).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    assert commands(text).count("helm template") == 2
    root = Path(__file__).parents[3]
    environment = {"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "HELM": str(BIN / "helm3"), "HOME": str(tmp_path)}
    environment["PYTHONPATH"] = f"{root / 'generator'}:{root / 'failover-hook'}"
    done = subprocess.run(["/bin/bash", "-c", PRELUDE + commands(text)], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "kind: Job" in (tmp_path / "rendered.yaml").read_text()


@pytest.mark.parametrize("heading", sections())
def test_the_export_that_a_section_prints_is_for_its_input(heading: str) -> None:
    text = sections()[heading]
    assert re.findall(r"^From a cluster: `.* > (\S+)`\.$", text, flags=re.MULTILINE) == list(inputs(text))
