"""hapg generate: write a chart from a spec."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from hapg import files
from hapg.chart import given_values, ownership, render, values, write
from hapg.chart.ownership import Changes
from hapg.errors import InputError
from hapg.exits import DONE, FAILED
from hapg.hooks import arguments as common
from hapg.hooks import generation, isolation
from hapg.hooks.generation import Given
from hapg.hooks.origins import origins
from hapg.hooks.run import Hooks
from hapg.spec import advice, parser
from hapg.spec.parser import DEFAULT_NAME, LARGEST, Spec
from hapg.spec.version_profiles import PROFILES

_Chart = tuple[Path, Mapping[str, bytes]]
_NOT_SHIPPED = {"hooks": "don't apply to", "values": "don't apply to", "explain": "has nothing to say about"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "spec",
        nargs="?",
        type=Path,
        metavar="SPEC",
        help="YAML file with a Postgres object, or with only the keys of its spec; - is standard input",
    )
    parser.add_argument("--all", action="store_true", help="write the shipped charts, one per PostgreSQL major")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="parent of the chart's directory")
    parser.add_argument(
        "--values",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a YAML file with values of the chart, which become its defaults; later files override earlier ones and the spec's `values`",
    )
    parser.add_argument(
        "--explain", action="store_true", help="write nothing; print each value and whether the spec, a file, a hook or the chart gives it"
    )
    parser.add_argument("--check", action="store_true", help="write nothing; print the differences and exit with 1 if there are any")
    common.add_hooks(parser, "; those in the folder hooks/ beside SPEC run before them")
    parser.add_argument(
        "--silence", action="append", default=[], metavar="ID", help="suppress the warning with this id, shown in brackets at its end"
    )
    parser.set_defaults(run=run, complain=parser.error)


def run(options: argparse.Namespace) -> int:
    """Write the charts, or compare them with the existing files."""
    advice.check_ids(options.silence)
    for name in ("hooks", "values", "explain"):
        if options.all and getattr(options, name):
            raise InputError([f"--{name}: not possible with --all, because {name} {_NOT_SHIPPED[name]} the shipped charts; give a spec"])
    if options.output is None and not options.explain:
        options.complain("the following arguments are required: -o/--output")
    spec = common.spec_beside(options)
    if (spec is None) != options.all:
        raise InputError(["give either a SPEC or --all"])
    data = b"" if spec is None else files.read(spec, LARGEST)
    given = [Given(str(path), given_values.read(path)) for path in options.values]
    with isolation.standard_output() as out:
        if spec is None:
            return _write(list(_shipped(options.output)), options.check, out)
        hooks = common.hooks_for(spec, options.hooks)
        wanted = generation.parse(data, str(spec), hooks)
        if options.explain:
            return _explain(wanted, data, str(spec), hooks, given, out)
        source = generation.schemas(wanted, hooks, given).hooked
        advice.warn(generation.advised(wanted, values.nested(source), replaced=bool(given)), options.silence)
        chart = (options.output / wanted.name, generation.chart(wanted, source, hooks))
        return _write([chart], options.check, out)


def _write(charts: Sequence[_Chart], check: bool, out: TextIO) -> int:
    """Write the charts, or only compare them."""
    if check:
        return _check(charts, out)
    for directory, content in charts:
        _tell(directory, write.write(directory, content), content, out)
        print(f"{directory}: written", file=out)
    return DONE


def _tell(directory: Path, changes: Changes, content: Mapping[str, bytes], out: TextIO) -> None:
    """Say what was there and is gone."""
    for path in changes.removed:
        print(f"{directory / path}: removed, because the chart no longer has it", file=out)
    for path in changes.edited:
        print(f"warning: {directory / path}: was changed after hapg had written it; that change is gone", file=sys.stderr)
    before, now = changes.former, ownership.version(content["Chart.yaml"])
    if before is not None and now is not None and _major(before) != _major(now):
        print(
            f"warning: {directory}: was a chart of PostgreSQL {_major(before)} and is now one of {_major(now)}; an existing release "
            "can't be upgraded to it just so, see docs/upgrade.md, To the next major",
            file=sys.stderr,
        )


def _major(version: str) -> str:
    """Return the major of a chart's version: 15 of 15.0.0, 9.6 of 9.6.0."""
    return next((major for major in PROFILES if version.startswith(f"{major}.")), version)


def _shipped(output: Path) -> Iterator[_Chart]:
    for profile in PROFILES.values():
        yield output / f"{DEFAULT_NAME}-{profile.major}", render.chart(DEFAULT_NAME, profile, {})


def _explain(wanted: Spec, data: bytes, name: str, hooks: Hooks, given: Sequence[Given], out: TextIO) -> int:
    try:
        plain = parser.parse(data, name)
    except InputError:
        plain = None
    for origin in origins(wanted, plain, hooks, given):
        print(origin, file=out)
    return DONE


def _check(charts: Sequence[_Chart], out: TextIO) -> int:
    differing = 0
    for directory, content in charts:
        text = write.difference(directory, content)
        if text:
            differing += 1
            out.write(text)
            print(f"{directory}: differs from what hapg would write", file=sys.stderr)
    return FAILED if differing else DONE
