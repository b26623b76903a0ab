"""The command line: ``python -m tests.cluster``."""

import argparse
import sys

from tests.cluster import local
from tests.cluster.errors import ClusterError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("verb")
    args = parser.parse_args()
    try:
        if args.verb == "up":
            print(local.up())
        elif args.verb == "down":
            local.down()
        elif args.verb == "status":
            print(local.status_json())
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0
