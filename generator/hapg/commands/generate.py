"""hapg generate: from a spec to a chart on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hapg import advice, files, render, spec, write
from hapg.exits import DONE, FAILED
from hapg.majors import MAJORS

_Chart = tuple[Path, Mapping[str, bytes]]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("spec", nargs="?", type=Path, metavar="SPEC", help="YAML file with a Postgres object, or with its spec's keys alone")
    which.add_argument("--all", action="store_true", help="the shipped charts, one for each major of PostgreSQL")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where the chart's directory is written")
    parser.add_argument("--check", action="store_true", help="write nothing; print the differences and exit with 1 if there are any")
    parser.add_argument(
        "--silence", action="append", default=[], metavar="ID", help="leave out the advice with this id; it stands in brackets behind it"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the charts, or compare them with what is there."""
    advice.check_ids(options.silence)
    charts = list(_shipped(options.output) if options.all else _from_spec(options))
    if options.check:
        return _check(charts)
    for directory, content in charts:
        write.write(directory, content)
        print(f"{directory}: written")
    return DONE


def _shipped(output: Path) -> Iterator[_Chart]:
    for major in MAJORS.values():
        yield output / f"{spec.DEFAULT_NAME}-{major.name}", render.chart(spec.DEFAULT_NAME, major, {})


def _from_spec(options: argparse.Namespace) -> Iterator[_Chart]:
    wanted = spec.parse(files.read(options.spec, spec.LARGEST), str(options.spec))
    for piece in wanted.advice:
        if piece.id not in options.silence:
            print(f"warning: {piece}", file=sys.stderr)
    yield options.output / wanted.name, render.chart(wanted.name, wanted.major, wanted.defaults)


def _check(charts: Sequence[_Chart]) -> int:
    differing = 0
    for directory, content in charts:
        text = write.difference(directory, content)
        if text:
            differing += 1
            sys.stdout.write(text)
            print(f"{directory}: differs from what hapg would write", file=sys.stderr)
    return FAILED if differing else DONE
