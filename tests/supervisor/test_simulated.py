"""The assumptions of tests/simulation about PostgreSQL, checked on a real server: which clients a shutdown waits for, and where replay
restarts."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extras import PhysicalReplicationConnection

from hapg_protocol.lsn import parse_lsn

from .conftest import Make
from .harness import PASSWORD, Container, boot_time, wait_for
from .test_replication import catches_up, write

SENDER_TIMEOUT_S = 1.0
Clone = Callable[[str, str], Container]


@pytest.fixture
def primary(make: Make, template: Path) -> Container:
    """A primary that soon drops a silent standby."""
    container = make("pod-0")
    conf = container.config / "postgresql.conf"
    conf.write_text(f"{conf.read_text()}wal_sender_timeout = {SENDER_TIMEOUT_S:g}s\n")
    container.take_data_of(template)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    return container


class Receiver(threading.Thread):
    """A client that streams and replies, but reports nothing as flushed until it is told to."""

    def __init__(self, primary: Container) -> None:
        super().__init__(daemon=True)
        host, port, _ = primary.address()
        self._connection = psycopg2.connect(
            host=host, port=port, user="postgres", password=PASSWORD, connection_factory=PhysicalReplicationConnection
        )
        self._start_lsn = parse_lsn(primary.sql("select pg_current_wal_flush_lsn()"))
        self.confirms = threading.Event()

    def run(self) -> None:
        cursor = self._connection.cursor()
        cursor.start_replication(start_lsn=self._start_lsn)
        first = last = 0
        try:
            while True:
                message = cursor.read_message()
                if message is not None:
                    last = message.data_start + len(message.payload)
                    first = first or message.data_start
                told = last if self.confirms.is_set() else first
                cursor.send_feedback(write_lsn=told, flush_lsn=told, force=True)  # type: ignore[no-untyped-call]
        except psycopg2.Error:
            self._connection.close()


def control(server: Container, name: str) -> str:
    """Return the control file's value of `name`."""
    text = subprocess.run([server.bin / "pg_controldata", server.pgdata], capture_output=True, text=True, check=True).stdout
    found = re.search(f"^{name}: +(.*)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_a_shutdown_waits_for_standbys_that_answer_whatever_wal_sender_timeout(primary: Container) -> None:
    client = Receiver(primary)
    client.start()
    wait_for(lambda: primary.sql("select count(*) from pg_stat_replication where state = 'streaming'") == "1", "it streams")
    write(primary, "a row")
    stop = primary.tell("stop", "fast")
    wait_for(lambda: control(primary, "Database cluster state") == "shut down", "the shutdown checkpoint is written")
    begun = boot_time()
    wait_for(lambda: boot_time() - begun > 3 * SENDER_TIMEOUT_S, "a dead standby would have been dropped")
    assert primary.state == "primary"
    assert not [event for event in primary.events if event.command_id == stop]
    client.confirms.set()
    assert primary.answer(stop).result == "ok"
    client.join()


def test_a_shutdown_does_not_wait_for_a_base_backup(primary: Container, tmp_path: Path) -> None:
    host, port, _ = primary.address()
    words = [str(primary.bin / "pg_basebackup"), "-D", str(tmp_path / "copy"), "-h", host, "-p", port, "-U", "postgres"]
    copy = subprocess.Popen([*words, "--max-rate=32k"], env={**os.environ, "PGPASSWORD": PASSWORD}, stderr=subprocess.PIPE)
    try:
        states = "select string_agg(state, ' ' order by state) from pg_stat_replication"
        wait_for(lambda: primary.sql(states) == "backup streaming", "it copies and streams")
        assert primary.ask("stop", "fast").result == "ok"
        assert copy.wait(30) != 0
    finally:
        copy.kill()
        copy.communicate()


def test_a_killed_standby_replays_again_from_its_last_restartpoint_and_a_stopped_one_from_where_it_was(
    primary: Container, clone: Clone
) -> None:
    redo = "Latest checkpoint's REDO location"
    replica = clone("pod-1", "hot")
    write(primary, "first")
    primary.sql("checkpoint")
    write(primary, "second")
    catches_up(replica, primary)
    before = control(replica, redo)
    os.kill(replica.postmaster(), signal.SIGKILL)
    replica.unasked("died")
    assert control(replica, redo) == before
    replica.ok("start", "hot")
    wait_for(lambda: f"redo starts at {before}" in replica.log.read_text(), "it begins at the restartpoint")
    wait_for(lambda: replica.answers("select count(*) from t") == "10", "it has replayed all that it had")
    replica.ok("stop", "fast")
    assert control(replica, redo) == control(primary, redo) != before
