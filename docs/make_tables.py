"""The tables of Events and metrics in docs/operations.md, from their catalogues in the code.

`python -m docs.make_tables` rewrites them, `--check` shows what would change.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from hapg_failover.core.event_reasons import EVENT_REASONS
from hapg_failover.metrics import METRICS, PREFIX

PAGE = Path(__file__).parent / "operations.md"
EVENTS = "<!-- Events, made by docs/make_tables.py -->\n"
METRICS_MARK = "<!-- metrics, made by docs/make_tables.py -->\n"


def events() -> str:
    """Return the table of Events in Markdown, by reason."""
    rows = "".join(
        f"| `{each.reason}` | {each.kind} | {each.meaning} | {each.action} |\n" for each in sorted(EVENT_REASONS, key=lambda e: e.reason)
    )
    return "| reason | kind | meaning | what to do |\n|---|---|---|---|\n" + rows


def metrics() -> str:
    """Return the table of metrics in Markdown, in the order of the catalogue."""
    rows = []
    for each in METRICS:
        label = f"{{{each.label}}}" if each.label else ""
        values = f" ({', '.join(f'`{value}`' for value in each.values)})" if each.values else ""
        rows.append(f"| `{PREFIX}{each.name}{label}` | {each.help.removesuffix('.')}{values} | {each.alert} |\n")
    return "| metric | meaning | alert |\n|---|---|---|\n" + "".join(rows)


def page() -> str:
    """Return the text that docs/operations.md must have."""
    text = PAGE.read_text(encoding="utf-8")
    for mark, table in ((EVENTS, events()), (METRICS_MARK, metrics())):
        before, _, after = text.split(mark)
        text = f"{before}{mark}{table}{mark}{after}"
    return text


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="docs.make_tables", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 with a diff if the page has changed")
    if not parser.parse_args().check:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    old, new = (text.splitlines(keepends=True) for text in (PAGE.read_text(encoding="utf-8"), page()))
    diff = "".join(difflib.unified_diff(old, new, str(PAGE), "from the code"))
    sys.stdout.write(diff)
    return 1 if diff else 0


if __name__ == "__main__":
    sys.exit(main())
