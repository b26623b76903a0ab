"""hapg post-render: run hooks between helm and Kubernetes."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from hapg import files
from hapg.chart import manifests
from hapg.chart.manifests import Manifest
from hapg.errors import InputError
from hapg.exits import DONE
from hapg.hooks import arguments as common
from hapg.hooks import helm_stderr, isolation
from hapg.hooks.load import load

HELM_PLUGIN = Path(str(resources.files("hapg.hooks").joinpath("helm_plugin")))
"""The directory of the helm 4 plugin."""

_ALLOWED = "--allow-removal"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    common.add_hooks(parser)
    parser.add_argument(_ALLOWED, action="store_true", help="let hooks remove the StatefulSet, or all manifests")
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
        given = files.read(files.STDIN, manifests.LARGEST)
        with isolation.standard_output() as out:
            out.write(manifests.text(_adjusted(given, options.hooks, options.allow_removal)))
    except Exception as error:
        if "HELM_PLUGIN_NAME" in os.environ:
            helm_stderr.tell("".join(f"error: {line}\n" for line in str(error).splitlines()), os.getppid())
        raise
    return DONE


def _adjusted(given: bytes, paths: Sequence[Path], allow_removal: bool) -> list[Manifest]:
    hooks = load(paths)
    common.tell_of(hooks, "adjust_manifests")
    if not hooks.by_name["adjust_manifests"]:
        raise InputError(["no hook adjust_manifests found, so there is nothing to do; give --hooks FILE"])
    found = manifests.read(given, "standard input")
    is_empty = not found  # before the hooks, which may change the list itself
    sets = {manifests.key(each) for each in found if each["kind"] == "StatefulSet"}

    def problems(adjusted: list[Manifest]) -> Iterator[str]:
        invalid = list(manifests.problems(adjusted))
        yield from invalid
        if invalid or allow_removal:
            return
        left = {manifests.key(each) for each in adjusted}
        gone = [f"StatefulSet {name}, with which its servers would be deleted" for *_, name in sets - left]
        if not is_empty and not adjusted:
            gone = ["all manifests, and an upgrade would delete the release"]
        yield from (f"removes {what}; {_ALLOWED} allows it" for what in sorted(gone))

    return hooks.run("adjust_manifests", found, problems)
