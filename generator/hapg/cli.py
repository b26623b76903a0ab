"""The command line of hapg."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hapg import render, schema, spec, values, write
from hapg.errors import HapgError, InputError
from hapg.majors import MAJORS
from hapg.operate import commands as commands_of_operators

_DONE = 0
_FAILED = 1
_REFUSED = 2

_Chart = tuple[Path, Mapping[str, bytes]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run hapg and return its exit code: 0 done, 1 drift, output that can't be written or a release that can't do it, 2 input refused."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except InputError as error:
        return _complain(error, _REFUSED)
    except HapgError as error:
        return _complain(error, _FAILED)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hapg", description="From a short Postgres spec to a Helm chart; and commands for its releases.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="write a chart from a spec, or all that are shipped")
    which = generate.add_mutually_exclusive_group(required=True)
    which.add_argument("spec", nargs="?", type=Path, metavar="SPEC", help="YAML file with a Postgres object, or with its spec's keys alone")
    which.add_argument("--all", action="store_true", help="the shipped charts, one for each major of PostgreSQL")
    generate.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where the chart's directory is written")
    generate.add_argument("--check", action="store_true", help="write nothing; print the differences and exit with 1 if there are any")
    generate.set_defaults(run=_generate)

    schemas = commands.add_parser("schema", help="print the JSON schema of a spec or of a chart's values")
    schemas.add_argument("which", choices=("spec", "values"))
    schemas.set_defaults(run=_schema)

    commands_of_operators.add(commands)
    return parser


def _generate(options: argparse.Namespace) -> int:
    charts = list(_shipped(options.output) if options.all else _from_spec(options.spec, options.output))
    if options.check:
        return _check(charts)
    for directory, files in charts:
        write.write(directory, files)
        print(f"{directory}: written")
    return _DONE


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
    return _FAILED if differing else _DONE


def _schema(options: argparse.Namespace) -> int:
    if options.which == "spec":
        sys.stdout.write(schema.text(schema.spec(), "Postgres"))
    else:
        newest = list(MAJORS.values())[-1]
        sys.stdout.write(schema.text(values.source({}, newest.name), "Values"))
    return _DONE


def _complain(error: HapgError, code: int) -> int:
    for line in str(error).splitlines():
        print(f"error: {line}", file=sys.stderr)
    return code
