"""Writes docs/faults.md from build/faults.json: ``python -m tests.faults.report``."""

from __future__ import annotations

from tests.robustness.report import faults_page

if __name__ == "__main__":
    faults_page.write()
