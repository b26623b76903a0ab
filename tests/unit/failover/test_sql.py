"""SQL to a real PostgreSQL 15: the results, and that no call exceeds its time limit."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest

from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.core.state.observation import Slot
from hapg_failover.credentials.roles import Login
from hapg_failover.pgdata.wal import fork_point
from hapg_protocol.lsn import parse_lsn
from hapg_protocol.wal_files import parse_history, segment_name
from tests.ports import free_port, needs_ipv6

from .conftest import SEGMENT_SIZE, Server

pytestmark = pytest.mark.slow
LIMIT = 5.0
OURS = "application_name = 'ha-postgres-failover'"


@pytest.fixture(scope="module")
def primary(server: Server) -> Server:
    server.settings = {"listen_addresses": "127.0.0.1, ::1", "port": str(free_port()), "wal_keep_size": "64MB"}
    server.start()
    return server


@pytest.fixture(scope="module")
def standby(primary: Server) -> Iterator[Server]:
    standby = Server(primary.base, {**primary.settings, "port": str(free_port()), "cluster_name": "db-1"}, "standby")
    standby.run(
        "pg_basebackup", "-D", standby.data, "-R", "-c", "fast", "-h", primary.base, "-p", primary.settings["port"], "-U", "postgres"
    )
    standby.start()
    yield standby
    standby.stop()


def sql_to(server: Server) -> PostgresSql:
    return PostgresSql(lambda: (Login("postgres", "secret"),), {}, int(server.settings["port"]), str(server.base))


@contextmanager
def frozen(pids: list[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_the_status_of_a_primary(primary: Server) -> None:
    status = sql_to(primary).status(LIMIT)
    assert not status.in_recovery
    assert status.position.timeline == 1
    assert status.position.lsn <= parse_lsn(primary.ask("SELECT pg_current_wal_flush_lsn()::text"))
    assert status.system_identifier == primary.ask("SELECT system_identifier::text FROM pg_control_system()")
    assert status.senders == ()


def test_the_status_of_a_standby_and_of_its_sender(primary: Server, standby: Server) -> None:
    primary.ask("CREATE TABLE streamed ()")
    flushed = parse_lsn(primary.ask("SELECT pg_current_wal_flush_lsn()::text"))
    end = time.monotonic() + LIMIT
    sql = sql_to(standby)
    while (status := sql.status(LIMIT)).position.lsn < flushed:
        assert time.monotonic() < end
    assert status.in_recovery
    assert status.position.timeline == 1
    assert (sql.reads(LIMIT), sql_to(primary).reads(LIMIT)) == (True, False)
    (sender,) = sql_to(primary).status(LIMIT).senders
    assert (sender.application_name, sender.state, sender.address) == ("db-1", "streaming", "")
    assert sender.flushed is not None


def test_a_checkpoint(primary: Server) -> None:
    before = primary.ask("SELECT checkpoint_lsn::text FROM pg_control_checkpoint()")
    sql_to(primary).checkpoint(LIMIT)
    assert primary.ask("SELECT checkpoint_lsn::text FROM pg_control_checkpoint()") != before


def test_a_frozen_backend_costs_no_more_than_the_limit_and_no_second_backend(primary: Server) -> None:
    sql = sql_to(primary)
    sql.status(LIMIT)
    pid = primary.ask(f"SELECT max(pid) FROM pg_stat_activity WHERE {OURS}")
    with frozen([pid]):
        for _ in range(3):
            with pytest.raises(SqlError, match="no answer in time"):
                sql.status(0.2)
        assert primary.ask(f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND pid >= {pid}") == 1
    sql.status(LIMIT)


def test_a_frozen_postmaster_costs_no_more_than_the_limit(primary: Server) -> None:
    pid = int((primary.data / "postmaster.pid").read_text().split()[0])
    sql = sql_to(primary)
    with frozen([pid]):
        for _ in range(2):
            with pytest.raises(SqlError, match="no answer in time"):
                sql.status(0.3)
            with pytest.raises(SqlError, match="no answer in time"):
                sql.remote_checkpoint("127.0.0.1", int(primary.settings["port"]), 0.3)
    assert not sql.status(LIMIT).in_recovery


def test_a_server_that_was_restarted_is_found_again_at_once(primary: Server) -> None:
    sql = sql_to(primary)
    sql.status(LIMIT)
    primary.stop("fast")
    with pytest.raises(SqlError):
        sql.status(LIMIT)
    with pytest.raises(SqlError):
        sql.status(LIMIT)
    primary.start()
    sql.status(LIMIT)
    primary.stop("fast")
    primary.start()
    sql.status(LIMIT)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_the_primary_is_asked_over_tcp(primary: Server, host: str) -> None:
    if ":" in host:
        needs_ipv6()
    sql, port = sql_to(primary), int(primary.settings["port"])
    assert sql.remote_history(host, port, 1, LIMIT) == ""
    assert sql.remote_checkpoint(host, port, LIMIT) == 1


def test_what_the_primary_has_is_asked_over_tcp(primary: Server) -> None:
    sql, port = sql_to(primary), int(primary.settings["port"])
    lsn = parse_lsn(primary.ask("SELECT pg_current_wal_flush_lsn()::text"))
    assert sql.remote_has_segment("127.0.0.1", port, segment_name(1, lsn, SEGMENT_SIZE), LIMIT)
    assert not sql.remote_has_segment("127.0.0.1", port, segment_name(7, lsn, SEGMENT_SIZE), LIMIT)
    with pytest.raises(SqlError, match=r"00000002\.history"):
        sql.remote_history("127.0.0.1", port, 2, LIMIT)
    with pytest.raises(SqlError, match="refused"):
        sql.remote_checkpoint("127.0.0.1", free_port(), LIMIT)


def test_slots_are_made_and_dropped(primary: Server) -> None:
    sql = sql_to(primary)
    sql.change_slots(["pg_1", "pg_2"], [], LIMIT)
    sql.change_slots(["pg_1"], [], LIMIT)
    assert sql.slots(LIMIT) == (Slot("pg_1", False), Slot("pg_2", False))
    assert primary.ask("SELECT count(*) FROM pg_replication_slots WHERE restart_lsn IS NOT NULL") == 2
    sql.change_slots(["pg_3"], ["pg_1", "pg_2"], LIMIT)
    assert sql.slots(LIMIT) == (Slot("pg_3", False),)
    with pytest.raises(SqlError, match="pg_9"):
        sql.change_slots([], ["pg_9"], LIMIT)
    sql.change_slots([], ["pg_3"], LIMIT)


def test_a_standby_gets_its_slot_and_a_new_one_for_one_that_has_lost_its_wal(primary: Server) -> None:
    sql, port = sql_to(primary), int(primary.settings["port"])
    assert sql.remote_slot("127.0.0.1", port, "pg_1", LIMIT)
    assert sql.remote_slot("127.0.0.1", port, "pg_1", LIMIT)
    primary.ask("ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
    primary.ask("ALTER SYSTEM SET wal_keep_size = '0'")
    primary.ask("SELECT pg_reload_conf()")
    for _ in range(5):
        primary.ask("SELECT pg_switch_wal() FROM pg_create_restore_point('x')")
    primary.ask("CHECKPOINT")
    status = "SELECT wal_status FROM pg_replication_slots WHERE slot_name = 'pg_1'"
    assert primary.ask(status) == "lost"
    assert sql.remote_slot("127.0.0.1", port, "pg_1", LIMIT)
    assert primary.ask(status) == "reserved"
    primary.ask("ALTER SYSTEM RESET ALL")
    primary.ask("SELECT pg_reload_conf()")
    sql.change_slots([], ["pg_1"], LIMIT)


@contextmanager
def full(server: Server) -> Iterator[None]:
    """Clients have taken every connection slot, including those for superusers."""
    connections: list[Any] = []
    try:
        with pytest.raises(psycopg2.OperationalError, match="too many clients"):
            while True:
                connections.append(server.connect())
        yield
    finally:
        for connection in connections:
            connection.close()


def test_full_slots_keep_nobody_of_us_out(primary: Server) -> None:
    """Walsenders have their own slots (PostgreSQL 12 and later), and run SQL."""
    sql, port = sql_to(primary), int(primary.settings["port"])
    with full(primary):
        status = sql.status(LIMIT)
        assert not status.in_recovery
        assert status.position.timeline == 1
        assert sql.standby_names(LIMIT).shown == ""
        sql.checkpoint(LIMIT)
        sql.change_slots(["pg_5"], [], LIMIT)
        assert sql.slots(LIMIT) == (Slot("pg_5", False),)
        assert sql.remote_slot("127.0.0.1", port, "pg_5", LIMIT)
        assert sql.remote_history("127.0.0.1", port, 1, LIMIT) == ""
        assert sql.remote_size("127.0.0.1", port, LIMIT) > 0
        assert not sql.remote_streams("127.0.0.1", port, 1, LIMIT)
        assert sql.remote_has_segment("127.0.0.1", port, segment_name(1, status.position.lsn, SEGMENT_SIZE), LIMIT)
        with pytest.raises(SqlError, match="too many clients"):
            sql.remote_checkpoint("127.0.0.1", port, LIMIT)
        sql.change_slots([], ["pg_5"], LIMIT)


def test_a_setting_that_is_in_force_is_seen_by_a_new_walsender(primary: Server) -> None:
    """Being a new connection, it is forked by the postmaster, which has already read the setting."""
    sql = sql_to(primary)
    primary.ask("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (\"pg-1\")'")
    primary.ask("ALTER SYSTEM SET synchronous_commit = local")
    try:
        with full(primary):
            assert sql.standby_names(LIMIT).shown == ""
            primary.run("pg_ctl", "-D", primary.data, "reload")
            end = time.monotonic() + LIMIT
            while sql.standby_names(LIMIT).shown != 'ANY 1 ("pg-1")':
                assert time.monotonic() < end
    finally:
        primary.ask("ALTER SYSTEM RESET ALL")
        primary.ask("SELECT pg_reload_conf()")


def test_when_walsenders_have_no_slot_either_the_first_refusal_is_told(primary: Server) -> None:
    senders: list[Any] = []
    with full(primary):
        refused = ""
        while "too many clients" not in refused:  # an earlier walsender may have ended meanwhile
            with pytest.raises(psycopg2.OperationalError, match="max_wal_senders"):
                while True:
                    senders.append(primary.connect(replication="database"))
            sql = sql_to(primary)
            try:
                sql.status(LIMIT)
            except SqlError as error:
                refused = str(error)
        senders.pop().close()
        end = time.monotonic() + LIMIT
        while True:
            try:
                sql.status(0.5)
                break
            except SqlError:
                assert time.monotonic() < end
        for sender in senders:
            sender.close()


def test_a_session_that_was_opened_before_is_kept_when_slots_are_full(primary: Server) -> None:
    sql = sql_to(primary)
    sql.keep(LIMIT)
    count = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND backend_type = 'client backend'"
    assert primary.ask(count) == 1
    with full(primary):
        sql.keep(LIMIT)
        assert not sql.status(LIMIT).in_recovery
    assert primary.ask(count) == 1


def test_the_history_of_a_promoted_server(primary: Server, standby: Server) -> None:
    """The last test: it promotes the standby."""
    standby.run("pg_ctl", "-D", standby.data, "-w", "promote")
    sql, port = sql_to(standby), int(standby.settings["port"])
    assert sql.status(LIMIT).position.timeline == 2
    fork = fork_point(parse_history(sql.remote_history("127.0.0.1", port, 2, LIMIT)), 1)
    assert fork is not None
    assert fork <= sql.status(LIMIT).position.lsn
    sql.checkpoint(LIMIT)
    assert sql.remote_checkpoint("127.0.0.1", port, LIMIT) == 2
