"""Properties of all specs: a valid one becomes a chart, an invalid one is refused with the path of
the problem.
"""

from __future__ import annotations

import json
import re

from hypothesis import given, settings

from hapg import yamlio
from hapg.chart import render, values
from hapg.errors import InputError
from hapg.spec import error_messages, parser
from hapg.spec.schema import strict
from hapg.spec.version_profiles import PROFILES
from tests.unit.generator import specs

PATH = re.compile(r'("(\\.|[^"])*"|[-\w./]+)(\[\d+\]|\.("(\\.|[^"])*"|[-\w./]+))*: .+', re.ASCII)
TEMPLATES = {path for path in render.chart("db", next(iter(PROFILES.values())), {}) if path.startswith("templates/")}


def parse(document: specs.Object) -> parser.Spec:
    return parser.parse(specs.text(document), "pg.yaml")


def check_chart(wanted: parser.Spec) -> None:
    files = render.chart(wanted.name, wanted.profile, wanted.defaults)
    source = values.source(wanted.defaults, wanted.profile.major)
    nested = values.nested(source)
    assert error_messages.problems(strict(source), nested) == []
    (document,) = yamlio.load(files["values.yaml"], "values.yaml")
    assert document.value == nested
    assert json.loads(files["values.schema.json"])["additionalProperties"] is False
    assert [path for path in TEMPLATES if re.search(rb"\[[\[%#] |[\]%#]\](?!\])$", files[path])] == []
    assert render.chart(wanted.name, wanted.profile, wanted.defaults) == files


@given(specs.SPECS)
@settings(max_examples=60)
def test_a_valid_spec_becomes_a_chart(document: specs.Object) -> None:
    check_chart(parse(document))


@given(specs.mutations())
@settings(max_examples=300)
def test_a_changed_spec_is_valid_or_refused_with_a_path(document: specs.Object) -> None:
    try:
        wanted = parse(document)
    except InputError as error:
        for problem in error.problems:
            assert "\n" not in problem
            assert PATH.match(problem) or problem.startswith("pg.yaml"), problem
    else:
        values.as_yaml(values.source(wanted.defaults, wanted.profile.major))


@given(specs.mutations())
@settings(max_examples=60)
def test_a_changed_spec_that_is_valid_becomes_a_chart(document: specs.Object) -> None:
    try:
        wanted = parse(document)
    except InputError:
        return
    check_chart(wanted)
