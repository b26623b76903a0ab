"""Values of postgresql.parameters that PostgreSQL would refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from hapg.chart import render, values
from hapg.errors import HapgError
from hapg.hooks import generation
from hapg.hooks.load import load
from hapg.spec import parser
from hapg.spec.parameter_values import problems
from hapg.spec.parameters import PRESET, for_templates, of_major
from hapg.spec.version_profiles import PROFILES

UNITS = "B, kB, MB, GB or TB"


@pytest.mark.parametrize(
    ("major", "name", "value", "said"),
    [
        ("15", "work_mem", "4 GiB", f'"4 GiB" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        ("15", "work_mem", "4gb", f'"4gb" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        ("15", "work_mem", 63, f'"63" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        ("15", "work_mem", "3TB", f'"3TB" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        ("15", "work_mem", True, f'"on" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        (
            "15",
            "shared_buffers",
            "100kB",
            f'"100kB" is not allowed; a whole number from 16 to 1073741823 in units of 8kB, or one with {UNITS}',
        ),
        ("15", "max_connections", 0, '"0" is not allowed; a whole number from 1 to 262143'),
        ("15", "max_connections", "100MB", '"100MB" is not allowed; a whole number from 1 to 262143'),
        ("15", "autovacuum", "maybe", '"maybe" is not allowed; on or off'),
        ("15", "autovacuum", 2, '"2" is not allowed; on or off'),
        ("15", "huge_pages", "sometimes", '"sometimes" is not allowed; off, on or try'),
        ("15", "checkpoint_completion_target", 1.1, '"1.1" is not allowed; a number from 0 to 1'),
        ("15", "vacuum_cost_delay", "1m", '"1m" is not allowed; a number from 0 to 100 in ms, or one with us, ms, s, min, h or d'),
        ("9.6", "vacuum_cost_delay", "0.5", '"0.5" is not allowed; a whole number from 0 to 100 in ms, or one with ms, s, min, h or d'),
        ("9.6", "work_mem", "1.5GB", '"1.5GB" is not allowed; a whole number from 64 to 2147483647 in kB, or one with kB, MB, GB or TB'),
        ("14", "wal_compression", "lz4", '"lz4" is not allowed; on or off'),
        ("15", "worke_mem", "1MB", "unknown parameter of PostgreSQL 15; did you mean work_mem?"),
        ("15", "wal_keep_segments", 8, "unknown parameter of PostgreSQL 15; did you mean wal_keep_size?"),
        ("15", "nonsense", 8, "unknown parameter of PostgreSQL 15; the parameter of an extension has a dot in its name"),
        ("15", "block_size", 8192, "can't be set in a file; it is read-only"),
    ],
)
def test_a_value_that_the_server_refuses_is_refused(major: str, name: str, value: object, said: str) -> None:
    assert list(problems(major, {name: value})) == [f"postgresql.parameters.{name}: {said}"]


@pytest.mark.parametrize(
    ("major", "name", "value"),
    [
        ("15", "work_mem", "16 MB"),
        ("15", "work_mem", "1.5GB"),
        ("15", "work_mem", 4096.0),
        ("15", "log_file_mode", "0777"),
        ("15", "log_file_mode", "0x1FF"),
        ("15", "huge_pages", "TRY"),
        ("15", "huge_pages", True),
        ("15", "log_min_messages", "debug"),
        ("15", "autovacuum", "ye"),
        ("15", "autovacuum", 0),
        ("15", "wal_compression", "zstd"),
        ("15", "seq_page_cost", 1e30),
        ("18", "io_method", "io_uring"),
        ("15", "deadlock_timeout", "1.5min"),
        ("15", "application_name", 5),
        ("9.6", "max_wal_size", "1GB"),
        ("15", "pg_stat_statements.max", "whatever"),
    ],
)
def test_one_that_it_takes_is_taken(major: str, name: str, value: object) -> None:
    assert list(problems(major, {name: value})) == []


@pytest.mark.parametrize("major", PROFILES)
def test_no_key_is_offered_that_is_refused(major: str) -> None:
    offered = {
        said.split("did you mean ")[1].rstrip("?")
        for name in of_major(major)
        for said in problems(major, {f"{name}x": 1})
        if "did you mean" in said
    }
    assert "work_mem" in offered
    assert not offered & {"fsync", "hba_file", "port", "recovery_target_time"}
    assert not offered & {name for name, parameter in of_major(major).items() if parameter.context == PRESET}


HOOK = """
from hapg.hooks import hook

@hook
def adjust_values(values):
    values["postgresql"]["parameters"]["work_mem"] = "{}"
"""


def test_hapg_generate_refuses_what_a_hook_sets_wrong(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(HOOK.format("4gb"))
    wanted = parser.parse(b"version: '15'", "spec.yaml")
    with pytest.raises(HapgError, match='work_mem: "4gb" is not allowed'):
        generation.schemas(wanted, load([file]))
    file.write_text(HOOK.format("4GB"))
    hooks = load([file])
    assert b"work_mem: 4GB" in generation.chart(wanted, generation.schemas(wanted, hooks).hooked, hooks)["values.yaml"]


def test_a_wrong_parameter_gives_one_line() -> None:
    source = values.source({}, "15")
    given = values.nested(source)
    given["postgresql"]["parameters"] = {"wal_level": "maximal", "fsync": "maybe", "Port": "x", "work_mem": {}, "jit": "x"}
    found = values.given_problems(source, given)
    assert sorted(line.split(": ")[0].rpartition(".")[2] for line in found) == ["Port", "fsync", "jit", "wal_level", "work_mem"]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("work_mem", "5KB", f'"5KB" is not allowed; a whole number from 64 to 2147483647 in kB, or one with {UNITS}'),
        ("DateStile", "x", "unknown parameter of PostgreSQL 15; did you mean datestyle?"),
        ("log_connections", True, "can't be set for one database; the whole server has one value"),
    ],
)
def test_a_setting_that_a_database_cannot_have_is_refused(name: str, value: object, said: str) -> None:
    source = values.source({}, "15")
    given = values.nested(source)
    given["databases"] = [{"name": "a", "settings": {name: value, "DateStyle": "ISO", "jit": None, "my.own": 1}}]
    assert values.given_problems(source, given) == [f"databases[0].settings.{name}: {said}"]


def test_the_templates_have_the_same_table() -> None:
    for major, profile in PROFILES.items():
        text = render.chart("ha-postgres", profile, {})["files/parameters.json"].decode()
        assert text.count("\n") == len(for_templates(major)) + 2
