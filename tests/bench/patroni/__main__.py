"""Builds Patroni's image into the cache, which needs the network: ``python -m tests.bench.patroni``."""

from __future__ import annotations

import sys

from tests.bench.patroni import image
from tests.cluster import images
from tests.cluster.errors import ClusterError


def main() -> int:
    """Exit code 0, or 1 for an error that is explained on stderr."""
    try:
        images.report([image.ensure()])
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
