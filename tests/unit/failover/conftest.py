"""Shared by the tests of the failover container: a server in place of the API, and a real PostgreSQL server if one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.unit.failover import kube_server

BIN = Path("/usr/lib/postgresql/15/bin")
SEGMENT_SIZE = 1024 * 1024


@dataclass
class Server:
    """A server in its own directory, on a Unix socket in it; WAL segments are 1 MiB, so that a test sees many."""

    base: Path
    settings: dict[str, str] = field(default_factory=dict)
    data_name: str = "data"

    @property
    def data(self) -> Path:
        return self.base / self.data_name

    def run(self, program: str, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs; as another user if we are root, because it refuses to run as root."""
        user = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        command = [str(BIN / program), *map(str, words)]
        environment = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
        options: dict[str, Any] = {"env": environment, "cwd": self.base, **user}
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
        if check and done.returncode:
            raise AssertionError(f"{program}: {done.stderr or done.stdout}")
        return done

    def initdb(self) -> None:
        self.run("initdb", "-D", self.data, "-A", "trust", "-U", "postgres", "-N", f"--wal-segsize={SEGMENT_SIZE >> 20}")

    def start(self) -> None:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.base),
            "port": "5432",
            "fsync": "off",
            "autovacuum": "off",
            **self.settings,
        }
        text = "".join(f"{key} = '{value}'\n" for key, value in options.items())
        (self.data / "postgresql.conf").write_text(text)
        self.run("pg_ctl", "-D", self.data, "-l", self.base / f"{self.data_name}.log", "-w", "start")

    def stop(self, mode: str = "immediate") -> None:
        self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop", check=False)

    def connect(self, **more: Any) -> Any:
        connection = psycopg2.connect(
            host=str(self.base), port=self.settings.get("port", "5432"), user="postgres", dbname="postgres", **more
        )
        connection.autocommit = True
        return connection

    def ask(self, statement: str) -> Any:
        """Return the first value of the first row."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchone()[0] if cursor.description else None
        finally:
            connection.close()

    def read_wal(self, name: str, offset: int, length: int) -> bytes | None:
        try:
            with (self.data / "pg_wal" / name).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            return None


@pytest.fixture
def api() -> Iterator[kube_server.Api]:
    with kube_server.serving() as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """An initialised server that isn't running."""
    if not (BIN / "postgres").exists():
        pytest.skip(f"PostgreSQL 15 is not in {BIN}")
    base = Path(tempfile.mkdtemp(prefix="hapg-unit-"))
    if os.geteuid() == 0:
        shutil.chown(base, "postgres", "postgres")
    server = Server(base)
    try:
        server.initdb()
        yield server
    finally:
        server.stop()
        shutil.rmtree(base)
