"""hapg failover: a replica is promoted though it may lack acknowledged rows."""

from __future__ import annotations

import argparse
import secrets
import sys

from hapg.exits import DONE, REFUSED
from hapg.operate import arguments as common
from hapg.operate import plan, waiting


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    common.add_release(parser)
    parser.add_argument("--force", action="store_true", help="required: rows may be lost")
    parser.add_argument("--to", metavar="POD", help="the pod to promote (default: the one whose WAL reaches furthest)")
    parser.add_argument("--yes", action="store_true", help="don't ask; required where there is no terminal")
    common.add_timeout(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Say what may be lost, ask, and have the replica promoted."""
    if not options.force:
        print(
            "error: failover promotes a replica that may lack acknowledged rows: say --force if that is what you want; "
            f"for a planned change use `hapg switchover {options.release}`",
            file=sys.stderr,
        )
        return REFUSED
    cluster = common.cluster(options)
    seen = waiting.look(cluster, options.release)
    order = plan.force(seen, options.to, secrets.token_hex(4))
    waiting.say(*plan.losses(seen, order))
    if not options.yes and not _confirmed(order):
        return REFUSED
    print(waiting.carry_out(cluster, options.release, order, options.timeout))
    return DONE


def _confirmed(order: plan.Order) -> bool:
    if not sys.stdin.isatty():
        print("error: there is no terminal to ask on; --yes does it without asking", file=sys.stderr)
        return False
    print(f"Type the pod's name to promote it: {order.pod.name}? ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == order.pod.name:
        return True
    print("error: nothing was done", file=sys.stderr)
    return False
