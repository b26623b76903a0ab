"""The rendered examples, committed so that a change of a chart is read as YAML.

`python -m tests.chart.golden` writes them anew. The supervisor's script is left out, and so is its checksum: it is in the
chart as a file, and would hide the rest.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.chart import helm

RENDERED = helm.EXAMPLES / "rendered"
NAMES = tuple(sorted(path.stem for path in helm.EXAMPLES.glob("*.yaml")))


def render(name: str) -> str:
    """Return the example `name` as helm renders it, without the supervisor's script."""
    documents = helm.text(*helm.example(name)).removeprefix("---\n").split("\n---\n")
    kept = "\n---\n".join(document.strip("\n") for document in documents if "\n  supervisor.sh: |" not in document)
    kept = re.sub(r"(checksum/supervisor\.sh): [0-9a-f]{64}", r"\1: left-out", kept)
    return re.sub(r"[ ]+$", "", kept, flags=re.MULTILINE) + "\n"


def path(name: str) -> Path:
    """Return where the rendered example `name` is committed."""
    return RENDERED / f"{name}.yaml"


if __name__ == "__main__":
    RENDERED.mkdir(exist_ok=True)
    for example in NAMES:
        path(example).write_text(render(example), encoding="utf-8")
        print(path(example).relative_to(helm.ROOT))
