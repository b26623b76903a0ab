"""Every rule of docs/protocol.md has a test that fails when the rule is left out of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from multiprocessing.pool import AsyncResult
from pathlib import Path

import pytest

from hapg_failover.core import election
from tests.simulation.signs import loses

from .table import ACKNOWLEDGED, PARTS, Part, Simulated, Witness
from .trial import Trial, begun

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
SEEDS = range(25)
WITNESSED = [(part, part.found_by) for part in PARTS if isinstance(part.found_by, Witness)]
SIMULATED = [(part, part.found_by) for part in PARTS if isinstance(part.found_by, Simulated)]


def named(part: Part) -> str:
    return f"{part.rule}: {part.says}"


@pytest.fixture(scope="module")
def trials(request: pytest.FixtureRequest) -> Iterator[dict[str, AsyncResult[Trial]]]:
    """The trials of the selected tests, by the part that is left out."""
    tests = [item for item in request.session.items if isinstance(item, pytest.Function) and "trials" in item.fixturenames]
    selected = [test.callspec.params["part"] for test in tests]
    with begun({part.says: witness.node for part, witness in WITNESSED if part in selected}) as results:
        yield results


def test_every_rule_of_the_page_is_in_the_table() -> None:
    """A rule is a bold number, or a letter below it; a rule marked as planned isn't implemented yet."""
    rules = re.search(r"^## 2\. Rules\n(.*?)^## ", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert rules is not None
    stated = set()
    number = ""
    for line in rules[1].splitlines():
        if found := re.match(r"\*\*(\d+)\.", line):
            number = found[1]
            stated.add(number if "*Planned" not in line else "")
        elif found := re.match(r"- \(([A-Z])\) ", line):
            stated.add(number + found[1] if "*planned*" not in line else "")
            stated.discard(number)
    assert stated - {""} == {part.rule for part in PARTS}


def test_every_part_is_told_apart() -> None:
    assert len({part.says for part in PARTS}) == len(PARTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "witness"),
    [pytest.param(part, test, id=named(part), marks=[pytest.mark.thorough] if test.needs_servers else []) for part, test in WITNESSED],
)
def test_a_test_fails_without_the_rule(part: Part, witness: Witness, trials: dict[str, AsyncResult[Trial]]) -> None:
    trial = trials[part.says].get()
    assert trial.errors == (), trial.output
    assert [test for test in trial.failed if witness.row in test], f"{part.mutant.__name__} isn't found:\n{trial.output}"


@pytest.mark.slow
@pytest.mark.parametrize(("part", "witness"), [pytest.param(part, simulated, id=named(part)) for part, simulated in SIMULATED])
def test_the_simulation_finds_that_the_rule_is_missing(part: Part, witness: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    # The one-second wait for position reports hides a fence that comes too late: safety must not depend on it.
    if witness.sign not in (loses, ACKNOWLEDGED):
        monkeypatch.setattr(election, "REPORT_WAIT_S", 0.0)
    part.mutant(monkeypatch)
    assert any(witness.sign(witness.scenario(seed)) for seed in SEEDS), f"{part.mutant.__name__} isn't found"
