"""What holds for every system: each field of the input is in the report, and the output is accepted by `hapg generate`."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hapg import yamlio
from hapg.chart import values
from hapg.hooks import generation
from hapg.hooks.run import Hooks
from hapg.hooks.specs import names
from hapg.migrate import output, report, source, systems, walk
from hapg.migrate.rules import Outcome
from hapg.migrate.source import Migration
from hapg.spec import foreign, parser
from tests.unit.migrate.examples import EXAMPLES

Steps = tuple[str | int, ...]


def objects(text: str) -> list[dict[str, Any]]:
    """The objects in a file, out of their List."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    return [item for document in documents for item in (document["items"] if document.get("kind") == "List" else [document])]


OBJECTS = [(f"{name}[{index}]", each) for name, text in EXAMPLES.items() for index, each in enumerate(objects(text))]


def leaves(node: object, path: Steps = ()) -> Iterator[Steps]:
    """The paths of all values of a document, and of its empty mappings and lists."""
    children = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    if not children:
        yield path
    for key, child in children:
        yield from leaves(child, (*path, key))


def migrate(document: dict[str, Any]) -> Migration:
    (found,), _ = systems.translate([yamlio.Document("in.yaml:1", document)])
    return found


def missing(document: dict[str, Any], found: Migration) -> list[Steps]:
    """The leaves that are in no entry of the report."""
    reported = {entry.path for entry in found.entries}
    return [leaf for leaf in leaves(document) if not any(leaf[:length] in reported for length in range(len(leaf) + 1))]


@pytest.mark.parametrize(("_name", "document"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_every_field_is_in_the_report(_name: str, document: dict[str, Any]) -> None:
    found = migrate(document)
    assert missing(document, found) == []
    text = report.text(found)
    assert [entry.path for entry in found.entries if f"`{walk.shown(entry.path)}`" not in text] == []
    assert [entry.path for entry in found.entries if entry.outcome is Outcome.NONE and not entry.text] == []
    assert len({entry.path for entry in found.entries}) == len(found.entries), "no field is reported twice"
    assert [entry for entry in found.entries if "not of the form" in entry.text] == [], "a conversion failed"


def places(document: dict[str, Any]) -> list[Steps]:
    """The paths of all mappings."""
    whole = {path[:length] for path in leaves(document) for length in range(len(path) + 1)}
    return sorted((path for path in whole if isinstance(at(document, path), dict)), key=str)


def at(node: Any, path: Steps) -> Any:
    for step in path:
        node = node[step]
    return node


@st.composite
def mutations(draw: st.DrawFn) -> tuple[dict[str, Any], Steps]:
    """An example with another value, or a field that nobody knows, and the path of it."""
    _, example = draw(st.sampled_from(OBJECTS))
    document = copy.deepcopy(example)
    value = draw(st.sampled_from(["surprise", 7, True, ["x"], {"x": "y"}, [{"name": "x"}]]))
    if draw(st.booleans()):
        path: Steps = (*draw(st.sampled_from(places(document))), draw(st.sampled_from(["surprise", "example.com/x", "name", "spec"])))
    else:
        path = draw(st.sampled_from([path for path in leaves(document) if path]))
    if path in (("kind",), ("apiVersion",)) or (len(path) == 1 and "kind" not in document):
        path = ("surprise",)
    at(document, path[:-1])[path[-1]] = value
    return document, path


@given(mutations())
@settings(max_examples=40, deadline=None)
def test_no_field_is_dropped_whatever_it_holds(mutation: tuple[dict[str, Any], Steps]) -> None:
    document, path = mutation
    found = migrate(document)
    assert missing(document, found) == []
    assert any(path[: len(entry.path)] == entry.path or entry.path[: len(path)] == path for entry in found.entries)
    assert values_of(output.one_document(found))


def holds(node: object, text: str) -> bool:
    """Whether a key or value of a document is `text`, or has it in it."""
    if isinstance(node, dict):
        return any(holds(key, text) or holds(child, text) for key, child in node.items())
    return any(holds(child, text) for child in node) if isinstance(node, list) else isinstance(node, str) and text in node


@pytest.mark.parametrize(
    ("_name", "document"),
    [pytest.param(*each, id=each[0], marks=pytest.mark.slow if "-rest" in each[0] else ()) for each in OBJECTS],
)
def test_a_key_that_nobody_knows_is_never_part_of_what_was_taken(_name: str, document: dict[str, Any]) -> None:
    """In whichever mapping it is: it is in the output, or the report says that it, or what it is part of, has no counterpart."""
    dropped = []
    for path in places(document):
        changed = copy.deepcopy(document)
        at(changed, path)["zzz-nobody"] = "zzz-nobody"
        found = migrate(changed)
        above = {(*path, "zzz-nobody")[:length] for length in range(len(path) + 2)}
        entry = max((each for each in found.entries if each.path in above), key=lambda each: len(each.path))
        silent = entry.outcome in (Outcome.TAKEN, Outcome.CHANGED) and not holds([found.spec, found.values], "zzz-nobody")
        dropped += [f"{walk.shown(path)}: {entry}"] if silent else []
    assert dropped == []


def values_of(spec: str, *files: generation.Given) -> object:
    """The values of the chart that `hapg generate` makes."""
    wanted = parser.parse(spec.encode(), "out.yaml")
    return values.nested(generation.schemas(wanted, Hooks(dict.fromkeys(names(), ())), files).hooked)


@pytest.mark.parametrize(("_name", "document"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_generate_accepts_both_forms_of_the_output_and_makes_the_same_of_them(_name: str, document: dict[str, Any]) -> None:
    found = migrate(document)
    written = output.files(found, "")
    file = generation.Given("values.yaml", yaml.safe_load(written["values.yaml"]))
    assert values_of(written["postgres.yaml"], file) == values_of(output.one_document(found))


@pytest.mark.parametrize(("_name", "document"), OBJECTS, ids=[name for name, _ in OBJECTS])
def test_what_is_taken_is_in_the_output(_name: str, document: dict[str, Any]) -> None:
    found = migrate(document)
    for entry in found.entries:
        if entry.outcome is Outcome.TAKEN:
            assert entry.to, entry
            for to in entry.to:
                whole = {"spec": found.spec, **found.values}
                ours, theirs = at(whole, steps(to)), at(document, entry.path)
                assert ours == theirs or (isinstance(ours, list) and theirs in ours) or ours == str(theirs), entry


def steps(path: str) -> Steps:
    """Our path as steps: keys are apart by dots unless they are quoted."""
    return tuple(part.strip('"') for part in yaml_path(path))


def yaml_path(path: str) -> list[str]:
    found, quoted, part = [], False, ""
    for letter in path:
        if letter == '"':
            quoted = not quoted
        elif letter == "." and not quoted:
            found.append(part)
            part = ""
        else:
            part += letter
    return [*found, part]


@pytest.mark.parametrize("system", systems.SYSTEMS, ids=lambda system: system.id)
def test_every_rule_that_gives_a_value_is_tried(system: foreign.System) -> None:
    documents = [document for _, document in OBJECTS if foreign.system(document) == system]
    giving = [rule for rule in systems.source_of(system).table if rule.to or rule.convert]
    assert [rule.path for rule in giving if not any(list(walk.matches(document, rule.path)) for document in documents)] == []


@pytest.mark.parametrize("system", systems.SYSTEMS, ids=lambda system: system.id)
def test_a_rule_says_why_and_what_to_do(system: foreign.System) -> None:
    loaded: source.Source = systems.source_of(system)
    assert [rule.path for rule in loaded.table if rule.outcome is Outcome.NONE and len(rule.text) < 20] == []
    paths = [rule.path for rule in loaded.table]
    assert [path for path in paths if paths.count(path) > 1] == []
