"""Declared roles and databases, made true on real servers by the object that a primary's agent runs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.database_objects import SqlDatabaseObjects
from hapg_failover.adapters.declared_files import DeclaredFiles
from hapg_failover.adapters.sql import PostgresSql
from hapg_failover.declaration_keeper import DeclarationKeeper
from hapg_failover.declared.found import MEMORY

from .conftest import Make
from .harness import BIN, DEFAULT, Container, wait_for
from .test_majors import ALL
from .test_passwords import LOGGING, log_in
from .upgrades import NEW

OFTEN = ("9.6", DEFAULT, "18")
MAJORS = [pytest.param(major, marks=[] if major in OFTEN else [pytest.mark.thorough]) for major in (*ALL, NEW, "18", "19")]
QUOTED = "o\"dd; drop table x '--"


class Release:
    """What a release declares, and the object that makes it true on the primary."""

    def __init__(self, server: Container) -> None:
        self.server = server
        self.file, self.secrets = server.config / "roles.json", server.config / "roles"
        self.said: list[tuple[str, str, str]] = []
        self.shown: str | None = None
        self.term: int | None = 1
        self.now = 0.0
        self._version = 0
        self.log = Mock()
        sql = PostgresSql(lambda: server.logins, server.profile.sql_names, server.port, str(server.run / "socket"))
        self.objects = SqlDatabaseObjects(sql)
        self.begin()

    def begin(self) -> None:
        """Start a new agent, which knows nothing of the last one."""
        files = DeclaredFiles(self.file, self.secrets)
        runtime: Any = Mock(now=lambda: self.now)
        self.keeper = DeclarationKeeper(
            runtime,
            files.look,
            self.objects,
            self.server.profile.authentication,
            lambda: self.term,
            lambda *words: self.said.append(words),
            self._annotate,
            lambda: self.shown,
            lambda secrets: None,
            self.log,
        )

    def _annotate(self, annotations: Any) -> None:
        (self.shown,) = annotations.values()

    def _replace(self, file: Path, text: str) -> None:
        self._version += 1
        file.parent.mkdir(parents=True, exist_ok=True)
        other = file.parent / f"new{self._version}"
        other.write_text(text)
        other.rename(file)

    def secret(self, name: str, password: str, key: str = "password") -> None:
        self._replace(self.secrets / name / key, password)

    def declare(self, roles: Any = (), databases: Any = ()) -> None:
        self._replace(self.file, json.dumps({"roles": list(roles), "databases": list(databases)}))

    def look(self, later: float = 400.0) -> list[str]:
        """Look once; return the reasons of the Events."""
        self.now += later
        self.said.clear()
        self.keeper.look()
        assert not [call for call in self.log.call_args_list if call.args[0] == "error"], self.log.call_args_list
        return [reason for _, reason, _ in self.said]

    def applied(self) -> None:
        """Look once; everything is as declared afterwards."""
        self.look()
        assert self.shown is None, self.shown

    def sql(self, *statements: str, database: str = "postgres") -> str:
        return self.server.sql(*statements) if database == "postgres" else self.server.sql(f"\\connect {database}", *statements)


@contextmanager
def session(server: Container, database: str, statements: str = "") -> Iterator[None]:
    """Keep a database in use, after some statements."""
    words = [str(BIN / "psql"), "-qX", "-h", str(server.run / "socket"), "-p", str(server.port), "-U", "postgres", "-d", database]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as client:
        assert client.stdin is not None
        client.stdin.write(statements.encode())
        client.stdin.flush()
        yield
        client.stdin.close()


@pytest.fixture
def started(make: Make, templates: Callable[[str], Path]) -> Callable[..., Release]:
    def started(major: str = DEFAULT, settings: str = "") -> Release:
        server = make("pod-0", major=major)
        conf = server.config / "postgresql.conf"
        conf.write_text(conf.read_text() + settings)
        server.take_data_of(templates(major))
        server.start()
        server.ok("start", "hot")
        server.promote(2, 1)
        return Release(server)

    return started


@pytest.mark.parametrize("major", MAJORS)
def test_roles_and_databases_become_what_is_declared_and_stay_so(started: Callable[..., Release], major: str) -> None:
    release = started(major)
    release.secret("app", "first")
    roles = [
        {
            "name": "app",
            "login": True,
            "createdb": True,
            "inherit": False,
            "connectionLimit": 7,
            "validUntil": "2099-01-31T12:00:00+01:00",
            "memberOf": ["readers", "pg_signal_backend"],
            "passwordSecret": {"name": "app", "key": "password"},
        },
        {"name": "readers"},
        {"name": QUOTED, "login": True},
    ]
    shop = {
        "name": "shop",
        "owner": "app",
        "connectionLimit": 20,
        "encoding": "UTF8",
        "locale": "C",
        "settings": {"work_mem": "16MB", "search_path": '"$user", sales, public', "jit_x.y": True},
        "schemas": [{"name": "sales", "owner": "readers"}, {"name": "s 2"}],
        "extensions": [{"name": "plpgsql"}],
    }
    release.declare(roles, [shop, {"name": QUOTED, "owner": QUOTED}])
    assert release.look() == ["DatabaseObjectsApplied"]
    assert release.shown is None, release.shown
    columns = "rolcanlogin, rolcreatedb, rolinherit, rolsuper, rolconnlimit, rolvaliduntil at time zone 'UTC'"
    assert release.sql(f"select {columns} from pg_roles where rolname = 'app'") == "t|t|f|f|7|2099-01-31 11:00:00"
    assert log_in(release.server, "first", "app") == "app"
    assert log_in(release.server, "first", "app", "select pg_has_role('readers', 'member')") == "t"
    assert release.sql("select pg_get_userbyid(datdba), datconnlimit, datcollate from pg_database where datname = 'shop'") == "app|20|C"
    names = [line.split("=")[0] for line in release.sql(
        "select unnest(setconfig) from pg_db_role_setting s join pg_database d on d.oid = setdatabase where datname = 'shop' order by 1"
    ).splitlines()]  # fmt: skip
    assert names == [MEMORY, "jit_x.y", "search_path", "work_mem"]
    assert release.sql("show search_path", database="shop").splitlines()[-1] == '"$user", sales, public'
    assert release.sql("select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'sales'", database="shop") == "readers"
    assert release.look() == [], "nothing is left to do"
    release.begin()
    release.term = 2
    assert release.look() == [], "not for the next primary either"


@pytest.mark.parametrize("major", MAJORS)
def test_a_password_follows_its_secret_and_nobody_reads_it_in_the_log(started: Callable[..., Release], major: str) -> None:
    release = started(major, LOGGING)
    role = {"name": "app", "login": True, "passwordSecret": {"name": "app", "key": "word"}}
    release.declare([role])
    assert release.look() == ["DatabaseObjectsApplied", "DatabaseObjectsNotApplied"]
    assert "no usable password in Secret app, key word; it has none yet" in (release.shown or "")
    release.secret("app", "It's-first", "word")
    release.applied()
    assert log_in(release.server, "It's-first", "app") == "app"
    release.secret("app", "Second-One", "word")
    release.applied()
    assert log_in(release.server, "Second-One", "app") == "app"
    assert "password authentication failed" in log_in(release.server, "It's-first", "app")
    release.sql("alter role app password 'by hand'")
    release.applied()
    assert log_in(release.server, "Second-One", "app") == "app"
    text = release.server.log.read_text()
    for secret in ("It's-first", "It''s-first", "Second-One", "SCRAM-SHA-256$", "CREATE ROLE"):
        assert secret not in text
        assert secret not in str(release.log.call_args_list) + str(release.said)


def test_drift_is_reported_and_left_alone_until_the_declaration_changes(started: Callable[..., Release]) -> None:
    release = started()
    role = {"name": "app", "login": True, "createdb": True, "memberOf": []}
    database = {"name": "shop", "settings": {"work_mem": "8MB"}, "schemas": [{"name": "sales"}]}
    release.declare([role], [database])
    release.applied()
    release.sql("alter role app nocreatedb", "grant pg_signal_backend to app", "alter database shop set work_mem = '1MB'")
    release.sql("drop schema sales", database="shop")
    assert release.look() == ["DatabaseObjectsDrifted"]
    shown = release.shown or ""
    for words in ("createdb true is declared", "memberOf [] is declared", "settings.work_mem 8MB is declared", "schemas.sales present is"):
        assert words in shown
    assert release.look() == [], "it is said once"
    release.begin()
    release.term = 2
    assert release.look() == ["DatabaseObjectsDrifted"], "the next primary knows that it was true once"
    assert release.sql("select rolcreatedb from pg_roles where rolname = 'app'") == "f"
    release.declare([{**role, "connectionLimit": 3}], [{**database, "settings": {"work_mem": "9MB"}}])
    assert release.look() == ["DatabaseObjectsApplied"]
    assert release.sql("select rolconnlimit, rolcreatedb from pg_roles where rolname = 'app'") == "3|f", "what did not change is left"
    assert "work_mem=9MB" in release.sql("select setconfig::text from pg_db_role_setting where setdatabase <> 0")
    release.sql(f"alter role app reset {MEMORY}")
    assert release.look() == ["DatabaseObjectsApplied"], "a way to have all of it again"
    assert release.sql("select rolcreatedb, pg_has_role('app', 'pg_signal_backend', 'member') from pg_roles where rolname = 'app'") == "t|f"
    release.sql("drop database shop")
    assert release.look() == ["DatabaseObjectsApplied"], "what does not exist is created"
    release.declare([{**role, "connectionLimit": 3}])
    release.sql("drop schema sales", database="shop")
    assert release.look() == []
    assert release.sql("select count(*) from pg_database where datname = 'shop'") == "1", "nothing is removed unless that is said"


@pytest.mark.parametrize("major", MAJORS)
def test_a_membership_that_another_role_has_granted_is_revoked(started: Callable[..., Release], major: str) -> None:
    release = started(major)
    release.sql(
        "create role boss superuser", "create role readers", "create role app", "grant readers to boss with admin option",
        "set role boss", "grant readers to app",
    )  # fmt: skip
    release.declare([{"name": "app", "memberOf": []}])
    release.applied()
    assert release.sql("select pg_has_role('app', 'readers', 'member')") == "f"


@pytest.mark.parametrize("major", MAJORS)
def test_what_can_not_be_done_says_what_to_do_and_keeps_nothing_else_from_it(started: Callable[..., Release], major: str) -> None:
    release = started(major)
    release.declare([{"name": "old"}], [{"name": "shop", "owner": "old", "encoding": "UTF8", "locale": "C"}, {"name": "gone"}])
    release.applied()
    release.sql("create table t ()", "alter table t owner to old", database="shop")
    with session(release.server, "gone"):
        wait_for(lambda: release.sql("select count(*) from pg_stat_activity where datname = 'gone'") == "1", "it is in use")
        release.declare(
            [{"name": "old", "ensure": "absent"}, {"name": "new"}, {"name": "lost", "memberOf": ["nobody"]}],
            [
                {
                    "name": "shop",
                    "encoding": "LATIN1",
                    "locale": "en_US.UTF-8",
                    "extensions": [{"name": "no_such"}, {"name": "plpgsql", "version": "99"}],
                    "settings": {"work_mem": "much", "jit_x.y": 1},
                    "schemas": [{"name": "sales"}],
                },
                {"name": "gone", "ensure": "absent"},
                {"name": "ownerless", "owner": "nobody"},
            ],
        )
        assert release.look() == ["DatabaseObjectsApplied", "DatabaseObjectsNotApplied"]
        shown = release.shown or ""
        for words in (
            "role lost: memberOf: there is no role nobody; declare it in roles, or create it",
            "role old: can't be removed, because it owns objects or has rights to some (shared objects, shop); run REASSIGN OWNED",
            "database shop: encoding LATIN1 is declared, and it was created with UTF8",
            "database shop: locale en_US.UTF-8 is declared, and it was created with C",
            "database shop: extension no_such is not available; use an image that has it",
            "database shop: extension plpgsql has no version 99",
            "database shop: settings.work_mem much: invalid value for parameter",
            "database gone: can't be removed while 1 sessions use it; end them",
            "database ownerless: there is no role nobody",
        ):
            assert words in shown
        assert release.sql("select count(*) from pg_roles where rolname in ('new', 'lost')") == "2"
        assert release.sql("select count(*) from pg_namespace where nspname = 'sales'", database="shop") == "1"
        assert release.look(1.0) == [], "it is not tried again at once"
    wait_for(lambda: release.sql("select count(*) from pg_stat_activity where datname = 'gone'") == "0", "nobody uses it")
    release.sql("drop table t", database="shop")
    release.sql("alter database shop owner to new")
    assert release.look(10.0) == ["DatabaseObjectsApplied"]
    assert release.sql("select count(*) from pg_roles where rolname = 'old'") == "0"
    assert release.sql("select count(*) from pg_database where datname = 'gone'") == "0"


def test_a_lock_that_somebody_holds_is_not_waited_for_long(started: Callable[..., Release]) -> None:
    release = started()
    release.declare([{"name": "app"}])
    release.applied()
    with session(release.server, "postgres", "BEGIN; ALTER ROLE app CREATEDB;\n"):
        idle = "select count(*) from pg_stat_activity where state = 'idle in transaction'"
        wait_for(lambda: release.sql(idle) == "1", "somebody changes the role")
        release.declare([{"name": "app", "login": True}, {"name": "other"}])
        assert release.look() == ["DatabaseObjectsApplied", "DatabaseObjectsNotApplied"]
        assert (release.shown or "").startswith("role app: login true: canceling statement due to lock timeout")
        assert release.sql("select count(*) from pg_roles where rolname = 'other'") == "1"
    wait_for(lambda: release.sql(idle) == "0", "it is rolled back")
    assert release.look() == ["DatabaseObjectsApplied"]
    assert release.shown is None


def test_a_standby_is_never_changed(started: Callable[..., Release], make: Make) -> None:
    release = started()
    release.declare([{"name": "app"}])
    release.term = None
    assert release.look() == []
    assert release.sql("select count(*) from pg_roles where rolname = 'app'") == "0"
    standby = make("pod-1")
    standby.start()
    standby.ok("clone", *release.server.address())
    standby.ok("start", "hot")
    other = Release(standby)
    other.declare([{"name": "app"}])
    assert other.look() == ["DatabaseObjectsNotApplied"], "an agent that is wrong about it is refused by the server"
    assert "read-only transaction" in (other.shown or "")


def test_commits_do_not_wait_for_standbys_that_do_not_exist(started: Callable[..., Release]) -> None:
    release = started(settings="default_transaction_read_only = on\n")
    release.server.ok("standbys", "1", "pod-1")
    wait_for(lambda: "pod-1" in release.sql("show synchronous_standby_names"), "it is in force")
    release.declare([{"name": "app"}], [{"name": "shop", "owner": "app", "schemas": [{"name": "sales"}]}])
    release.applied()


@pytest.mark.parametrize("major", MAJORS)
def test_settings_are_as_declared_however_postgresql_writes_them(started: Callable[..., Release], major: str) -> None:
    release = started(major)
    settings = {"timezone": "UTC", "DateStyle": "ISO, DMY", "search_path": "", "Work_Mem": "4MB", "jit_x.Y": "a b'c", "enable_sort": False}
    settings |= {"statement_timeout": 1000, "random_page_cost": 1.5, "temp_tablespaces": '"a b", pg_default', "log_min_messages": "LOG"}
    release.declare([], [{"name": "shop", "settings": settings}])
    assert release.look() == ["DatabaseObjectsApplied"]
    assert release.shown is None
    assert release.look() == []
    assert release.sql("show search_path", database="shop") == '""'
    release.declare([], [{"name": "shop", "settings": dict.fromkeys(settings)}])
    release.applied()
    left = "select cardinality(setconfig) from pg_db_role_setting s join pg_database d on d.oid = setdatabase where datname = 'shop'"
    assert release.sql(left) == "1", "what was made true is remembered, and nothing else is set"


def test_an_extension_is_created_in_public_or_where_it_is_declared_and_updated(started: Callable[..., Release]) -> None:
    release = started()
    if not (available := release.sql("select name from pg_available_extensions where name in ('pg_trgm', 'hstore') order by 1")):
        pytest.skip("this PostgreSQL has no extensions")
    assert available.split() == ["hstore", "pg_trgm"]
    extensions = [{"name": "pg_trgm", "version": "1.5"}, {"name": "hstore", "schema": "ext"}]
    declared = {"name": "shop", "schemas": [{"name": "ext"}], "extensions": extensions}
    release.declare([], [declared])
    release.applied()
    query = "select extname, extversion, nspname from pg_extension e join pg_namespace n on n.oid = extnamespace order by 1"
    assert "pg_trgm|1.5|public" in release.sql(query, database="shop")
    assert "|ext" in release.sql(query, database="shop")
    newest = release.sql("select default_version from pg_available_extensions where name = 'pg_trgm'")
    release.declare([], [{**declared, "extensions": [{"name": "pg_trgm", "version": newest}, {"name": "hstore", "ensure": "absent"}]}])
    release.applied()
    assert f"pg_trgm|{newest}|public" in release.sql(query, database="shop")
    assert "hstore" not in release.sql(query, database="shop")
