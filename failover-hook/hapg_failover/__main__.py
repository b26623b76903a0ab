"""The failover container's commands: `run` (what the chart starts), `ensure-secret` (what it starts first)."""

from __future__ import annotations

import argparse
import os
import sys

from .respawn import keep_running


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="hapg_failover", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="watch the server of this pod and the primary, and fail over; restarts itself when it crashes")
    commands.add_parser("ensure-secret", help="create the Secret with a random superuser password unless it is there")
    options = parser.parse_args(arguments)
    if options.command == "run":
        return keep_running(_act)
    from .container import ensure_secret

    return ensure_secret(os.environ)


def _act() -> int:
    from .container import act

    return act(os.environ)


if __name__ == "__main__":
    sys.exit(main())
