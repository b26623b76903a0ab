"""hapg diff: what an upgrade changes in a release, and the effect of each change."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from pathlib import Path

from hapg.chart import helm
from hapg.exits import DONE
from hapg.spec import error_messages
from hapg.spec.parser import DEFAULT_NAME
from hapg.upgrade import impact, sources
from hapg.upgrade.differences import MISSING, Change
from hapg.upgrade.impact import Effect, Finding, ObjectDiff

_MOST_LINES = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "The exit code is the worst effect: 0 nothing, 11 reload, 12 restart of standbys, 13 switchover, 14 immutable (Kubernetes refuses "
        "the upgrade), 15 data at risk."
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a chart directory, a package (.tgz), or a file of rendered manifests")
    parser.add_argument("new", type=Path, metavar="NEW", help="the same")
    parser.add_argument("-f", "--values", action="append", default=[], type=Path, metavar="FILE", help="values file for both charts")
    parser.add_argument("--release", default=DEFAULT_NAME, metavar="NAME", help="name of the release (default: %(default)s)")
    parser.add_argument("--namespace", default="default", metavar="NAME", help="its namespace (default: %(default)s)")
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm, for charts and packages (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the changes by object and return the exit code of the worst effect."""
    how = sources.Rendering(options.helm, options.release, options.namespace, options.values)
    found = impact.compare(sources.read(options.old, how), sources.read(options.new, how))
    for each in found:
        print(f"{each.name}: {each.worst.words}")
        for line in _object_lines(each):
            print(f"  {line}")
    worst = impact.worst(found)
    print(f"worst: {worst.words}" if found else "no difference")
    return DONE if worst is Effect.NOTHING else 10 + worst


def _object_lines(diff: ObjectDiff) -> Iterator[str]:
    """Yield the worst change first, and all changed labels in one line."""
    labelled = [finding.change.where for finding in diff.findings if finding.change is not None and finding.change.path[0] == "metadata"]
    for finding in sorted(diff.findings, key=lambda finding: -finding.effect):
        if finding.change is None or finding.change.path[0] != "metadata":
            yield from _lines(finding)
    if labelled:
        yield f"labels change: {', '.join(labelled)}"


def _lines(finding: Finding) -> Iterator[str]:
    reason = f" ({finding.effect.words}: {finding.reason})" if finding.reason else ""
    if finding.change is None:
        yield finding.reason
    elif _is_text(finding.change):
        yield f"{finding.change.where}:{reason}"
        yield from (f"  {line}" for line in _text_lines(finding.change))
    else:
        yield f"{finding.change.where}: {_shown(finding.change.old)} -> {_shown(finding.change.new)}{reason}"


def _is_text(change: Change) -> bool:
    return all(isinstance(value, str) for value in (change.old, change.new)) and "\n" in change.old + change.new


def _text_lines(change: Change) -> list[str]:
    diff = difflib.unified_diff(change.old.splitlines(), change.new.splitlines(), n=0, lineterm="")
    lines = [line for line in diff if not line.startswith(("---", "+++", "@@"))]
    return lines if len(lines) <= _MOST_LINES else [*lines[:_MOST_LINES], f"… {len(lines) - _MOST_LINES} more lines"]


def _shown(value: object) -> str:
    return repr(value) if value is MISSING else error_messages.shown(value)
