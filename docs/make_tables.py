"""The tables of Events and metrics in docs/operations.md, from their catalogues in the code.

`python -m docs.make_tables` rewrites them, `--check` shows what would change.
"""

from __future__ import annotations

import sys
from pathlib import Path

from docs.generated import main
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


if __name__ == "__main__":
    sys.exit(main("docs.make_tables", __doc__, PAGE, page, "from the code"))
