"""hapg hooks: list the hooks in the order in which they run."""

from __future__ import annotations

import argparse
from pathlib import Path

from hapg.exits import DONE
from hapg.hooks import arguments as common
from hapg.hooks import isolation
from hapg.hooks.load import load


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("spec", nargs="?", type=Path, metavar="SPEC", help="a spec; the folder hooks/ beside it is searched")
    common.add_hooks(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a line for each hook: its name, its file and line, and the first line of its docstring."""
    spec = common.spec_beside(options)
    with isolation.standard_output() as out:
        for implementations in load(options.hooks, spec).by_name.values():
            for each in implementations:
                print("\t".join(filter(None, (each.name, each.at, each.about))), file=out)
    return DONE
