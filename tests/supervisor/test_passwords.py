"""The Secrets are authoritative: how a primary's agent applies them to real servers, and the role that pods use between each other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.secret import KEYS, SecretFiles
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome
from hapg_failover.credentials import roles
from hapg_failover.credentials.secret_entries import Passwords
from hapg_failover.passwords import PasswordKeeper
from tests.orders import fitting

from .conftest import Make
from .harness import BIN, DEFAULT, PASSWORD, PASSWORDS, TIMEOUT, Container, as_server_user, wait_for
from .test_majors import ALL
from .test_operations import Operator
from .test_replication import catches_up, crashed_primary, rows, write

SPECIAL = "a'b\"c$d%e\\f:g#h{i}j k`l&m;n|o<p>q!r@s/t?u=v"
LOGGING = "log_statement = all\nlog_min_duration_statement = 0\nlog_min_error_statement = debug5\nlog_duration = on\n"
ROLE = roles.REPLICATION


class Release:
    """The Secrets of a release, and the object that applies them on the primary."""

    def __init__(self, server: Container, superuser: bytes = PASSWORD.encode()) -> None:
        self.server = server
        self.projected = server.config / "secret"
        self.projected.mkdir()
        self.said: list[tuple[str, ...]] = []
        self.number = 0
        self.project(superuser)
        sql = PostgresSql(lambda: server.logins, server.profile.sql_names, server.port, str(server.run / "socket"))
        settings: Any = SimpleNamespace(profile=server.profile)
        with as_server_user():
            files = SecretFiles(self.projected, server.run, ("db-auth", "db-replication"))
            self.keeper = PasswordKeeper(files, server.run, sql, settings, lambda: 1, lambda *words: self.said.append(words), Mock())

    def project(self, superuser: bytes) -> None:
        """Set the Secret's value in a new file: kubelet replaces the files."""
        self.number += 1
        for key, value in zip(KEYS, (superuser, PASSWORDS.replication.encode()), strict=True):
            new = self.projected / f"{key}.{self.number}"
            new.write_bytes(value)
            new.rename(self.projected / key)

    def look(self) -> None:
        """Apply the current values. This must not have failed."""
        with as_server_user():
            self.keeper.look()
        assert not [words for words in self.said if words[1] == "PasswordNotApplied"], self.said

    def verifiers(self) -> str:
        return self.server.sql("select rolname, rolpassword from pg_authid where rolpassword is not null order by 1")


def log_in(server: Container, password: str, user: str = "postgres", command: str = "select current_user") -> str:
    """Return the result, or the error, for a client that sends this password over TCP."""
    words = [str(BIN / "psql"), "-qAtX", "-h", "127.0.0.1", "-p", str(server.port), "-U", user, "-d", "postgres", "-c", command]
    done = subprocess.run(words, env={**os.environ, "PGPASSWORD": password}, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return done.stdout.strip() or done.stderr


@pytest.fixture
def started(make: Make, templates: Callable[[str], Path]) -> Callable[..., Container]:
    """Start a primary on a copy of an initialised directory."""

    def started(major: str = DEFAULT, settings: str = "") -> Container:
        server = make("pod-0", major=major)
        conf = server.config / "postgresql.conf"
        conf.write_text(conf.read_text() + settings)
        server.take_data_of(templates(major))
        server.start()
        server.ok("start", "hot")
        server.promote(2, 1)
        return server

    return started


@pytest.mark.parametrize("major", ALL)
def test_the_password_of_postgres_is_what_the_secret_says_and_nobody_reads_it_in_the_log(
    started: Callable[..., Container], major: str
) -> None:
    server = started(major, LOGGING)
    release = Release(server)
    release.look()
    before = release.verifiers()
    assert log_in(server, PASSWORD) == "postgres"
    assert f"{roles.SUPERUSER}|" in before
    release.keeper._done = None
    release.look()
    assert release.verifiers() == before, "it is left alone when it is right"
    release.project(b"N3w-Secret")
    release.look()
    assert log_in(server, "N3w-Secret") == "postgres"
    assert "password authentication failed" in log_in(server, PASSWORD)
    text = server.log.read_text()
    assert "log_statement" not in text
    for secret in ("N3w-Secret", PASSWORD, PASSWORDS.replication, "ALTER ROLE", "CREATE ROLE", "SCRAM-SHA-256$"):
        assert secret not in text
    assert "select current_user" in text, "statements are logged otherwise"


@pytest.mark.parametrize("major", [DEFAULT, "9.6"])
@pytest.mark.parametrize(
    ("entry", "password"),
    [
        (SPECIAL.encode(), SPECIAL),
        ("pässwörd-日本\u00a0\u00ad\u2168".encode(), "pässwörd-日本\u00a0\u00ad\u2168"),
        (b"iXyP50nNm3\n", "iXyP50nNm3"),
        (b"secret1\r\n", "secret1"),
        (b"x" * 900, "x" * 900),
        (b" blanks ", " blanks "),
    ],
    ids=["special", "unicode", "newline", "crlf", "long", "blanks"],
)
def test_whatever_a_password_holds_clients_and_members_log_in_with_it(
    started: Callable[..., Container], make: Make, major: str, entry: bytes, password: str
) -> None:
    server = started(major)
    Release(server, entry).look()
    assert log_in(server, password) == "postgres"
    assert "password authentication failed" in log_in(server, password + "x")
    server.logins = (roles.Login(roles.SUPERUSER, password),)  # from a member that knows no other way
    assert PostgresSql(lambda: server.logins, server.profile.sql_names).remote_user("127.0.0.1", server.port, 5.0) == roles.SUPERUSER


def test_old_data_takes_a_new_secret_while_no_standby_answers(started: Callable[..., Container]) -> None:
    """Writes wait for standbys that don't exist, and a read-only default doesn't block it either."""
    server = started(settings="default_transaction_read_only = on\n")
    server.ok("standbys", "1", "pod-1")
    wait_for(lambda: "pod-1" in server.sql("show synchronous_standby_names"), "it is in force")
    release = Release(server, b"of-another-release")
    release.look()
    assert log_in(server, "of-another-release") == "postgres"
    assert log_in(server, PASSWORDS.replication, ROLE) == ROLE


@pytest.mark.parametrize("major", [major for major in ALL if major != "9.6"])
def test_the_members_role_is_no_superuser_and_may_do_what_they_do(started: Callable[..., Container], major: str) -> None:
    server = started(major)
    server.sql("create database private", "revoke connect on database private from public")
    Release(server).look()
    assert server.sql(
        f"select rolsuper, rolreplication, rolcreaterole, rolcreatedb, rolbypassrls from pg_authid where rolname = '{ROLE}'"
    ) == ("f|t|f|f|f")
    assert "permission denied" in log_in(server, PASSWORDS.replication, ROLE, "select rolpassword from pg_authid")
    only = roles.logins(PASSWORDS, True)[:1]
    sql = PostgresSql(lambda: only, server.profile.sql_names)
    there = ("127.0.0.1", server.port)
    assert sql.remote_user(*there, 5.0) == ROLE
    if server.profile.bounds_slots:
        assert sql.remote_slot(*there, "pod_1", 5.0)
    assert sql.remote_size(*there, 5.0) > 10_000_000
    assert sql.remote_history(*there, 2, 5.0).startswith("1\t")
    assert sql.remote_checkpoint(*there, 5.0) in (1, 2)
    segment = server.sql("select pg_walfile_name(pg_current_wal_lsn())")
    assert sql.remote_has_segment(*there, segment, 5.0)
    assert not sql.remote_streams(*there, 2, 5.0)


def walsender_of(primary: Container) -> str:
    return primary.sql("select usename from pg_stat_replication where state = 'streaming'")


def perform(operator: Operator, *operations: Op, timeline: int) -> None:
    for op in operations:
        result = operator.run(op, **fitting(op, host="127.0.0.1", timeline=timeline, mode="hot"))
        assert result.outcome is Outcome.OK, result


def test_a_member_is_cloned_follows_and_is_rewound_without_a_superuser(primary: Container, make: Make) -> None:
    """These members have a wrong password for postgres."""
    Release(primary).look()
    write(primary, "first")
    other = make("pod-1")
    for server in (primary, other):
        server.logins = roles.logins(Passwords("not this one", PASSWORDS.replication), True)
        (server.run / "pgpass").write_text(f"*:*:*:{ROLE}:{PASSWORDS.replication}\n")
    other.start()
    with closing(Operator(other, primary, slot="pod_1")) as joining:
        perform(joining, Op.CLONE, Op.START, Op.FOLLOW, timeline=2)
    catches_up(other, primary)
    assert walsender_of(primary) == ROLE
    crashed_primary(primary, other)
    with closing(Operator(primary, other)) as returning:
        perform(returning, Op.REWIND, Op.START, Op.FOLLOW, timeline=3)
    catches_up(primary, other)
    assert rows(primary) == rows(other) == "after|200 both|5 first|5"
    assert walsender_of(other) == ROLE


def test_a_primary_of_a_version_without_the_role_is_followed_as_postgres(primary: Container, make: Make) -> None:
    replica = make("pod-1")
    replica.start()
    with closing(Operator(replica, primary)) as operator:
        perform(operator, Op.CLONE, Op.START, Op.FOLLOW, timeline=2)
        write(primary, "first")
        catches_up(replica, primary)
        assert walsender_of(primary) == roles.SUPERUSER
        Release(primary).look()
        perform(operator, Op.FOLLOW, timeline=2)
        wait_for(lambda: walsender_of(primary) == ROLE, "it uses the role as soon as there is one")
