"""Rewrites a generated page of the docs, or compares it with what its source gives."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable
from pathlib import Path


def main(prog: str, description: str | None, target: Path, page: Callable[[], str], source: str) -> int:
    """Write `target`, or compare it with --check. page: returns its text; source: what it is made from, in words. Return the exit code."""
    parser = argparse.ArgumentParser(prog=prog, description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff if the page has changed")
    if not parser.parse_args().check:
        target.write_text(page(), encoding="utf-8")
        return 0
    old, new = (text.splitlines(keepends=True) for text in (target.read_text(encoding="utf-8"), page()))
    diff = "".join(difflib.unified_diff(old, new, str(target), source))
    sys.stdout.write(diff)
    return 1 if diff else 0
