"""hapg package: package charts and write the repository index."""

from __future__ import annotations

import argparse
from pathlib import Path

from hapg.chart import helm, packages
from hapg.errors import InputError
from hapg.exits import DONE


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("charts", nargs="+", type=Path, metavar="CHART", help="a chart directory")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="directory for the packages and index.yaml")
    parser.add_argument("--url", metavar="URL", help="URL at which DIR will be served, for the index")
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm 3 or 4 (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the packages and the index."""
    wrong = [f"{chart}: not a chart directory; Chart.yaml not found" for chart in options.charts if not (chart / "Chart.yaml").is_file()]
    if wrong:
        raise InputError(wrong)
    for path in packages.make(options.charts, options.output, options.helm, options.url):
        print(f"{path}: written")
    return DONE
