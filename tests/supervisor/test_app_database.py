"""The value `app` on real servers: the first server has database and owner before anybody connects, others get them from their agent."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.adapters.threads import Threads
from hapg_failover.app_database import FILE, AppKeeper
from hapg_failover.credentials import scram
from hapg_failover.credentials.app import App, entries
from tests.fakes.kube import FakeCluster

from .conftest import Make
from .harness import BIN, DEFAULT, TIMEOUT, Container, as_server_user, wait_for
from .test_majors import ALL

DATABASE, OWNER = "Orders-1", "shop.app"
SPECIAL = "a'b\"c$d%e\\f:g#h{i}j k`l&m;n|o<p>q!r@s/t?u=v+w é"
LOGGING = "log_statement = all\nlog_min_duration_statement = 0\nlog_min_error_statement = debug5\nlog_duration = on\n"


class Application:
    """The Secret of an application, and the object that makes it true on one server."""

    def __init__(self, server: Container, password: str) -> None:
        self.server = server
        self.app = App(DATABASE, OWNER, "db-app", True, "127.0.0.1", server.port, "127.0.0.1")
        self.projected = server.config / "secret"
        self.projected.mkdir()
        self.project(password)
        self.said: list[tuple[str, ...]] = []
        self.cluster = FakeCluster()
        self.cluster.secrets["db-app"] = {}
        self.sql = PostgresSql(lambda: server.logins, server.profile.sql_names, server.port, str(server.run / "socket"))
        settings: Any = SimpleNamespace(app=self.app, standby_mode="warm", profile=server.profile)
        announce = lambda *words: self.said.append(words)  # noqa: E731
        with as_server_user():
            self.keeper = AppKeeper(
                self.app,
                self.projected,
                server.run,
                self.sql,
                self.cluster.client(),
                Threads(),
                lambda: settings,
                lambda: 1,
                announce,
                Mock(),
            )

    def project(self, password: str) -> None:
        """Set the Secret's value in a new file: kubelet replaces the files."""
        self.password = password
        (self.projected / "new").write_text(password)
        (self.projected / "new").rename(self.projected / FILE)

    def look(self) -> list[tuple[str, ...]]:
        """Let it look; return the Events. This must not have failed."""
        self.said.clear()
        with as_server_user():
            self.keeper.look()
        assert not [words for words in self.said if words[1] == "AppNotApplied"], self.said
        return list(self.said)

    def connect(self, statement: str, key: str = "uri", **environment: str) -> str:
        """Return the result, or the error, for a client that has an entry of the Secret."""
        written = entries(self.app, self.password, hot=True)[key] or ""
        return psql(written, statement, **environment)


def psql(target: str, statement: str, **environment: str) -> str:
    words = [str(BIN / "psql"), "-qAtXw", "-d", target, "-c", statement]
    done = subprocess.run(
        words, env={**os.environ, "PGCLIENTENCODING": "UTF8", **environment}, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )
    return done.stdout.strip() or done.stderr


def empty(make: Make, major: str, scripts: str | None = None) -> Container:
    """Return a container with an empty volume, and perhaps a script for the first server."""
    more = {}
    if scripts is not None:
        folder = make("scripts", major=major).config / "initdb"
        folder.mkdir()
        folder.chmod(0o755)
        (folder / "10-mine.sql").write_text(scripts)
        more = {"HAPG_SCRIPTS": str(folder)}
    server = make("pod-0", major=major, **more)
    conf = server.config / "postgresql.conf"
    conf.write_text(conf.read_text() + LOGGING)
    return server


def begin(server: Container) -> None:
    server.ok("start", "hot")
    server.promote(2, 1)


@pytest.fixture
def primary(make: Make, templates: Callable[[str], Path]) -> Callable[..., Container]:
    """Start a primary that existed before the value was set."""

    def primary(major: str = DEFAULT, settings: str = LOGGING) -> Container:
        server = make("pod-0", major=major)
        conf = server.config / "postgresql.conf"
        conf.write_text(conf.read_text() + settings)
        server.take_data_of(templates(major))
        server.start()
        begin(server)
        return server

    return primary


@pytest.mark.parametrize("major", ALL)
def test_a_new_release_has_both_before_anybody_can_connect_and_its_scripts_find_them(make: Make, major: str) -> None:
    server = empty(make, major, f'\\connect "{DATABASE}"\nCREATE TABLE mine AS SELECT current_database()::text AS name;\n')
    application = Application(server, SPECIAL)
    server.start()
    server.ok("initdb")
    begin(server)
    assert application.connect("SELECT current_user || ' ' || current_database()") == f"{OWNER} {DATABASE}"
    assert server.sql("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'Orders-1'") == OWNER
    assert psql(f"host=127.0.0.1 port={server.port} user=postgres dbname={DATABASE} password=x", "SELECT 1").startswith("psql")
    assert application.look() == [], "what the first server did is right"


@pytest.mark.parametrize("major", ALL)
def test_a_server_that_exists_gets_both_from_its_agent_and_nobody_reads_the_password_in_the_log(
    primary: Callable[..., Container], major: str
) -> None:
    server = primary(major)
    application = Application(server, SPECIAL)
    assert [words[2] for words in application.look()] == [f"the role {OWNER} is created", f"the database {DATABASE} is created"]
    assert application.connect("CREATE TABLE t (a int); SELECT tableowner FROM pg_tables WHERE tablename = 't'") == OWNER
    application.keeper._applied = None
    assert application.look() == [], "it is left alone when it is right"
    before = application.password
    application.project("N3w-Secret")
    assert [words[2] for words in application.look()] == [f"{OWNER} has the password from the Secret"]
    assert application.connect("SELECT count(*) FROM t") == "0"
    application.password = before
    assert "password authentication failed" in application.connect("SELECT 1")
    text = server.log.read_text()
    for secret in ("N3w-Secret", SPECIAL, "CREATE ROLE", "ALTER ROLE", "SCRAM-SHA-256$", scram.md5("N3w-Secret", OWNER)):
        assert secret not in text
    assert "SELECT count(*) FROM t" in text, "statements are logged otherwise"


@pytest.mark.parametrize("password", [SPECIAL, " blanks ", "pässwörd-日本", "x" * 900], ids=["special", "blanks", "unicode", "long"])
def test_every_entry_leads_a_client_to_the_database(primary: Callable[..., Container], tmp_path: Path, password: str) -> None:
    server = primary()
    application = Application(server, password)
    application.look()
    found = application.cluster.secrets["db-app"]
    expected = f"{OWNER} {DATABASE}"
    statement = "SELECT current_user || ' ' || current_database()"
    assert psql(found["uri"], statement) == expected
    assert psql(entries(application.app, password, hot=True)["ro-uri"] or "", statement) == expected
    words = {"PGHOST": found["host"], "PGPORT": found["port"], "PGUSER": found["user"], "PGDATABASE": found["dbname"]}
    assert found["username"] == found["user"]
    assert psql("", statement, PGPASSWORD=password, **words) == expected
    (tmp_path / "pgpass").write_text(found["pgpass"])
    (tmp_path / "pgpass").chmod(0o600)
    assert psql("", statement, PGPASSFILE=str(tmp_path / "pgpass"), **words) == expected


def test_another_owner_and_a_locked_role_stay_as_they_are_and_are_told(primary: Callable[..., Container]) -> None:
    server = primary()
    server.sql(f'CREATE DATABASE "{DATABASE}"', f'CREATE ROLE "{OWNER}" NOLOGIN')
    application = Application(server, "secret")
    told = [words[2] for words in application.look()]
    assert told == [
        f"{OWNER} has the password from the Secret",
        f"the database {DATABASE} belongs to postgres, not to {OWNER}; the role {OWNER} may not log in",
    ]
    state = "SELECT pg_get_userbyid(datdba), rolcanlogin FROM pg_database, pg_roles WHERE datname = 'Orders-1' AND rolname = 'shop.app'"
    assert server.sql(state) == "postgres|f"


def test_nothing_is_waited_for_while_no_standby_answers(primary: Callable[..., Container]) -> None:
    server = primary(settings="default_transaction_read_only = on\n")
    server.ok("standbys", "1", "pod-1")
    wait_for(lambda: "pod-1" in server.sql("show synchronous_standby_names"), "it is in force")
    application = Application(server, "secret")
    application.look()
    assert application.connect("SELECT current_database()") == DATABASE


@pytest.mark.parametrize("major", ["9.6", DEFAULT])
def test_the_next_primary_has_both_and_a_standby_refuses_to_make_them(primary: Callable[..., Container], make: Make, major: str) -> None:
    server = primary(major)
    application = Application(server, "secret")
    application.look()
    replica = make("pod-1", major=major)
    replica.start()
    replica.ok("clone", *server.address())
    replica.ok("start", "hot")
    other = Application(replica, "secret")
    with pytest.raises(SqlError, match=r"read-only|recovery"):
        other.sql.change_roles(('CREATE DATABASE "another"',), 10.0)
    replica.promote(3, 2)
    assert other.look() == []
    assert other.connect("SELECT current_database()") == DATABASE
