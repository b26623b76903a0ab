"""Commands and values that docs/operations.md and the README print, for tests that follow them word for word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.cluster import chosen
from tests.cluster.paths import REPOSITORY
from tests.robustness import programs
from tests.robustness.programs import HAPG, LIMIT_SECONDS, Done
from tests.robustness.release import VALUES, Release

PAGE = REPOSITORY / "docs" / "operations.md"
README = REPOSITORY / "README.md"
_HEADING = re.compile(r"^(#+ .*)\n", re.MULTILINE)


def sections(page: Path = PAGE) -> dict[str, str]:
    """The text below each heading of a page, up to the next heading."""
    _, *parts = _HEADING.split(page.read_text(encoding="utf-8"))
    return dict(zip(parts[::2], parts[1::2], strict=True))


def commands(heading: str, page: Path = PAGE) -> list[str]:
    """The command lines below a heading; a line that goes on is one with the next."""
    return [line for block in blocks("console", heading, page) for line in block.replace("\\\n", " ").splitlines()]


def values(heading: str, names: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The chart's values below a heading. names: other words for the page's own."""
    [block] = blocks("yaml", heading)
    found: dict[str, Any] = yaml.safe_load(in_other_words(block, names or {}))
    return found


def blocks(language: str, heading: str, page: Path = PAGE) -> list[str]:
    """The code blocks of a language below a heading, also those within a list."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", sections(page)[heading], re.MULTILINE | re.DOTALL)
    return [dedent(block) for _, block in found]


def in_other_words(text: str, names: Mapping[str, str]) -> str:
    """A printed text with other words for the page's own, such as NAME and NS."""
    if not names:
        return text
    words = "|".join(re.escape(word) for word in sorted(names, key=len, reverse=True))
    return re.sub(rf"(?<!\w)({words})(?!\w)", lambda match: names[match[0]], text)


def names(release: Release) -> dict[str, str]:
    """The names of a release, for the page's NAME and NS."""
    return {"NAME": release.name, "NS": release.namespace.name}


def my_values(folder: Path, **more: Any) -> Path:
    """Write the page's my-values.yaml to a folder and return its path: the tutorial's values, and further ones."""
    found = yaml.safe_load(VALUES.read_text(encoding="utf-8")) | more
    if chosen.image_options():
        found["global"] = {"imageRegistry": "localhost"}
    path = folder / "my-values.yaml"
    path.write_text(yaml.safe_dump(found), encoding="utf-8")
    return path


def follow(line: str, names: Mapping[str, str], limit: float = LIMIT_SECONDS) -> Done:
    """Run a command line in a shell as it is printed, with other words for the page's own. limit: in seconds."""
    words = in_other_words(line, names)
    return programs.attempt("bash", "-c", f'hapg() {{ {HAPG} "$@"; }}; helm() {{ helm3 "$@"; }}; set -o pipefail; {words}', limit=limit)


def run(line: str, names: Mapping[str, str], limit: float = LIMIT_SECONDS) -> str:
    """Follow a command line, which has to succeed; return its output."""
    done = follow(line, names, limit)
    assert done.code == 0, f"{line}\n{done.text}"
    return done.out
