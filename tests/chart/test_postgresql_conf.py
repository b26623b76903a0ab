"""The postgresql.conf that the chart writes."""

from __future__ import annotations

import re

import pytest

from tests.chart import helm


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_parameters_are_written_as_postgresql_reads_them(version: str) -> None:
    given = {
        "jit": False,
        "max_connections": 200000,
        "autovacuum_vacuum_threshold": 2000000,
        "random_page_cost": 1.1,
        "log_line_prefix": r"%m it's \t",
        "pg_stat_statements.max": 10000,
        "search_path": "",
    }
    options = helm.values({"postgresql": {"parameters": given}})
    conf = helm.objects(*options, version=version)["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    added = conf.split("# postgresql.parameters\n")[1].split("\n\n")[0].splitlines()
    assert added == [
        "autovacuum_vacuum_threshold = 2000000",
        "jit = off",
        r"log_line_prefix = '%m it''s \\t'",
        "max_connections = 200000",
        "pg_stat_statements.max = 10000",
        "random_page_cost = '1.1'",
        "search_path = ''",
        "shared_buffers = '128MB'",
    ]


def test_a_parameter_of_the_users_comes_after_the_charts() -> None:
    conf = helm.objects("--set", "postgresql.parameters.wal_keep_size=4GB")["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    assert re.findall(r"^wal_keep_size = (.*)$", conf, re.MULTILINE) == ["'512MB'", "'4GB'"]


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ([], []),
        (["--wal-segsize=16", "--locale=C"], []),
        (["--locale=C", "--wal-segsize=64"], ["min_wal_size = '320MB'", "max_wal_size = '4096MB'"]),
        (["--wal-segsize", "1024"], ["min_wal_size = '5120MB'", "max_wal_size = '65536MB'"]),
    ],
)
def test_larger_segments_come_with_sizes_that_a_server_starts_with(arguments: list[str], settings: list[str]) -> None:
    conf = helm.objects(*helm.values({"initdb.args": arguments}))["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    assert [line for line in conf.splitlines() if line.startswith(("min_wal_size", "max_wal_size"))] == settings
