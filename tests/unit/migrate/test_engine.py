"""Rules, applied: which one wins, what is set, and what is said of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from hapg.migrate import conversions, walk
from hapg.migrate.engine import Engine, Translation
from hapg.migrate.rules import NoCounterpart, Outcome, Place, Rule, Said, change, filled, none, same


def apply(document: dict[str, Any], *table: Rule) -> Translation:
    return Engine(document, "15", "db").apply(table)


def said(made: Translation) -> dict[str, tuple[Outcome, str]]:
    return {walk.shown(entry.path): (entry.outcome, entry.text) for entry in made.entries}


def refused(_value: object, _place: Place) -> None:
    raise NoCounterpart("there is none")


def test_a_field_is_taken_to_its_path() -> None:
    made = apply({"a": {"b": 3}}, same("a.b", "replicas"))
    assert made.values == {"replicas": 3}
    assert said(made) == {"a.b": (Outcome.TAKEN, "")}


def test_an_earlier_rule_wins_over_one_that_includes_its_field() -> None:
    made = apply({"a": {"b": 3, "c": 4, "d": {"e": 5}}}, same("a.b", "replicas"), none("a", "the rest of a is not ours"))
    assert said(made) == {
        "a.b": (Outcome.TAKEN, ""),
        "a.c": (Outcome.NONE, "the rest of a is not ours"),
        "a.d": (Outcome.NONE, "the rest of a is not ours"),
    }


def test_a_field_without_a_rule_is_said_to_be_unknown() -> None:
    made = apply({"a": {"b": 3, "c": 4}, "d": [{}, {"e": 1}]}, same("a.b", "replicas"))
    assert {path: outcome for path, (outcome, _) in said(made).items()} == {
        "a.b": Outcome.TAKEN,
        "a.c": Outcome.NONE,
        "d": Outcome.NONE,
    }
    assert "does not know this field" in said(made)["a.c"][1]


def test_what_our_schema_refuses_has_no_counterpart() -> None:
    made = apply({"a": 30, "b": {"fsync": "off", "wrok_mem": 1}}, same("a", "replicas"), same("b.*", "postgresql.parameters.*"))
    assert made.values == {}
    assert said(made)["a"] == (Outcome.NONE, "replicas: 30 is not allowed; an integer from 1 to 9")
    assert "left out, because a replica is promoted for the WAL on its disk" in said(made)["b.fsync"][1]
    assert said(made)["b.wrok_mem"] == (
        Outcome.NONE,
        "postgresql.parameters.wrok_mem: unknown parameter of PostgreSQL 15; did you mean work_mem?",
    )


def test_what_only_the_templates_refuse_has_no_counterpart_either() -> None:
    document = {"a": 7, "b": {"work_mem": "4gb"}, "c": {"requests": {"cpu": 2}, "limits": {"cpu": 1}}}
    made = apply(
        document, same("a", "storage.resources.requests.storage"), same("b.*", "postgresql.parameters.*"), same("c", "clientResources")
    )
    assert made.values == {}
    assert said(made)["a"] == (Outcome.NONE, "storage.resources.requests.storage: 7 is less than 1Mi; add its unit, such as Gi")
    assert 'work_mem: "4gb" is not allowed; a whole number from 64' in said(made)["b.work_mem"][1]
    assert said(made)["c"] == (Outcome.NONE, "clientResources.requests.cpu: 2 is more than the limit, 1")


def test_two_fields_for_one_value() -> None:
    made = apply({"a": 3, "b": 5, "c": 3}, same("a", "replicas"), same("b", "replicas"), same("c", "replicas"))
    assert made.values == {"replicas": 3}
    assert [entry.outcome for entry in made.entries] == [Outcome.TAKEN, Outcome.NONE, Outcome.TAKEN]
    assert said(made)["b"][1] == "replicas is set already, by another field"


def test_items_are_appended_and_keys_are_kept() -> None:
    made = apply({"a": [{"name": "x"}, {"name": "y"}], "b": {"k.l": "1"}}, same("a[]", "extraEnv[]"), same("b.*", "podLabels.*"))
    assert made.values == {"extraEnv": [{"name": "x"}, {"name": "y"}], "podLabels": {"k.l": "1"}}
    assert [(walk.shown(entry.path), entry.to) for entry in made.entries] == [
        ("a[0]", ("extraEnv",)),
        ("a[1]", ("extraEnv",)),
        ('b."k.l"', ('podLabels."k.l"',)),
    ]


@pytest.mark.parametrize(
    ("convert", "values", "outcome", "text"),
    [
        (lambda value, _: value * 2, {"replicas": 4}, Outcome.CHANGED, "doubled"),
        (lambda value, _: value, {"replicas": 2}, Outcome.TAKEN, ""),
        (lambda *_: None, {}, Outcome.CHANGED, "doubled"),
        (lambda *_: Said({"pause": True}, "sleeps"), {"pause": True}, Outcome.CHANGED, "sleeps"),
        (lambda *_: Said({"pause": True, "replicas": 99}, "both"), {}, Outcome.NONE, "replicas: 99 is not allowed"),
        (
            lambda *_: Said([("pause", True), ("replicas", 99)], "each"),
            {"pause": True},
            Outcome.CHANGED,
            "each; replicas: 99 is not allowed",
        ),
        (refused, {}, Outcome.NONE, "there is none"),
    ],
)
def test_conversions(convert: Any, values: dict[str, Any], outcome: Outcome, text: str) -> None:
    made = apply({"a": 2}, change("a", "replicas", convert, "doubled"))
    assert made.values == values
    assert said(made)["a"][0] is outcome
    assert said(made)["a"][1].startswith(text)


def test_what_is_off_needs_no_counterpart() -> None:
    made = apply({"a": {"on": False, "x": ""}, "b": {"on": True, "x": None}, "c": {}}, none("a", "no a"), none("b", "no b"))
    assert {path: outcome for path, (outcome, _) in said(made).items()} == {"a": Outcome.OFF, "b": Outcome.NONE, "c": Outcome.OFF}


def test_what_was_filled_in_is_neither() -> None:
    assert said(apply({"status": {"phase": "Ready"}}, filled("status"))) == {"status": (Outcome.FILLED, "")}


@pytest.mark.parametrize(
    ("said", "version", "major"),
    [
        ("16.4", "16", "16"),
        ("9.6-v4", "9.6", "9.6"),
        ("pvt-9.6", "9.6", "9.6"),
        ("timescaledb-2.14.2-pg13", "13", "13"),
        (9.6, "9.6", "9.6"),
        (10, "10", "12"),
        ("9.5", "9.5", "9.6"),
        ("19", "19", "19"),
        ("20", "20", "19"),
        ("registry.example.com:5000/postgresql:15.6-bookworm@sha256:99", "15", "15"),
        ("registry.example.com:5000/postgresql", "", "18"),
        ("spilo-16", "16", "16"),
        (None, "", "18"),
    ],
)
def test_versions(said: object, version: str, major: str) -> None:
    assert conversions.version(said) == conversions.Version(version, major)


@pytest.mark.parametrize(
    ("old", "new"), [("orders", "orders"), ("1st.db", "pg-1st-db"), ("Orders_DB", "orders-db"), ("on", "pg-on"), ("x" * 60, "x" * 52)]
)
def test_names(old: str, new: str) -> None:
    assert conversions.release_name(old) == new
