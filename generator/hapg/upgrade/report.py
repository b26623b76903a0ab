"""The result of a comparison as text, as JSON and as Markdown. Pure."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hapg.spec import error_messages
from hapg.upgrade.differences import MISSING, Change
from hapg.upgrade.effects import Effect, Finding, ObjectDiff

_MOST_LINES = 20


def text(found: Sequence[ObjectDiff], worst: Effect) -> str:
    """Return the changes by object, for a terminal."""
    lines = []
    for each in found:
        lines.append(f"{each.name}: {each.worst.words}")
        lines += [f"  {line}" for line in _object_lines(each)]
    return "\n".join([*lines, f"worst: {worst.words}" if found else "no difference"])


def document(found: Sequence[ObjectDiff], worst: Effect) -> dict[str, Any]:
    """Return the same for programs. A value that is missing on one side has no key there."""
    return {
        "worst": worst.words,
        "exitCode": worst.exit_code,
        "objects": [
            {"object": each.name, "worst": each.worst.words, "changes": [_finding_document(finding) for finding in each.findings]}
            for each in found
        ],
    }


def markdown(found: Sequence[ObjectDiff], worst: Effect) -> str:
    """Return the same as a table, for a review."""
    if not found:
        return "No difference."
    rows = [f"| {_cell(each.name)} | {finding.effect.words} | {_cell(_said(finding))} |" for each in found for finding in _by_effect(each)]
    return "\n".join([f"Worst effect: **{worst.words}**", "", "| object | effect | change |", "|---|---|---|", *rows])


def _finding_document(finding: Finding) -> dict[str, Any]:
    found: dict[str, Any] = {"effect": finding.effect.words, "reason": finding.reason}
    if finding.change is not None:
        values = {"old": finding.change.old, "new": finding.change.new}
        found |= {"path": finding.change.where, **{name: value for name, value in values.items() if value is not MISSING}}
    return found


def _by_effect(diff: ObjectDiff) -> list[Finding]:
    return sorted(diff.findings, key=lambda finding: -finding.effect)


def _object_lines(diff: ObjectDiff) -> Iterator[str]:
    """Yield the worst change first, and all changed labels in one line."""
    labelled = [finding.change.where for finding in diff.findings if finding.change is not None and finding.change.path[0] == "metadata"]
    for finding in _by_effect(diff):
        if finding.change is None or finding.change.path[0] != "metadata":
            yield _said(finding)
            if finding.change is not None and _is_text(finding.change):
                yield from (f"  {line}" for line in _text_lines(finding.change))
    if labelled:
        yield f"labels change: {', '.join(labelled)}"


def _said(finding: Finding) -> str:
    """Return a change with its reason in one line."""
    if finding.change is None:
        return finding.reason
    reason = f" ({finding.effect.words}: {finding.reason})" if finding.reason else ""
    if _is_text(finding.change):
        return f"{finding.change.where}:{reason}"
    return f"{finding.change.where}: {_shown(finding.change.old)} -> {_shown(finding.change.new)}{reason}"


def _is_text(change: Change) -> bool:
    return all(isinstance(value, str) for value in (change.old, change.new)) and "\n" in change.old + change.new


def _text_lines(change: Change) -> list[str]:
    diff = difflib.unified_diff(change.old.splitlines(), change.new.splitlines(), n=0, lineterm="")
    lines = [line for line in diff if not line.startswith(("---", "+++", "@@"))]
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"… {len(lines) - _MOST_LINES} more lines"]


def _shown(value: object) -> str:
    return repr(value) if value is MISSING else error_messages.shown(value)


def _cell(words: str) -> str:
    return " ".join(re.sub(r"([\\|*`_\[\]])", r"\\\1", words).replace("<", "&lt;").split())


OUTPUTS = {
    "text": text,
    "json": lambda found, worst: json.dumps(document(found, worst), indent=2, ensure_ascii=False),
    "markdown": markdown,
}
"""The formats of a report, by name."""
