"""The command line of hapg: a table of commands, and how their errors are told."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from hapg.errors import HapgError, InputError
from hapg.exits import FAILED, REFUSED

COMMANDS = {
    "diff": "say what an upgrade from one chart to another would change, and what that does to a release",
    "failover": "promote a replica though it may lack acknowledged rows: the last resort when nobody may take over",
    "generate": "write a chart from a spec, or all that are shipped",
    "hooks": "list the hooks that are found, in the order in which they run",
    "package": "make packages (.tgz) of charts, and the index of a repository of them",
    "post-render": "run hooks on what helm has rendered, from standard input to standard output",
    "schema": "print the JSON schema of a spec or of a chart's values",
    "status": "show who is primary, who may take over, and what is wrong",
    "switchover": "have the primary hand over to a replica; nothing acknowledged is lost",
}
"""Each command with its line of help; it lies in the module of its name in hapg.commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run hapg and return its exit code: 0 done, 1 drift, output that can't be written or a release that can't do it, 2 input refused."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given).parse_args(given)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone; the interpreter must not stumble over the rest when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except InputError as error:
        return _complain(error, REFUSED)
    except HapgError as error:
        return _complain(error, FAILED)
    return code


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hapg", description="From a short Postgres spec to a Helm chart; and commands for its releases.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name in given[:1]:
            importlib.import_module(f"hapg.commands.{name.replace('-', '_')}").arguments(command)
    return parser


def _complain(error: HapgError, code: int) -> int:
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    return code
