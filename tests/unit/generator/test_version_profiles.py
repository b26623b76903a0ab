"""The version profiles agree with PostgreSQL's release notes."""

from __future__ import annotations

import json

import pytest

from hapg.chart import render
from hapg.spec import version_profiles
from hapg.spec.version_profiles import PROFILES, ChartProfile
from hapg_protocol.version_profile import LIMITS

ALL = list(PROFILES.values())


def number(profile: ChartProfile) -> float:
    return float(profile.major)


def test_the_supported_majors_from_the_oldest_on() -> None:
    assert list(PROFILES) == ["9.6", "12", "13", "14", "15", "16", "17", "18", "19"]


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.major)
def test_what_changed_with_which_major(profile: ChartProfile) -> None:
    since_10, since_12, since_13 = (number(profile) >= first for first in (10, 12, 13))
    assert profile.wal_directory == ("pg_wal" if since_10 else "pg_xlog")
    assert profile.wal_dump == ("pg_waldump" if since_10 else "pg_xlogdump")
    assert profile.status_line is since_10
    assert profile.authentication == ("scram-sha-256" if since_10 else "md5")
    assert profile.password_encryption == ("'scram-sha-256'" if since_10 else "on")
    assert (profile.standby_file, profile.recovery_parameters) == (("standby.signal", True) if since_12 else ("recovery.conf", False))
    assert ("recovery_target_timeline" in profile.replication_settings) is since_12
    assert (profile.wal_keep, profile.wal_keep_value) == (("wal_keep_size", "'512MB'") if since_13 else ("wal_keep_segments", "32"))
    assert profile.bounds_slots is since_13
    assert profile.reloads_conninfo is since_13
    assert profile.wal_dump_quiet is since_13
    assert bool(profile.sql_names) is not since_10
    assert dict(profile.least) == ({} if since_12 else {"max_connections": 100})
    assert profile.chart_version == (f"{profile.major}.0.0" if since_10 else "9.6.0")


def test_which_majors_have_no_archive() -> None:
    assert [profile.major for profile in ALL if profile.no_archive] == ["19"]
    assert [profile.major for profile in ALL if not profile.no_archive][-1] == version_profiles.USUAL


def test_the_ends_of_life() -> None:
    """https://www.postgresql.org/support/versioning/"""
    assert {profile.major: profile.end_of_life.isoformat() for profile in ALL} == {
        "9.6": "2021-11-11",
        "12": "2024-11-21",
        "13": "2025-11-13",
        "14": "2026-11-12",
        "15": "2027-11-11",
        "16": "2028-11-09",
        "17": "2029-11-08",
        "18": "2030-11-14",
        "19": "2031-11-13",
    }


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.major)
def test_the_supervisor_is_told_the_same_as_the_failover_container(profile: ChartProfile) -> None:
    told = dict(word.split("=", 1) for word in profile.environment_words.split(" "))
    assert told == {name: json.dumps(value).strip('"') for name, value in profile.json_fields.items() if name != "sqlNames"}
    chart = render.chart("ha-postgres", profile, {})
    words = "".join(f"                {word}\n" for word in profile.environment_words.split())
    assert words.encode() in chart["templates/statefulset.yaml"]
    for name, value in profile.json_fields.items():
        assert f'"{name}": {json.dumps(value)}'.encode() in chart["templates/config.yaml"]


@pytest.mark.parametrize("profile", ALL, ids=lambda profile: profile.major)
def test_the_chart_states_a_limit_without_a_default_and_one_with_another(profile: ChartProfile) -> None:
    """A pod's programs know one default of each limit."""
    settings = profile.replication_settings
    assert profile.stated.keys() <= LIMITS.keys()
    assert all(value != str(LIMITS[name]) for name, value in profile.stated.items())
    assert {name for name, default in LIMITS.items() if default is None or name in profile.stated} == settings.keys() & LIMITS.keys()


@pytest.mark.parametrize("version", ["", "9", "9.6.", "15.", "15.4.1", "15.400", "015", "11", "20", "latest", "15-alpine", " 15", "15\n"])
def test_what_is_no_version(version: str) -> None:
    with pytest.raises(KeyError):
        version_profiles.find(version)
