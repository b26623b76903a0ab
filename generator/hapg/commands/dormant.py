"""hapg dormant list: the releases whose data is kept and of which no server runs."""

from __future__ import annotations

import argparse
import json

from hapg.exits import DONE
from hapg.operate import arguments as common
from hapg.operate import dormant


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    verbs = parser.add_subparsers(required=True, metavar="list")
    listing = verbs.add_parser("list", help="list them", description="List the releases that are uninstalled or paused.")
    common.add_namespace(listing)
    listing.add_argument("-o", "--output", choices=("table", "json"), default="table", help="output format (default: table)")
    listing.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what sleeps in the namespace."""
    cluster = common.cluster(options)
    found = dormant.sleeping(dormant.read(cluster))
    if options.output == "json":
        print(json.dumps([dormant.document(each) for each in found], indent=2))
    else:
        print(dormant.table(found, cluster.namespace))
    return DONE
