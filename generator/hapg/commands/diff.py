"""hapg diff: what an upgrade changes in a release, and the effect of each change."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hapg.chart import helm
from hapg.spec.parser import DEFAULT_NAME
from hapg.upgrade import impact, report, sources


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = (
        "The exit code is the worst effect: 0 nothing, 11 reload, 12 restart of standbys, 13 switchover, 14 immutable (Kubernetes refuses "
        "the upgrade), 15 data at risk. 1 and 2 are errors."
    )
    parser.add_argument("old", type=Path, metavar="OLD", help="a chart directory, a package (.tgz), or a file of rendered manifests")
    parser.add_argument("new", type=Path, metavar="NEW", help="the same")
    parser.add_argument("-f", "--values", action="append", default=[], metavar="FILE", help="values file for both charts")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="value for both charts, as with helm")
    parser.add_argument("--kube-version", metavar="VERSION", help="version of Kubernetes for which charts are rendered (default: helm's)")
    parser.add_argument("--release", default=DEFAULT_NAME, metavar="NAME", help="name of the release (default: %(default)s)")
    parser.add_argument("-n", "--namespace", default="default", metavar="NAME", help="its namespace (default: %(default)s)")
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm, for charts and packages (default: %(default)s)")
    parser.add_argument("-o", "--output", choices=tuple(report.OUTPUTS), default="text", help="output format (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the changes by object and return the exit code of the worst effect."""
    given = [option for name in ("values", "set") for value in getattr(options, name) for option in (f"--{name}", value)]
    if options.kube_version is not None:
        given += ["--kube-version", options.kube_version]
    how = sources.Rendering(options.helm, options.release, options.namespace, tuple(given))
    old, new = sources.read(options.old, how), sources.read(options.new, how)
    if not sources.releases(old) & sources.releases(new):
        names = (" and ".join(sorted(sources.releases(side))) for side in (old, new))
        print("warning: OLD is {}, NEW is {}; --release and --namespace say how a chart is rendered".format(*names), file=sys.stderr)
    found = impact.compare(old, new)
    worst = impact.worst(found)
    print(report.OUTPUTS[options.output](found, worst))
    return worst.exit_code
