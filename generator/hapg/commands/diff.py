"""hapg diff: what an upgrade changes in a release, and the effect of each change."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from hapg.chart import helm
from hapg.chart.manifests import Manifest
from hapg.errors import InputError
from hapg.operate import arguments as common
from hapg.operate import naming
from hapg.spec.parser import DEFAULT_NAME
from hapg.upgrade import impact, report, sources
from hapg.upgrade.sources import Rendering

_Sides = tuple[list[Manifest], list[Manifest]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.usage = "hapg diff [options] OLD NEW\n       hapg diff [options] --live RELEASE NEW"
    parser.epilog = (
        "The exit code is the worst effect: 0 nothing, 11 reload, 12 restart of standbys, 13 switchover, 14 clients cut off, 15 immutable "
        "(Kubernetes refuses the upgrade), 16 data at risk. 1 and 2 are errors."
    )
    parser.add_argument(
        "old", type=Path, nargs="?", metavar="OLD", help="a chart directory, a package (.tgz), or a file of rendered manifests"
    )
    parser.add_argument("new", type=Path, metavar="NEW", help="the same")
    parser.add_argument("-f", "--values", action="append", default=[], metavar="FILE", help="values file for both charts")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="value for both charts, as with helm")
    parser.add_argument("--kube-version", metavar="VERSION", help="version of Kubernetes for which charts are rendered (default: helm's)")
    parser.add_argument("--release", metavar="NAME", help=f"name of the release (default: {DEFAULT_NAME})")
    parser.add_argument(
        "--live",
        metavar="RELEASE",
        help="instead of OLD: what Helm has installed as this release; NEW gets its values, unless -f or --set is given",
    )
    common.add_namespace(parser)
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm, for charts and packages (default: %(default)s)")
    parser.add_argument("-o", "--output", choices=tuple(report.OUTPUTS), default="text", help="output format (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the changes by object and return the exit code of the worst effect."""
    if (options.old is None) != (options.live is not None):
        raise InputError(["give either OLD and NEW, or --live RELEASE and NEW"])
    given = [option for name in ("values", "set") for value in getattr(options, name) for option in (f"--{name}", value)]
    version = [] if options.kube_version is None else ["--kube-version", options.kube_version]
    old, new = _files(options, [*given, *version]) if options.live is None else _live(options, given, version)
    if not sources.releases(old) & sources.releases(new):
        names = (" and ".join(sorted(sources.releases(side))) for side in (old, new))
        print("warning: OLD is {}, NEW is {}; --release and --namespace say how a chart is rendered".format(*names), file=sys.stderr)
    found = impact.compare(old, new)
    worst = impact.worst(found)
    print(report.OUTPUTS[options.output](found, worst))
    return worst.exit_code


def _files(options: argparse.Namespace, given: list[str]) -> _Sides:
    how = Rendering(options.helm, options.release or DEFAULT_NAME, options.namespace or "default", given)
    return sources.read(options.old, how), sources.read(options.new, how)


def _live(options: argparse.Namespace, given: list[str], version: list[str]) -> _Sides:
    """Return what is installed, and NEW as `helm upgrade` would render it."""
    if options.release is not None:
        raise InputError(["--release: not with --live, which names the release"])
    cluster = common.cluster(options)
    name = naming.helm_name(cluster, options.live)
    access = [
        option
        for key, value in (("--kube-context", cluster.context), ("--kubeconfig", cluster.kubeconfig))
        if value
        for option in (key, value)
    ]
    how = Rendering(options.helm, name, cluster.namespace, [*given, *version], access)
    old = sources.installed(name, how)
    if given:
        return old, sources.without_hooks(sources.read(options.new, how))
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".yaml") as values:
        values.write(sources.values_of(name, how))
        values.flush()
        own = replace(how, options=["--values", values.name, *version])
        return old, sources.without_hooks(sources.read(options.new, own))
