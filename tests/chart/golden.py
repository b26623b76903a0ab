"""The rendered examples, committed so that a change of a chart is read as YAML.

`python -m tests.chart.golden` writes them anew, `--check` shows what would change.
"""

from __future__ import annotations

import argparse
import re
import sys
from difflib import unified_diff
from pathlib import Path

from tests.chart import helm

RENDERED = helm.EXAMPLES / "rendered"
NAMES = tuple(sorted(path.stem for path in helm.EXAMPLES.glob("*.yaml")))


def render(name: str) -> str:
    """Return the example `name` as helm renders it."""
    documents = helm.text(*helm.example(name)).removeprefix("---\n").split("\n---\n")
    kept = "\n---\n".join(document.strip("\n") for document in documents)
    return re.sub(r"[ ]+$", "", kept, flags=re.MULTILINE) + "\n"


def path(name: str) -> Path:
    """Return where the rendered example `name` is committed."""
    return RENDERED / f"{name}.yaml"


def differences() -> str:
    """Return a unified diff from what is committed to what helm renders, '' if there is none."""
    found: list[str] = []
    for name in NAMES:
        committed = path(name).read_text(encoding="utf-8") if path(name).exists() else ""
        shown = str(path(name).relative_to(helm.ROOT))
        found += unified_diff(committed.splitlines(keepends=True), render(name).splitlines(keepends=True), shown, f"{shown} (rendered)")
    return "".join(found)


def main() -> int:
    """Write the rendered examples, or compare them."""
    parser = argparse.ArgumentParser(prog="tests.chart.golden", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff if a rendered example has changed")
    if parser.parse_args().check:
        diff = differences()
        sys.stdout.write(diff)
        return 1 if diff else 0
    RENDERED.mkdir(exist_ok=True)
    for name in NAMES:
        path(name).write_text(render(name), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
