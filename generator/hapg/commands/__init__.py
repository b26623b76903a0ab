"""The commands of hapg, one module each, and their table.

`arguments(parser)` of a module declares the command's arguments and sets `run`, which returns the
exit code. A module is imported only when its command is called, so that no command pays for
another's imports.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from hapg import VERSION

COMMANDS = {
    "backup": "list the backups of a release, take one, or check the archive",
    "completion": "print the completion script of a shell",
    "diff": "show what an upgrade from one chart to another changes, and how it affects a running release",
    "dormant": "list the releases that are uninstalled or paused and whose data is kept",
    "failover": "force the promotion of a replica that may lack acknowledged rows: the last resort",
    "generate": "write a chart from a spec, or write all shipped charts",
    "hooks": "list the hooks that were found, in the order in which they run",
    "init": "begin a release in Git: spec, values, an Argo CD Application or Flux HelmRelease, and a check for CI",
    "lint": "check a spec, or values for a chart, and give advice",
    "migrate": "translate an object or values of another system into a spec and values, and report what became of each field",
    "package": "package charts (.tgz) and write a repository index for them",
    "pin": "write values with the newest minor release of PostgreSQL and the digest of each image, from their registry",
    "post-render": "run hooks on the manifests that helm has rendered, from standard input to standard output",
    "resize": "grow the volumes of a release, or clone its servers onto new ones, smaller or with a volume for WAL",
    "restore": "write the values with which a new release is restored from the archive of another",
    "schema": "print the JSON schema of a spec or of a chart's values",
    "status": "show which pod is primary, which replicas may take over, and what is wrong",
    "switchover": "move the primary to a replica without losing acknowledged rows",
    "wipe": "delete the data of an uninstalled release for good: its claims, Secrets and Lease",
}
"""Help text by command."""


class Parser(argparse.ArgumentParser):
    """Names the nearest choice if one is misspelt, and fails if the help can't be written."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is not None and file is sys.stdout:
            file.write(message)
            return
        with suppress(OSError):  # of standard error, which argparse itself ignores from Python 3.11.4 on
            super()._print_message(message, file)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        import difflib

        choices = [str(choice) for choice in action.choices]
        nearest = difflib.get_close_matches(str(value), choices, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(choices)}"
        raise argparse.ArgumentError(action, f"unknown: {value!r}; {hint}")


def parser(names: Collection[str]) -> Parser:
    """Return the parser of the command line, with the arguments of the commands `names`."""
    root = Parser(prog="hapg", description="Generate a Helm chart from a short Postgres spec, and operate its releases.")
    root.add_argument("--version", action="version", version=f"hapg {VERSION}")
    commands = root.add_subparsers(required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
        if name in names:
            importlib.import_module(f"hapg.commands.{name.replace('-', '_')}").arguments(command)
    return root
