"""Much that is written by one statement."""

from __future__ import annotations

from tests.robustness.client import Client

BEGIN = 'setsid psql -X -h "$0" -c "$1" >/dev/null 2>&1 </dev/null &'


def statement(rows: int, table: str = "much") -> str:
    """Makes a table, if need be, and writes so many rows of a kilobyte to it."""
    return f"CREATE TABLE IF NOT EXISTS {table} (text text); INSERT INTO {table} SELECT repeat('x', 1000) FROM generate_series(1, {rows})"


def begin(client: Client, host: str, statement: str) -> None:
    """Have a client begin a statement at an address; nobody waits for the end of it."""
    client.namespace.kubectl(*client.command("bash", "-c", BEGIN, host, statement))
