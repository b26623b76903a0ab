"""hapg status: show which pod is primary, which replicas may take over, and what is wrong."""

from __future__ import annotations

import argparse
import json
from dataclasses import replace

from hapg.exits import DONE, FAILED
from hapg.operate import arguments as common
from hapg.operate import lag, naming, status, waiting
from hapg.operate.kubectl import Kubectl


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("release", nargs="?", metavar="RELEASE", help=f"{common.RELEASE} (default: list all releases of the namespace)")
    common.add_namespace(parser)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table", help="output format (default: table)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the state of the release, or of all releases; exit with 1 while nobody can write in one of them."""
    cluster = common.cluster(options)
    if options.release is None:
        return _all(cluster, options.output == "json")
    seen = waiting.look(cluster, common.named(cluster, options))
    seen = replace(seen, lags=lag.read(cluster, seen))
    print(json.dumps(status.document(seen), indent=2) if options.output == "json" else status.table(seen))
    return DONE if status.nobody_writes(seen) is None else FAILED


def _all(cluster: Kubectl, as_json: bool) -> int:
    found = [waiting.look(cluster, name) for name in naming.of_configs(cluster.all("configmap"))]
    if as_json:
        print(json.dumps([status.document(each) for each in found], indent=2))
    else:
        print(status.list_of(found) if found else f"no release in namespace {cluster.namespace}")
    return FAILED if any(status.nobody_writes(each) is not None for each in found) else DONE
