"""hapg resize: grow the volumes of a release where they are, or have its servers cloned onto other ones."""

from __future__ import annotations

import argparse
import re

from hapg.errors import InputError
from hapg.exits import DONE, REFUSED
from hapg.operate import arguments as common
from hapg.operate import confirmation, reclone, resize_model, resizing, waiting
from hapg.operate.reclone import Reclone

_QUANTITY = re.compile(r"[0-9]+([.][0-9]+)?([KMGTPE]i|[kMGTPE])?")
_DATA, _WAL = resize_model.OPTIONS["data"], resize_model.OPTIONS["wal"]
_RECLONE = "--reclone"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_release(parser)
    parser.add_argument(_DATA, metavar="QUANTITY", dest="data", help="the new size of each data volume, such as 16Gi")
    parser.add_argument(_WAL, metavar="QUANTITY", dest="wal", help="the new size of each WAL volume")
    parser.add_argument(
        _RECLONE,
        action="store_true",
        help="clone one server after the other onto new volumes, which may be smaller, and have WAL volumes that there were none of",
    )
    parser.add_argument(reclone.CLASS_OPTION, metavar="CLASS", dest="wal_class", help="the StorageClass of WAL volumes that are added")
    parser.add_argument("--yes", metavar="NAME", help=f"the release's name once more, instead of typing it when {_RECLONE} asks")
    common.add_timeout(parser, 600, "how long there may be no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do either, with the StatefulSet made again for it, and print the result."""
    given = {"data": options.data, "wal": options.wal}
    sizes = {volume: size for volume, size in given.items() if size is not None}
    if not sizes:
        raise InputError([f"give a new size with {_DATA}, {_WAL} or both"])
    bad = [f"{resize_model.OPTIONS[volume]} {size!r}: not a size, such as 16Gi" for volume, size in sizes.items() if not _is_size(size)]
    alone = {reclone.CLASS_OPTION: options.wal_class, "--yes": options.yes}
    bad += [f"{option}: only with {_RECLONE}" for option, value in alone.items() if value is not None and not options.reclone]
    if options.wal_class is not None and options.wal is None:
        bad.append(f"{reclone.CLASS_OPTION}: only with {_WAL}")
    if bad:
        raise InputError(bad)
    cluster = common.cluster(options)
    release = common.named(cluster, options)
    if not options.reclone:
        print(resizing.grow(cluster, release, sizes, options.timeout))
        return DONE
    found = resizing.prepare(cluster, release, Reclone(sizes, options.wal_class))
    if reclone.left(found.seen, found.plan):
        waiting.say(*reclone.summary(found.seen, found.plan))
        if not confirmation.by_name(release, options.yes, "to have it cloned onto new volumes", "nothing was changed"):
            return REFUSED
    print(resizing.clone(cluster, found, options.timeout))
    return DONE


def _is_size(text: str) -> bool:
    return _QUANTITY.fullmatch(text) is not None
