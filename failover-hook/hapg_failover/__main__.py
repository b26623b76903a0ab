"""Commands of the failover image: `prepare` for the init container, `run` for the failover container, `wipe` for the Job of that name."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

RESPAWN = Path(__file__).with_name("respawn.sh")


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="hapg_failover", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="watch the server of this pod and the primary, and fail over; restarts itself when it crashes")
    commands.add_parser("act", help="the same, until it crashes")
    commands.add_parser("prepare", help="put the supervisor's scripts into the pod, and create the Secrets unless they exist")
    wipe_command = commands.add_parser("wipe", help="delete the claims, Secrets and Lease of an uninstalled release")
    wipe_command.add_argument("release", help="the release's full name")
    wipe_command.add_argument("--label", action="append", required=True, metavar="KEY=VALUE", help="a label of the Secrets to delete")
    options = parser.parse_args(arguments)
    if options.command == "run":
        os.execv("/bin/sh", ["/bin/sh", str(RESPAWN), sys.executable, "-m", "hapg_failover", "act"])
    from .container import act, prepare, wipe

    if options.command == "wipe":
        return wipe(os.environ, options.release, dict(label.split("=", 1) for label in options.label))
    return act(os.environ) if options.command == "act" else prepare(os.environ)


if __name__ == "__main__":
    sys.exit(main())
