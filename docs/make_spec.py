"""The table of docs/spec.md, from the schema of a spec: what becomes of every key that KubeDB knows.

`python -m docs.make_spec` writes it anew, `--check` shows what would change.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from docs.generated import main
from hapg.spec import schema

PAGE = Path(__file__).parent / "spec.md"
MARK = "<!-- made by docs/make_spec.py -->\n"


def table() -> str:
    """Return the table in Markdown: a row for each key, with what it means, or why it is refused and what to use."""
    found = (*_rows(schema.of_spec(), ""), *_rows(schema.of_dormant(), "DormantDatabase "))
    rows = "".join(f"| `{path}` | {text} |\n" for path, text in found)
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


if __name__ == "__main__":
    sys.exit(main("docs.make_spec", __doc__, PAGE, page, "from the schema"))
