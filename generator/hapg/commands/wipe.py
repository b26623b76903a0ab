"""hapg wipe: delete the data of an uninstalled release for good."""

from __future__ import annotations

import argparse

from hapg.exits import DONE, REFUSED
from hapg.operate import arguments as common
from hapg.operate import confirmation, waiting, wiping


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
    if not confirmation.by_name(options.release, options.yes, "to wipe it", "nothing was deleted"):
        return REFUSED
    print(wiping.carry_out(cluster, wanted, options.timeout))
    return DONE
