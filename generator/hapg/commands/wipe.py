"""hapg wipe: delete the data of an uninstalled release for good."""

from __future__ import annotations

import argparse
import sys

from hapg.exits import DONE, REFUSED
from hapg.operate import arguments as common
from hapg.operate import waiting, wiping


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument("--yes", metavar="NAME", help="the release's name once more, instead of typing it when asked")
    common.add_timeout(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show what would be deleted, ask for the release's name, delete it, and wait until it is gone."""
    cluster = common.cluster(options)
    wanted = wiping.choose(cluster, options.release)
    waiting.say(*wiping.summary(wanted, cluster.namespace))
    if not _confirmed(options.release, options.yes):
        return REFUSED
    print(wiping.carry_out(cluster, wanted, options.timeout))
    return DONE


def _confirmed(release: str, given: str | None) -> bool:
    if given is None and not sys.stdin.isatty():
        print(f"error: no terminal to ask for confirmation; use --yes {release}; nothing was deleted", file=sys.stderr)
        return False
    if given is None:
        print(f"Type the release's name to wipe it: {release}? ", end="", file=sys.stderr, flush=True)
        given = sys.stdin.readline().strip()
    if given == release:
        return True
    print(f"error: {given!r} is not the release's name, {release}; nothing was deleted", file=sys.stderr)
    return False
