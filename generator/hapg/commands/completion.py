"""hapg completion: print the completion script of a shell."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import shtab

from hapg import commands
from hapg.exits import DONE

_SHELLS = ("bash", "zsh", "fish")
_DIRECTORIES = ("DIR", "CHART")
"""What an argument is called that takes a directory."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        'For this shell: `eval "$(hapg completion bash)"`, `source <(hapg completion zsh)` after compinit, or '
        "`hapg completion fish | source`."
    )
    parser.add_argument("shell", choices=_SHELLS)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    root = commands.parser(commands.COMMANDS)
    for action in _actions(root):
        if action.type is Path or action.metavar == "FILE":
            action.complete = shtab.DIRECTORY if action.metavar in _DIRECTORIES else shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(root, shell=options.shell))
    return DONE


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield the arguments of a parser and of its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action.choices, dict):
            for command in action.choices.values():
                yield from _actions(command)
