"""Commands that the documentation prints, for tests that follow it word for word."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tests.cluster.paths import REPOSITORY
from tests.robustness import programs
from tests.robustness.programs import HAPG, Done

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: str, heading: str) -> list[str]:
    """The command lines below a heading of a page of docs, up to the next heading; a line that goes on is one with the next."""
    text = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")
    _, section = text.split(f"\n{heading}\n")
    blocks = _BLOCK.findall(re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0])
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]


def follow(line: str, names: Mapping[str, str]) -> Done:
    """Run a command line in a shell as it is printed, with other words for the page's own, such as NAME and NS."""
    for word, name in names.items():
        line = re.sub(rf"\b{re.escape(word)}\b", name, line)
    return programs.attempt("bash", "-c", f'hapg() {{ {HAPG} "$@"; }}; helm() {{ helm3 "$@"; }}; set -o pipefail; {line}')
