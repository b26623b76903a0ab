"""hapg schema: print the JSON schemas, for editors and other programs."""

from __future__ import annotations

import argparse

from hapg.chart import values
from hapg.errors import InputError
from hapg.exits import DONE
from hapg.spec import parser as specs
from hapg.spec import schema
from hapg.spec.version_profiles import PROFILES, USUAL


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("which", choices=("spec", "values"))
    parser.add_argument("--major", choices=tuple(PROFILES), help=f"values: of the chart for this major of PostgreSQL (default: {USUAL})")
    parser.add_argument("--short", action="store_true", help="spec: its short form, with only the keys of `spec`")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a schema."""
    misplaced = "--major: only with values" if options.which == "spec" and options.major else None
    if misplaced or (options.which == "values" and options.short):
        raise InputError([misplaced or "--short: only with spec"])
    if options.which == "spec":
        whole = schema.of_spec()
        print(schema.text(specs.short_form(whole) if options.short else whole, "Postgres"), end="")
    else:
        print(schema.text(values.source({}, options.major or USUAL), "Values"), end="")
    return DONE
