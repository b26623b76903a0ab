"""hapg switchover: move the primary to a replica."""

from __future__ import annotations

import argparse

from hapg.exits import DONE
from hapg.operate import arguments as common
from hapg.operate import waiting


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument("--to", metavar="POD", help="the pod to become primary (default: the primary chooses)")
    common.add_timeout(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Request the switchover, wait for it, and print the new primary."""
    cluster = common.cluster(options)
    name = common.named(cluster, options)
    order = waiting.switchover_order(cluster, name, options.to, options.timeout)
    print(waiting.carry_out(cluster, name, order, options.timeout))
    return DONE
