"""hapg package: charts as packages, and the index of a repository."""

from __future__ import annotations

import argparse
from pathlib import Path

from hapg.chart import helm, packages
from hapg.errors import InputError
from hapg.exits import DONE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("charts", nargs="+", type=Path, metavar="CHART", help="a chart's folder")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where packages and index.yaml are written")
    parser.add_argument("--url", metavar="URL", help="where DIR is going to be served, for the index")
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm 3 or 4 (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Make the packages and the index."""
    wrong = [f"{chart}: is not the folder of a chart" for chart in options.charts if not (chart / "Chart.yaml").is_file()]
    if wrong:
        raise InputError(wrong)
    for path in packages.make(options.charts, options.output, options.helm, options.url):
        print(f"{path}: written")
    return DONE
