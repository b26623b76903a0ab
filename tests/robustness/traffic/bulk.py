"""Bulk writes."""

from __future__ import annotations

from tests.robustness.client import Client
from tests.robustness.release import Release

BEGIN = 'setsid psql -X -h "$0" -c "$1" >/dev/null 2>&1 </dev/null &'


WAL_TABLE = ("DROP TABLE IF EXISTS big", "CREATE TABLE big (a text, b text, c text)", "CREATE INDEX ON big (a)", "CHECKPOINT")
WAL_ROWS = 200_000
WRITE_WAL = f"INSERT INTO big SELECT md5(i::text), md5((i * 7)::text), md5((i * 13)::text) FROM generate_series(1, {WAL_ROWS}) i"
WAL_BYTES = "SELECT pg_current_wal_lsn() - redo_lsn FROM pg_control_checkpoint()"


def statement(rows: int, table: str = "much") -> str:
    """Create a table if needed, and write this many rows of one kilobyte to it."""
    return f"CREATE TABLE IF NOT EXISTS {table} (text text); INSERT INTO {table} SELECT repeat('x', 1000) FROM generate_series(1, {rows})"


def begin(client: Client, host: str, statement: str) -> None:
    """Start a statement in a client, at an address, without waiting for its end."""
    client.namespace.kubectl(*client.command("bash", "-c", BEGIN, host, statement))


def write_wal(release: Release, gigabytes: float) -> int:
    """Write this much WAL since the last checkpoint; return the number of rows that this takes in the table `big`."""
    client, rows = release.client, 0
    for each in WAL_TABLE:
        client.sql(each)
    while int(client.sql(WAL_BYTES)[0][0]) < gigabytes * 1e9:
        client.sql(WRITE_WAL)
        rows += WAL_ROWS
    return rows
