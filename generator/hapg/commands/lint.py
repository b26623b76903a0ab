"""hapg lint: check a spec, or values for a chart, before they are installed."""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hapg import files
from hapg.chart import given_values, helm, render, values, write
from hapg.errors import HapgError, InputError
from hapg.exits import DONE
from hapg.hooks import arguments as common
from hapg.hooks import generation, isolation
from hapg.spec import advice
from hapg.spec.parser import DEFAULT_NAME, LARGEST, Spec
from hapg.spec.schema import Schema
from hapg.spec.version_profiles import PROFILES

_USUAL_MAJOR = "15"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = "The exit code is 0 if there is only advice, which is printed as warnings."
    parser.add_argument("spec", nargs="?", type=Path, metavar="SPEC", help="a spec, as for `hapg generate` (default: a shipped chart)")
    parser.add_argument(
        "-f", "--values", action="append", default=[], type=Path, metavar="FILE", help="values file for the chart, as for helm"
    )
    parser.add_argument("--major", choices=tuple(PROFILES), help=f"the shipped chart without SPEC (default: {_USUAL_MAJOR})")
    common.add_hooks(parser, ", for SPEC")
    parser.add_argument("--silence", action="append", default=[], metavar="ID", help="suppress the warning with this id")
    parser.add_argument("--helm", default=helm.DEFAULT, metavar="PROGRAM", help="helm, which renders the chart (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print what is wrong, or the advice."""
    advice.check_ids(options.silence)
    spec = common.spec_beside(options)
    wrong = _usage_problems(spec, options)
    if wrong:
        raise InputError([wrong])
    data = b"" if spec is None else files.read(spec, LARGEST)
    each = [given_values.read(path) for path in options.values]
    with isolation.standard_output() as out:
        wanted, source, content = _shipped(options.major) if spec is None else _from_spec(spec, data, options.hooks)
        merged = given_values.merged(values.nested(source), *each)
        problems = values.given_problems(source, merged, complete=False)
        if problems:
            raise InputError(problems)
        _render(options.helm, wanted.name, content, each)
        advice.warn(generation.advised(wanted, given_values.completed(source, merged), replaced=bool(each)), options.silence)
        print("valid", file=out)
    return DONE


def _usage_problems(spec: Path | None, options: argparse.Namespace) -> str:
    if spec is None and options.hooks:
        return "--hooks: not possible without SPEC, because hooks don't apply to the shipped charts"
    if spec is not None and options.major:
        return "--major: not possible with SPEC, which has a version"
    return "" if spec is not None or options.values else "nothing to check; give SPEC or -f FILE"


_Chart = tuple[Spec, Schema, Mapping[str, bytes]]
"""What a chart is made of, the schema of its values, and its files."""


def _shipped(major: str | None) -> _Chart:
    wanted = Spec(DEFAULT_NAME, PROFILES[major or _USUAL_MAJOR], {}, ())
    source = values.source({}, wanted.profile.major)
    return wanted, source, render.from_source(wanted.name, wanted.profile, source)


def _from_spec(spec: Path, data: bytes, named: Sequence[Path]) -> _Chart:
    hooks = common.hooks_for(spec, named)
    wanted = generation.parse(data, str(spec), hooks)
    source = generation.schemas(wanted, hooks).hooked
    return wanted, source, generation.chart(wanted, source, hooks)


def _render(program: str, name: str, content: Mapping[str, bytes], each: Sequence[Mapping[str, Any]]) -> None:
    """Render the chart with the values of each file. Raises InputError with what the templates refuse, HapgError if helm fails."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder, name)
        write.write(chart, content)
        options = []
        for number, found in enumerate(each):
            file = Path(folder, f"{number}.json")
            file.write_text(json.dumps(found), encoding="utf-8")
            options.append(f"--values={file}")
        try:
            helm.run(program, ["template", name, str(chart), *options])
        except HapgError as error:
            refused = helm.refusals(str(error))
            if refused:
                raise InputError(refused) from error
            raise
