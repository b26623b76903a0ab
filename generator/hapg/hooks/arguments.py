"""The arguments that all commands with hooks share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hapg import files
from hapg.hooks.load import is_beside, load
from hapg.hooks.run import Hooks


def add_hooks(parser: argparse.ArgumentParser, more: str = "") -> None:
    """Declare the files with hooks. more: what else the help says of them."""
    parser.add_argument(
        "--hooks",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help=f"Python files with hooks, in the order in which they run; may be given again{more}",
    )


def spec_beside(options: argparse.Namespace) -> Path | None:
    """Return the argument SPEC. It is taken back from --hooks where it follows the files, because a file with hooks ends with .py."""
    spec: Path | None = options.spec
    if spec is None and options.hooks and options.hooks[-1].suffix != ".py":
        spec = options.hooks.pop()
    return spec


def hooks_for(spec: Path, named: Sequence[Path]) -> Hooks:
    """Return the hooks with which a chart is generated, and say which of them will run though no argument names them."""
    if spec == files.STDIN and is_beside(Path()):
        print("warning: hooks/ is not searched, because the spec is standard input; name its files with --hooks", file=sys.stderr)
    hooks = load(named, None if spec == files.STDIN else spec)
    tell_of(hooks, "adjust_spec", "adjust_schema", "adjust_values", "adjust_files")
    return hooks


def tell_of(hooks: Hooks, *names: str) -> None:
    """Say on standard error which hooks will run though no argument names them."""
    for name in names:
        for each in hooks.by_name[name]:
            if each.found:
                print(f"hook {name} of {each.at} runs", file=sys.stderr)
