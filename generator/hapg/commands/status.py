"""hapg status: show which pod is primary, which replicas may take over, and what is wrong."""

from __future__ import annotations

import argparse
import json

from hapg.exits import DONE, FAILED
from hapg.operate import arguments as common
from hapg.operate import status, waiting


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="output format (default: table)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the state of the release; exit with 1 while nobody can write."""
    seen = waiting.look(common.cluster(options), options.release)
    print(json.dumps(status.document(seen), indent=2) if options.output == "json" else status.table(seen))
    return DONE if status.nobody_writes(seen) is None else FAILED
