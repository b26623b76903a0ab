"""hapg resize: grow the volumes of a release."""

from __future__ import annotations

import argparse
import re

from hapg.errors import InputError
from hapg.exits import DONE
from hapg.operate import arguments as common
from hapg.operate import growth, resizing

_QUANTITY = re.compile(r"[0-9]+([.][0-9]+)?([KMGTPE]i|[kMGTPE])?")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument(growth.OPTIONS["data"], metavar="QUANTITY", dest="data", help="the new size of each data volume, such as 16Gi")
    parser.add_argument(growth.OPTIONS["wal"], metavar="QUANTITY", dest="wal", help="the new size of each WAL volume")
    common.add_timeout(parser, 600, "how long there may be no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Grow the claims, wait until their file systems have grown, make the StatefulSet again with the new size, and print the result."""
    given = {"data": options.data, "wal": options.wal}
    sizes = {volume: size for volume, size in given.items() if size is not None}
    if not sizes:
        raise InputError([f"give a new size with {growth.OPTIONS['data']}, {growth.OPTIONS['wal']} or both"])
    bad = [
        f"{growth.OPTIONS[volume]} {size!r}: not a size, such as 16Gi" for volume, size in sizes.items() if not _QUANTITY.fullmatch(size)
    ]
    if bad:
        raise InputError(bad)
    print(resizing.grow(common.cluster(options), options.release, sizes, options.timeout))
    return DONE
