"""hapg post-render: run hooks between helm and Kubernetes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from hapg import files
from hapg.chart import manifests
from hapg.errors import HapgError, InputError
from hapg.exits import DONE
from hapg.hooks.load import load

HELM_PLUGIN = Path(str(resources.files("hapg.hooks").joinpath("helm_plugin")))
"""The directory of the helm 4 plugin."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--hooks", nargs="+", action="extend", default=[], type=Path, metavar="FILE", help="Python files with hooks")
    parser.add_argument(
        "--helm-plugin", action="store_true", help="only print the directory of the helm 4 plugin, for `helm plugin install`"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the manifests from standard input as the hooks change them; write nothing on any error."""
    if options.helm_plugin:
        print(HELM_PLUGIN)
        return DONE
    try:
        adjusted = _adjusted(options.hooks)
    except HapgError as error:
        if "HELM_PLUGIN_NAME" in os.environ:
            _tell_user_of_helm(error)
        raise
    sys.stdout.buffer.write(manifests.text(adjusted).encode())
    return DONE


def _adjusted(paths: Sequence[Path]) -> list[manifests.Manifest]:
    hooks = load(paths)
    if not hooks.by_name["adjust_manifests"]:
        raise InputError(["no hook adjust_manifests found, so there is nothing to do; give --hooks FILE"])
    found = manifests.read(files.read(files.STDIN, manifests.LARGEST), "standard input")
    return hooks.run("adjust_manifests", found, manifests.problems)


def _tell_user_of_helm(error: HapgError) -> None:
    """Write to helm's own standard error or to the terminal, because helm 4 drops the output of a failed plugin."""
    for path in (f"/proc/{os.getppid()}/fd/2", "/dev/tty"):
        try:
            with open(path, "a", encoding="utf-8") as out:
                out.writelines(f"error: {line}\n" for line in str(error).splitlines())
        except OSError:
            continue
        return
