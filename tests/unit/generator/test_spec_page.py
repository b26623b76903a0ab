"""docs/spec.md is complete: it says what hapg does with every key of a spec."""

from __future__ import annotations

import re

from docs import make_spec
from hapg.spec import advice


def test_the_table_is_current() -> None:
    assert make_spec.PAGE.read_text() == make_spec.page(), "if it is meant: python -m docs.make_spec"


def test_every_refusal_says_what_to_do() -> None:
    refused = re.findall(r"^\| `(.*?)` \| \*\*refused\*\*: (.*) \|$", make_spec.table(), re.MULTILINE)
    assert len(refused) > 20
    assert [path for path, sentence in refused if not re.search(r"remove it|set the values .* at installation", sentence)] == []


def test_all_advice_is_listed() -> None:
    listed = re.findall(r"^\| `([-a-z]+)` \|", make_spec.PAGE.read_text(), re.MULTILINE)
    assert tuple(listed[: len(advice.IDS)]) == advice.IDS
