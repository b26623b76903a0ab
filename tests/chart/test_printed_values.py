"""The chart takes the values that docs/operations.md prints."""

from __future__ import annotations

import pytest
import yaml

from tests.chart import helm
from tests.e2e import printed

ARCHIVER = printed.values("## Archive")
PRINTED = [
    pytest.param(found, id=heading.lstrip("# "))
    for heading in printed.sections()
    for found in map(yaml.safe_load, printed.blocks("yaml", heading))
    if isinstance(found, dict) and not found.keys() & {"kind", "dependencies"}
]


@pytest.mark.parametrize("found", PRINTED)
def test_printed_values_are_taken_by_a_release_with_an_archiver(found: helm.Object) -> None:
    assert helm.text(*helm.values(ARCHIVER | found))
