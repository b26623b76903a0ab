"""hapg generate: from a spec to a chart on disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hapg import render, spec, write
from hapg.errors import InputError
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
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the charts, or compare them with what is there."""
    charts = list(_shipped(options.output) if options.all else _from_spec(options.spec, options.output))
    if options.check:
        return _check(charts)
    for directory, files in charts:
        write.write(directory, files)
        print(f"{directory}: written")
    return DONE


def _shipped(output: Path) -> Iterator[_Chart]:
    for major in MAJORS.values():
        yield output / f"{spec.DEFAULT_NAME}-{major.name}", render.chart(spec.DEFAULT_NAME, major, {})


def _from_spec(path: Path, output: Path) -> Iterator[_Chart]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError([f"{path}: can't be read: {error.strerror}"]) from error
    wanted = spec.parse(data, str(path))
    for warning in wanted.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    yield output / wanted.name, render.chart(wanted.name, wanted.major, wanted.defaults)


def _check(charts: Sequence[_Chart]) -> int:
    differing = 0
    for directory, files in charts:
        text = write.difference(directory, files)
        if text:
            differing += 1
            sys.stdout.write(text)
            print(f"{directory}: differs from what hapg would write", file=sys.stderr)
    return FAILED if differing else DONE
