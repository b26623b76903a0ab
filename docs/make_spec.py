"""The table of docs/spec.md, from the schema of a spec: what becomes of every key that KubeDB knows.

`python -m docs.make_spec` writes it anew, `--check` shows what would change.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterator
from pathlib import Path

from hapg.spec import schema

PAGE = Path(__file__).parent / "spec.md"
MARK = "<!-- made by docs/make_spec.py -->\n"


def table() -> str:
    """Return the table in Markdown: a row for each key, with what it means, or why it is refused and what to use."""
    rows = "".join(f"| `{path}` | {text} |\n" for path, text in _rows(schema.of_spec(), ""))
    return "| key | |\n|---|---|\n" + rows


def page() -> str:
    """Return what docs/spec.md has to be."""
    before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
    return f"{before}{MARK}{table()}{MARK}{after}"


def _rows(node: schema.Schema, prefix: str) -> Iterator[tuple[str, str]]:
    for name, child in node["properties"].items():
        path = prefix + name
        if "unsupported" in child:
            yield path, f"**refused**: {child['unsupported']}"
        else:
            if "description" in child:
                yield path, schema.explanation(child)
            if "$ref" not in child and "properties" in child:
                yield from _rows(child, f"{path}.")


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="docs.make_spec", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff if the page has changed")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    old, new = (text.splitlines(keepends=True) for text in (PAGE.read_text(encoding="utf-8"), page()))
    diff = "".join(difflib.unified_diff(old, new, str(PAGE), "from the schema"))
    sys.stdout.write(diff)
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
