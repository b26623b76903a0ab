"""The scripts in testdata/ print the committed output."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scripts import SCRIPTS, perform, read, text_of


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.txt")), ids=lambda path: path.stem)
def test_a_script_prints_what_is_committed(path: Path) -> None:
    """After an intended change: python -m tests.simulation.scripts --rewrite."""
    text = text_of(perform(read(path)))
    assert "VIOLATION" not in text
    assert text == path.read_text(encoding="utf-8")
