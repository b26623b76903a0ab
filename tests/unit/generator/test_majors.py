"""What is said of the majors of PostgreSQL, held against what PostgreSQL's release notes say of them."""

from __future__ import annotations

import json

import pytest

from hapg.chart import render
from hapg.spec import majors
from hapg.spec.majors import MAJORS, Major

ALL = list(MAJORS.values())


def number(major: Major) -> float:
    return float(major.name)


def test_the_supported_majors_from_the_oldest_on() -> None:
    assert list(MAJORS) == ["9.6", "12", "13", "14", "15", "16", "17", "18"]


@pytest.mark.parametrize("major", ALL, ids=lambda major: major.name)
def test_what_changed_with_which_major(major: Major) -> None:
    since_10, since_12, since_13 = (number(major) >= first for first in (10, 12, 13))
    assert major.wal_directory == ("pg_wal" if since_10 else "pg_xlog")
    assert major.wal_dump == ("pg_waldump" if since_10 else "pg_xlogdump")
    assert major.status_line is since_10
    assert major.authentication == ("scram-sha-256" if since_10 else "md5")
    assert major.password_encryption == ("'scram-sha-256'" if since_10 else "on")
    assert (major.standby_file, major.recovery_parameters) == (("standby.signal", True) if since_12 else ("recovery.conf", False))
    assert ("recovery_target_timeline" in major.replication_settings) is since_12
    assert (major.wal_keep, major.wal_keep_value) == (("wal_keep_size", "'512MB'") if since_13 else ("wal_keep_segments", "32"))
    assert major.bounds_slots is since_13
    assert major.reloads_conninfo is since_13
    assert major.wal_dump_quiet is since_13
    assert bool(major.sql_names) is not since_10
    assert dict(major.least) == ({} if since_12 else {"max_connections": 100})
    assert major.chart_version == (f"{major.name}.0.0" if since_10 else "9.6.0")


def test_the_ends_of_life() -> None:
    """https://www.postgresql.org/support/versioning/"""
    assert {major.name: major.end_of_life.isoformat() for major in ALL} == {
        "9.6": "2021-11-11",
        "12": "2024-11-21",
        "13": "2025-11-13",
        "14": "2026-11-12",
        "15": "2027-11-11",
        "16": "2028-11-09",
        "17": "2029-11-08",
        "18": "2030-11-14",
    }


@pytest.mark.parametrize("major", ALL, ids=lambda major: major.name)
def test_the_supervisor_is_told_the_same_as_the_failover_container(major: Major) -> None:
    told = dict(word.split("=", 1) for word in major.words.split(" "))
    facts = {name: fact for name, fact in major.facts.items() if name != "sqlNames"}
    assert told == {name: json.dumps(fact).strip('"') for name, fact in facts.items()}
    chart = render.chart("ha-postgres", major, {})
    assert "".join(f"                {word}\n" for word in major.words.split()).encode() in chart["templates/statefulset.yaml"]
    for name, fact in major.facts.items():
        assert f'"{name}": {json.dumps(fact)}'.encode() in chart["templates/config.yaml"]


@pytest.mark.parametrize("version", ["", "9", "9.6.", "15.", "15.4.1", "15.400", "015", "11", "19", "latest", "15-alpine", " 15", "15\n"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(KeyError):
        majors.find(version)
