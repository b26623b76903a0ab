"""The postgresql.conf that the chart writes."""

from __future__ import annotations

import re

import pytest

from hapg_failover.core.state.start_settings import compare
from hapg_protocol.start_settings import RELOADED
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
    at_start, reloaded = conf.split("# postgresql.parameters\n")[1].split(RELOADED)
    assert at_start.split() == ["max_connections", "=", "200000", "pg_stat_statements.max", "=", "10000", "shared_buffers", "=", "'128MB'"]
    assert [line for line in reloaded.split("\n\n")[0].splitlines() if line and not line.startswith("max_slot")] == [
        "autovacuum_vacuum_threshold = 2000000",
        "jit = off",
        r"log_line_prefix = '%m it''s \\t'",
        "random_page_cost = '1.1'",
        "search_path = ''",
    ]


@pytest.mark.parametrize("version", helm.VERSIONS)
def test_no_parameter_changes_the_pods(version: str) -> None:
    """A pod keeps its age: its agent restarts its server if that has to read the parameter at a start."""
    given = helm.values({"postgresql.parameters.max_connections": 50, "postgresql.parameters.shared_preload_libraries": "auto_explain"})
    before, after = (helm.objects(*options, version=version)["StatefulSet", "ha-postgres"] for options in ((), given))
    assert after == before


def test_a_hot_standby_of_19_has_the_limits_of_its_server() -> None:
    """The default of max_locks_per_transaction is 128 from 19 on. A standby that was taken to have 64 would never become hot."""
    chart = helm.ROOT / "charts" / "ha-postgres-19"
    conf = helm.objects(chart=chart)["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
    recorded = {"max_connections": 100, "max_wal_senders": 99, "max_locks_per_transaction": 128}
    found = compare(conf, conf, recorded)
    assert found is not None
    assert not found.lacks


def starts_alike(*settings: str) -> bool:
    """True if a server that runs with the chart's defaults needs no restart for these."""
    before, after = (
        helm.objects(*options)["ConfigMap", "ha-postgres-config"]["data"]["postgresql.conf"]
        for options in ((), [word for each in settings for word in ("--set", each)])
    )
    found = compare(before, after, {})
    assert found is not None
    return not found.changed


@pytest.mark.parametrize(
    ("settings", "alike"),
    [
        (["postgresql.parameters.work_mem=8MB", "replication.maxSlotWalKeepSize=2GB"], True),
        (["standbyMode=hot", "replicas=5", "replication.mode=synchronous"], True),
        (["storage.resources.requests.storage=9Gi"], True),
        (["postgresql.parameters.max_connections=100"], True),
        (["postgresql.parameters.max_connections=101"], False),
        (["postgresql.parameters.shared_buffers=64MB"], False),
        (["postgresql.parameters.pg_stat_statements\\.max=1000"], False),
    ],
)
def test_servers_have_to_restart_only_for_what_they_read_at_a_start(settings: list[str], alike: bool) -> None:
    assert starts_alike(*settings) is alike


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
