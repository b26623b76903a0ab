"""The command line of hapg: the table of commands, and how errors are printed."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from hapg.errors import HapgError, InputError
from hapg.exits import FAILED, INTERRUPTED, REFUSED

COMMANDS = {
    "backup": "list the backups of a release, take one, or check the archive",
    "diff": "show what an upgrade from one chart to another changes, and how it affects a running release",
    "dormant": "list the releases that are uninstalled or paused and whose data is kept",
    "failover": "force the promotion of a replica that may lack acknowledged rows: the last resort",
    "generate": "write a chart from a spec, or write all shipped charts",
    "hooks": "list the hooks that were found, in the order in which they run",
    "package": "package charts (.tgz) and write a repository index for them",
    "post-render": "run hooks on the manifests that helm has rendered, from standard input to standard output",
    "resize": "grow the volumes of a release, or clone its servers onto new ones, smaller or with a volume for WAL",
    "restore": "write the values with which a new release is restored from the archive of another",
    "schema": "print the JSON schema of a spec or of a chart's values",
    "status": "show which pod is primary, which replicas may take over, and what is wrong",
    "switchover": "move the primary to a replica without losing acknowledged rows",
    "wipe": "delete the data of an uninstalled release for good: its claims, Secrets and Lease",
}
"""Help text by command. Each command is a module of the same name in hapg.commands."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run hapg and return its exit code.

    0: done. 1: drift, an output that can't be written, or a request that the release can't carry out. 2: input refused. 130: interrupted.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given).parse_args(given)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of the output is gone. Without this the interpreter fails once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return _complain(HapgError("interrupted"), INTERRUPTED)
    except InputError as error:
        return _complain(error, REFUSED)
    except HapgError as error:
        return _complain(error, FAILED)
    return code


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hapg", description="Generate a Helm chart from a short Postgres spec, and operate its releases.")
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
