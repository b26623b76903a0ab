"""Every command that docs/operations.md prints is run by a scenario as it stands there."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.e2e import printed

SCENARIOS = Path(__file__).parents[1] / "e2e"
SECRETS = ("s3-credentials", "archive-cipher")


def followed() -> set[str]:
    """The headings of the page whose commands a scenario looks up, each of which has to be a literal."""
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in sorted(SCENARIOS.glob("test_*.py")))
    calls = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call))
    return {ast.literal_eval(call.args[0]) for call in calls if is_of_the_page(call)}


def is_of_the_page(call: ast.Call) -> bool:
    return ast.unparse(call.func) == "printed.commands" and len(call.args) == 1


def printing() -> set[str]:
    """The headings below which commands are printed."""
    return {heading for heading in printed.sections() if printed.commands(heading)}


def test_a_scenario_follows_each_heading_that_prints_commands() -> None:
    assert printing() - followed() == set()


def test_a_scenario_follows_only_headings_that_print_commands() -> None:
    assert followed() - printing() == set()


def test_every_block_of_commands_on_the_page_is_found() -> None:
    found = [block for heading in printed.sections() for block in printed.blocks("console", heading)]
    assert len(found) == printed.PAGE.read_text(encoding="utf-8").count("```console\n")


def test_a_heading_is_on_the_page_once() -> None:
    headings, lines = printed.sections(), printed.PAGE.read_text(encoding="utf-8").splitlines()
    assert sorted(line for line in lines if line in headings) == sorted(headings)


def test_a_command_over_several_lines_is_one() -> None:
    lines = printed.commands("## Archive")
    assert [line.split()[:5] for line in lines] == [["kubectl", "create", "secret", "generic", name] for name in SECRETS]


def test_other_words_replace_whole_words_and_the_longest_first() -> None:
    names = {"NAME": "NS", "NAME-1": "orders-2", "NS": "demo", "KEY=…": "KEY=a\\1"}
    assert (
        printed.in_other_words("NAME NAME-1 data-NAME-0 MYNAME NS KEY=… KEYS=…", names)
        == "NS orders-2 data-NS-0 MYNAME demo KEY=a\\1 KEYS=…"
    )
