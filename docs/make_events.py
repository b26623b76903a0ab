"""The table of Events in docs/operations.md, from hapg_failover.core.event_reasons.

`python -m docs.make_events` writes it anew, `--check` shows what would change.
"""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from hapg_failover.core.event_reasons import EVENT_REASONS

PAGE = Path(__file__).parent / "operations.md"
MARK = "<!-- made by docs/make_events.py -->\n"


def table() -> str:
    """Return the table in Markdown, by reason."""
    rows = "".join(
        f"| `{each.reason}` | {each.kind} | {each.meaning} | {each.action} |\n" for each in sorted(EVENT_REASONS, key=lambda e: e.reason)
    )
    return "| reason | kind | meaning | what to do |\n|---|---|---|---|\n" + rows


def page() -> str:
    """Return what docs/operations.md has to be."""
    before, _, after = PAGE.read_text(encoding="utf-8").split(MARK)
    return f"{before}{MARK}{table()}{MARK}{after}"


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(prog="docs.make_events", description=__doc__)
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
