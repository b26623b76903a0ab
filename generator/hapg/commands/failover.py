"""hapg failover: force the promotion of a replica that may lack acknowledged rows."""

from __future__ import annotations

import argparse
import secrets
import sys

from hapg.exits import DONE, REFUSED
from hapg.operate import arguments as common
from hapg.operate import plan, waiting


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument("--force", action="store_true", help="required, because acknowledged rows may be lost")
    parser.add_argument("--to", metavar="POD", help="the pod to promote (default: the pod with the most WAL)")
    parser.add_argument("--yes", action="store_true", help="don't ask for confirmation; required without a terminal")
    common.add_timeout(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what may be lost, ask for confirmation, and have the replica promoted."""
    if not options.force:
        print(
            "error: failover may lose acknowledged rows: add --force to accept that; "
            f"for a planned change use `hapg switchover {options.release}`",
            file=sys.stderr,
        )
        return REFUSED
    cluster = common.cluster(options)
    name = common.named(cluster, options)
    seen = waiting.look(cluster, name)
    order = plan.force(seen, options.to, secrets.token_hex(4))
    waiting.say(*plan.losses(seen, order))
    if not options.yes and not _confirmed(order):
        return REFUSED
    print(waiting.carry_out(cluster, name, order, options.timeout))
    return DONE


def _confirmed(order: plan.Order) -> bool:
    if not sys.stdin.isatty():
        print("error: no terminal to ask for confirmation; use --yes to skip the question", file=sys.stderr)
        return False
    print(f"Type the pod's name to promote it: {order.pod.name}? ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() == order.pod.name:
        return True
    print("error: not confirmed; nothing was done", file=sys.stderr)
    return False
