"""hapg schema: print the JSON schemas, for editors and other programs."""

from __future__ import annotations

import argparse
import sys

from hapg.chart import values
from hapg.exits import DONE
from hapg.spec import schema
from hapg.spec.version_profiles import PROFILES


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("which", choices=("spec", "values"))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a schema."""
    if options.which == "spec":
        sys.stdout.write(schema.text(schema.of_spec(), "Postgres"))
    else:
        newest = list(PROFILES)[-1]
        sys.stdout.write(schema.text(values.source({}, newest), "Values"))
    return DONE
