"""The PostgreSQL settings that the values' schema refuses, in every spelling that PostgreSQL
accepts.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from hapg.chart import render, values
from hapg.chart.fixed_settings import DURABILITY_SETTINGS, STREAMING_SETTINGS
from hapg.spec import error_messages, schema
from hapg.spec.parameters import contexts
from hapg.spec.restrictions import APP_NAME, APP_RESERVED, BOUNDS, INITDB_REFUSED, RESERVED, SYNCHRONOUS_COMMIT
from hapg.spec.version_profiles import PROFILES

SOURCE = values.source({}, "15")
SCHEMA: dict[str, Any] = json.loads(render.chart("ha-postgres", PROFILES["15"], {})["values.schema.json"])
SYNCHRONOUS = {"mode": "synchronous"}
DIRECTIVES = {"include", "include_dir", "include_if_exists"}


def problems(parameters: dict[str, object], replication: dict[str, str] | None = None, arguments: tuple[str, ...] = ()) -> list[str]:
    """What hapg says of values with these settings; the schema that helm reads refuses the same."""
    given = copy.deepcopy(values.nested(SOURCE))
    given["postgresql"]["parameters"] = parameters
    given["replication"] |= replication or {}
    given["initdb"]["args"] = list(arguments)
    found = error_messages.problems(schema.strict(SOURCE), given)
    assert len(error_messages.problems(SCHEMA, given)) == len(found)
    return found


@pytest.mark.parametrize("name", [*RESERVED, "recovery_target", "recovery_target_lsn", "recovery_target_timeline"])
@pytest.mark.parametrize("value", ["on", True, 0])
def test_what_is_reserved_is_refused_with_the_reason(name: str, value: object) -> None:
    [said] = problems({name: value})
    assert said.startswith(f"postgresql.parameters.{name}: {json.dumps(value)} is not allowed; left out, because ")


@pytest.mark.parametrize("name", ["Restart_After_Crash", "FSYNC", "Synchronous_Commit", "wal_Level"])
def test_no_name_slips_through_in_capitals(name: str) -> None:
    [said] = problems({name: "off"}, SYNCHRONOUS)
    assert said.endswith("left out, because parameter names must be in lower case here")


@pytest.mark.parametrize("value", [False, 0, 0.0, "off", "OFF", "Off", "false", "no", "0", "local", "LOCAL", "remote_write", "", "of", "f"])
def test_a_commit_that_does_not_wait_for_a_disk_is_refused_in_synchronous_mode(value: object) -> None:
    [said] = problems({"synchronous_commit": value}, SYNCHRONOUS)
    assert said.endswith(f"is not allowed; {SYNCHRONOUS_COMMIT.words}: {SYNCHRONOUS_COMMIT.why}")
    assert problems({"synchronous_commit": value}) == []


@pytest.mark.parametrize("value", [True, 1, "on", "true", "yes", "1", "remote_apply"])
def test_one_that_waits_is_taken(value: object) -> None:
    assert problems({"synchronous_commit": value}, SYNCHRONOUS) == []


ZEROS = [0, 0.0, False, "0", "00", "0x0", "-0", "+0", " 0", "0 ", "0.0", "0.4", "0e3", "off", "1us", "5s\n", ""]
TIMES = ["wal_sender_timeout", "wal_receiver_timeout", "wal_receiver_status_interval"]


@pytest.mark.parametrize("value", [*ZEROS, *(f"{zero}{unit}" for zero in ("0", "0.0", "0.1") for unit in ("us", "ms", "s", "min", " s"))])
@pytest.mark.parametrize("name", TIMES)
def test_no_spelling_of_zero_is_a_time(name: str, value: object) -> None:
    [said] = problems({name: value})
    assert said.endswith(f"is not allowed; {BOUNDS[name].words}: {BOUNDS[name].why}")


@pytest.mark.parametrize("value", [1, 5000.0, "5s", "30000", "2min", "1h"])
@pytest.mark.parametrize("name", TIMES)
def test_other_times_are_taken(name: str, value: object) -> None:
    assert problems({name: value}) == []


@pytest.mark.parametrize(
    ("name", "refused", "taken"),
    [
        ("wal_level", ["minimal", "Minimal", "hot_standby", "archive", False, 0, ""], ["replica", "logical"]),
        ("superuser_reserved_connections", [0, 2, "0", "2", "00", "-1", False], [3, 10, "3", "12"]),
    ],
)
def test_some_values_only(name: str, refused: list[object], taken: list[object]) -> None:
    assert [problems({name: value}) for value in taken] == [[]] * len(taken)
    for value in refused:
        [said] = problems({name: value})
        assert said.endswith(f"{BOUNDS[name].words}: {BOUNDS[name].why}")


@pytest.mark.parametrize("key", ["database", "owner"])
@pytest.mark.parametrize(
    ("name", "why"),
    [("postgres", "PostgreSQL has"), ("none", "PostgreSQL has"), ("pg_x", "names that begin with pg_"), ("ha_postgres_x", "ha_postgres_")],
)
def test_an_application_takes_no_name_that_others_have(key: str, name: str, why: str) -> None:
    given = copy.deepcopy(values.nested(SOURCE))
    given["app"] = {"database": "orders", "owner": "shop", "secretName": ""} | {key: name}
    for known in (schema.strict(SOURCE), SCHEMA):
        [said] = error_messages.problems(known, given)
        assert said.startswith(f'app.{key}: "{name}" is not allowed; left out, because ')
        assert why in said


def test_the_names_of_an_application_are_the_same_for_schema_and_templates() -> None:
    for key in ("database", "owner"):
        found = SOURCE["properties"]["app"]["properties"][key]
        assert found["pattern"] == APP_NAME
        assert [each["if"]["pattern"] for each in found["allOf"]] == list(APP_RESERVED)


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        *(
            (each, "the directory and its owner")
            for each in ("-D", "-D/x", "-kD", "-X", "-U", "-Ux", "--pgdata=/x", "--waldir", "--username=x")
        ),
        *((each, "the password comes from the Secret") for each in ("-W", "-kW", "--pwfile=/x", "--pwprompt")),
        *(
            (each, "set postgresql.pgHba instead")
            for each in ("-A", "-Atrust", "-kAtrust", "--auth=trust", "--auth-host=md5", "--auth-local")
        ),
        *((each, "set postgresql.parameters instead") for each in ("-c", "-cfsync=off", "--set=fsync=off", "--set")),
        ("--lc-messages=C", "set postgresql.parameters.lc_messages instead"),
        ("--lc-monetary=C", "set postgresql.parameters.lc_monetary instead"),
        ("--lc-numeric", "set postgresql.parameters.lc_numeric instead"),
        ("--lc-time=C", "set postgresql.parameters.lc_time instead"),
        *((each, "set postgresql.parameters.default_text_search_config") for each in ("-T", "-Tgerman", "--text-search-config=german")),
        *(
            (each, "exit without creating a database")
            for each in ("-s", "-S", "-kS", "-V", "-?", "--show", "--sync-only", "--version", "--help")
        ),
        *(
            (each, "an option that the chart allows, with long names in full")
            for each in ("--aut=trust", "--lc-me=C", "--nonsense", "--", "-q", "a b", "")
        ),
    ],
)
def test_arguments_of_initdb_without_effect_are_refused(argument: str, words: str) -> None:
    [said] = problems({}, arguments=(argument,))
    assert said.startswith(f"initdb.args[0]: {json.dumps(argument)} is not ")
    assert words in said


@pytest.mark.parametrize(
    "argument",
    [
        "-k",
        "-kN",
        "-g",
        "-EUTF8",
        "-E",
        "UTF8",
        "--encoding=UTF8",
        "--locale=de_DE.UTF-8",
        "--no-locale",
        "--lc-collate=C",
        "--wal-segsize=64",
        "64",
        "--locale-provider=icu",
        "--icu-locale=de",
        "--allow-group-access",
        "--no-data-checksums",
        "-N",
    ],
)
def test_those_that_take_effect_are_taken(argument: str) -> None:
    assert problems({}, arguments=(argument,)) == []


def test_no_reason_has_an_apostrophe_or_a_quote() -> None:
    """helm would show it with a backslash, and the templates quote it."""
    bounds = [*BOUNDS.values(), SYNCHRONOUS_COMMIT]
    for text in [*RESERVED.values(), *INITDB_REFUSED.values(), *(each.words for each in bounds), *(each.why for each in bounds)]:
        assert not set("'\"\\`%") & set(text), text


def test_every_name_is_one_that_some_major_has() -> None:
    known = {name for major in PROFILES for name in contexts(major)}
    assert set(RESERVED) - DIRECTIVES <= known
    assert BOUNDS.keys() | DURABILITY_SETTINGS.keys() | STREAMING_SETTINGS.keys() <= known
    assert not RESERVED.keys() & BOUNDS.keys()
    assert DURABILITY_SETTINGS.keys() <= RESERVED.keys(), "what is on a disk isn't the user's"
