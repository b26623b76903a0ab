"""The program of the Job `import` with import.method: logical, with real servers: what it copies and follows, what it refuses before it
changes anything, how it is finished and aborted, and what a failover of the release changes.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster.paths import REPOSITORY

from .conftest import Make
from .harness import BIN, PASSWORD, Container, chown, wait_for
from .test_import import LIMIT, ROLES, SCRIPT, UNFINISHED, Import, begin, psql

LEFT = "select count(*) from pg_replication_slots"
PUBLICATIONS = "select count(*) from pg_publication"
TABLES = (
    "create schema kept authorization owner",
    "create table kept.rows (id serial primary key, what text, at timestamptz default now(), ratio float8 default random())",
    'create table "Odd ""name" (a int, b text)',
    'alter table "Odd ""name" replica identity full',
    "create table parts (day int, what text, primary key (day, what)) partition by range (day)",
    "create table parts_1 partition of parts for values from (0) to (10)",
    "create table parts_2 partition of parts for values from (10) to (20)",
    "create table child (id int primary key references kept.rows)",
    "alter table kept.rows owner to owner",
    "grant select on kept.rows to reader",
    "create materialized view kept.summary as select count(*) as all from kept.rows",
    "create materialized view kept.more as select * from kept.summary",
    "insert into kept.rows (what) select md5(i::text) from generate_series(1, 2000) as i",
    "insert into parts select i % 20, i::text from generate_series(1, 500) as i",
    'insert into "Odd ""name" values (1, \'x\'), (2, null)',
    "insert into child values (1)",
    "select setval('kept.rows_id_seq', 5000)",
)
CHECKS = (
    "select count(*) || md5(string_agg(id || what || at, ',' order by id)) from kept.rows",
    "select count(*) || md5(string_agg(day || what, ',' order by day, what)) from parts",
    "select string_agg(a || coalesce(b, ''), ',' order by a) from \"Odd \"\"name\"",
)
PG_RESTORE_FOR_12 = f"""#!/bin/bash
{BIN}/pg_restore "$@" || exit
for word; do
    if [[ $word == */database.sql ]]; then sed -i -E 's/ LOCALE_PROVIDER.* LOCALE = ([^;]*)/ LC_COLLATE = \\1 LC_CTYPE = \\1/' "$word"; fi
done
"""


@dataclass
class Logical(Import):
    """An import with import.method: logical."""

    step: str = "follow"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.environment = {"HAPG_METHOD": "logical", "HAPG_RELEASE": "demo/pod", **self.environment}
        self.environment["HAPG_STEP"] = self.step

    def take(self, step: str) -> None:
        """Change import.step: what runs from now on is another Job."""
        self.environment["HAPG_STEP"] = step

    def follow(self) -> None:
        """Run it until everything is copied, and kill it."""
        with self.running():
            self.says("app: following, ")

    def says(self, text: str, seconds: float = 40.0) -> None:
        before = self.said.count(text)
        end = time.monotonic() + seconds
        while self.said.count(text) == before:
            assert time.monotonic() < end, f"not said in {seconds} s: {text}; but {self.said[-3000:]}"
            time.sleep(0.05)


def source_of(make: Make, templates: Callable[[str], Path], major: str, level: str = "logical") -> Container:
    """A server of a major that can be followed, with the database `app`."""
    container = begin(make, templates, major, f"wal_level = {level}")
    psql(container, "app", *TABLES)
    return container


@pytest.fixture
def source(make: Make, templates: Callable[[str], Path]) -> Container:
    return source_of(make, templates, "13")


@pytest.fixture
def folder(primary: Container) -> Path:
    return primary.run.parent.parent / "import"


def own(target: Container) -> str:
    """The name of the one database that is not finished."""
    return target.sql("select datname from pg_database where datname like 'ha\\_postgres\\_import%'")


def alike(source: Container, target: Container, database: str = "app") -> bool:
    return all(psql(source, "app", statement) == psql(target, database, statement) for statement in CHECKS)


@pytest.mark.parametrize("major", ["13", *(pytest.param(major, marks=pytest.mark.thorough) for major in ("12", "15"))])
def test_an_import_follows_until_it_is_finished(
    make: Make, templates: Callable[[str], Path], primary: Container, folder: Path, major: str
) -> None:
    source = source_of(make, templates, major)
    work = Logical(source, primary, folder)
    with work.running():
        work.says("import: app: following, ")
        psql(source, "app", "insert into kept.rows (what) values ('later')", "update kept.rows set what = 'changed' where id = 7")
        psql(source, "app", 'delete from "Odd ""name" where a = 1', "update parts set day = 15 where day = 5", "truncate child")
        wait_for(lambda: alike(source, primary, own(primary)), "changes are followed", LIMIT)
        assert primary.sql("select count(*) from pg_database where datname = 'app'") == "0"
        assert primary.sql("select shobj_description(oid, 'pg_database') from pg_database where datname like 'ha\\_postgres%'").startswith(
            "app, "
        )
    work.take("finish")
    work.done()
    assert alike(source, primary)
    rows = sum(int(psql(source, "app", f"select count(*) from {table}")) for table in ("kept.rows", "parts", '"Odd ""name"', "child"))
    assert f"app: imported: verified {rows} rows in 5 tables, set 1 sequences" in work.said
    assert "import: done: 1 databases of " in work.said
    assert psql(primary, "app", "select nextval('kept.rows_id_seq')") == str(
        int(psql(source, "app", "select last_value from kept.rows_id_seq")) + 1
    )
    assert psql(primary, "app", "select * from kept.more") == "2001"
    assert psql(primary, "app", "select pg_get_userbyid(relowner) from pg_class where relname = 'rows'") == "owner"
    assert psql(primary, "app", "show work_mem") == "7MB"
    assert primary.sql("select shobj_description(oid, 'pg_database') from pg_database where datname = 'app'") == "the app's own"
    assert primary.sql("select rolpassword from pg_authid where rolname = 'owner'") == source.sql(
        "select rolpassword from pg_authid where rolname = 'owner'"
    )
    assert primary.sql("select count(*) from pg_db_role_setting where array_to_string(setconfig, ' ') ~ 'verified|timeline'") == "0"
    assert primary.sql("select count(*) from pg_subscription", UNFINISHED).split() == ["0", "0"]
    assert source.sql(LEFT) == "0"
    assert psql(source, "app", PUBLICATIONS) == "0"
    psql(primary, "app", "insert into kept.rows (what) values ('the release''s own')")
    for text in (work.said, primary.log.read_text(), source.log.read_text()):
        assert PASSWORD not in text
    work.done()
    assert "import: app: was imported before" in work.said


@pytest.mark.thorough
def test_an_import_by_logical_replication_into_an_older_major(make: Make, templates: Callable[[str], Path], folder: Path) -> None:
    """Subscribers before 14 copy tables in another way. The programs are those of 15, less what 12 does not understand."""
    source, target = source_of(make, templates, "12"), make("target-0", major="12")
    target.take_data_of(templates("12"))
    target.start()
    target.ok("start", "hot")
    target.promote(2, 1)
    programs = target.run.parent / "programs"
    programs.mkdir()
    for name in ("psql", "pg_dump", "pg_dumpall"):
        (programs / name).symlink_to(BIN / name)
    (programs / "pg_restore").write_text(PG_RESTORE_FOR_12)
    (programs / "pg_restore").chmod(0o755)
    work = Logical(source, target, folder, environment={"HAPG_MAJOR": "12", "HAPG_BIN": str(programs)})
    work.follow()
    psql(source, "app", "insert into kept.rows (what) values ('later')")
    work.take("finish")
    work.done()
    assert alike(source, target)


def test_an_import_says_at_once_what_a_source_lacks_and_changes_nothing(
    make: Make, templates: Callable[[str], Path], primary: Container, folder: Path
) -> None:
    source = source_of(make, templates, "13", level="replica")
    source.sql("create role mover login password 'mover'")
    psql(source, "app", "alter table kept.rows owner to mover", "alter table child owner to mover")
    psql(source, "app", "create table plain (a int)", "create unlogged table quick (a int primary key)", "select lo_create(4711)")
    psql(source, "app", "create function f() returns trigger language plpgsql as 'begin return new; end'")
    psql(
        source, "app", "create trigger always before insert on child execute function f()", "alter table child enable always trigger always"
    )
    psql(source, "app", "alter table child force row level security", "create table late (a int primary key deferrable)")
    psql(
        source,
        "app",
        "create sequence closed",
        "alter sequence kept.rows_id_seq owned by none",
        "alter sequence kept.rows_id_seq owner to mover",
    )
    extensions = next(source.bin.parent.rglob("plpgsql.control")).parent
    (extensions / "rare.control").write_text("default_version = '1'\n")
    (extensions / "rare--1.sql").write_text(
        "create table rare (a int primary key);\ninsert into rare values (1);\nselect pg_extension_config_dump('rare', 'where a > 1');\n"
    )
    psql(source, "app", "create extension rare", "grant select on all tables in schema public, kept to mover")
    psql(source, "app", "grant usage on schema kept to mover")
    with Logical(source, primary, folder, user="mover", password="mover").running():
        wait_for(lambda: "next attempt" in (folder / "log").read_text(), "it is refused", LIMIT)
    said = (folder / "log").read_text().splitlines()[0]
    for sentence in (
        f"import: error: the source 127.0.0.1:{source.port} is not ready for logical replication: ",
        "its wal_level is replica and has to be logical, which takes a restart; ",
        "mover may not replicate (ALTER ROLE … REPLICATION): ",
        "; app: no right to create a publication (GRANT CREATE ON DATABASE): mover; ",
        "app: tables without a primary key or another replica identity (ALTER TABLE … REPLICA IDENTITY FULL): public.late, public.plain; ",
        "app: unlogged tables, which are not replicated (ALTER TABLE … SET LOGGED): public.quick",
        'only their owner can publish: public."Odd ""name", public.late, public.parts_1, public.parts_2, public.plain, public.quick; ',
        "app: tables whose row security hides rows from the import's role: public.child; ",
        "app: triggers that are enabled always or for replicas, and would fire again in the release: always on public.child; ",
        "app: sequences that the import's role may not read: public.closed; ",
        "app: large objects, which are not replicated: 1; ",
    ):
        assert sentence in said
    assert "app: extensions that the release's image does not have (drop them there, or set an image with them): rare; " in said
    assert "tables of extensions" not in said, "the extension's own rows come with it"
    psql(source, "app", "insert into rare values (2)")
    with Logical(source, primary, folder).running():
        sentence = "app: tables of extensions with rows of users, which are not replicated: public.rare; "
        wait_for(lambda: sentence in (folder / "log").read_text(), sentence, LIMIT)
    assert primary.sql("select count(*) from pg_database", "select count(*) from pg_roles where rolname = 'owner'").split() == ["3", "0"]
    assert psql(source, "app", PUBLICATIONS) == "0"


def test_an_import_is_not_finished_while_its_source_is_written_to_or_differs(source: Container, primary: Container, folder: Path) -> None:
    Logical(source, primary, folder).follow()
    work = Logical(source, primary, folder, step="finish")
    psql(source, "app", "create table busy (a int)")
    writer = subprocess.Popen(
        ["bash", "-c", 'while :; do "$@" || exit; done', "-", *writing(source, "update kept.rows set what = 'w' where id = 1")]
    )
    try:
        with work.running() as process:
            work.says("app: not finished: it is still written to, so stop its clients: ")
            writer.kill()
            writer.wait()
            place = f"127.0.0.1:{source.port}"
            work.says(f"tables were changed meanwhile; make them alike, or abort: public.busy ({place}: a integer; release: none)")
            with subprocess.Popen(writing(source, "begin", "update kept.rows set what = 'x' where id = 2", "select pg_sleep(4)", "commit")):
                psql(source, "app", "select pg_sleep(0.5)", "drop table busy")
                work.says("app: not finished: it has open transactions that write, so stop its clients: postgres from ")
            wait_for(lambda: process.poll() is not None, "it is finished", LIMIT)
    finally:
        writer.kill()
    assert process.returncode == 0, work.said
    assert alike(source, primary)
    assert psql(primary, "app", "select what from kept.rows where id = 2") == "x"


def writing(source: Container, *statements: str) -> list[str]:
    """The command line of a client of the database `app`."""
    words = source.psql(*statements)
    return [*words[:1], "-d", "app", *words[1:]]


def test_an_import_is_aborted_without_a_trace_on_the_source(source: Container, primary: Container, folder: Path) -> None:
    psql(source, "app", "create table large as select i, repeat(md5(i::text), 20) as what from generate_series(1, 100000) as i")
    psql(source, "app", "alter table large add primary key (i)")
    work = Logical(source, primary, folder)
    for text in ("app: creating the slot", "app: copying\n", "app: following"):
        work.take("follow")
        with work.running():
            work.says(text)
        work.take("abort")
        work.done()
        assert "app: aborted; nothing is left on the source" in work.said
        assert source.sql(LEFT) == "0", text
        assert psql(source, "app", PUBLICATIONS) == "0"
        assert primary.sql("select count(*) from pg_subscription", UNFINISHED).split() == ["0", "0"]
    work.done()


def test_an_import_goes_on_after_a_failover_of_the_release(
    source: Container, primary: Container, clone: Callable[[str, str], Container], folder: Path
) -> None:
    standby = clone("pod-1", "hot")
    Logical(source, primary, folder).follow()
    primary.end()
    psql(source, "app", "insert into kept.rows (what) values ('while nobody followed')")
    standby.promote(3, 2)
    work = Logical(source, standby, folder, step="finish")
    work.done()
    assert alike(source, standby)
    assert work.said.count("app: copying the schema") == 1


def test_an_import_that_lost_changes_in_a_failover_is_not_finished(
    source: Container, primary: Container, clone: Callable[[str, str], Container], folder: Path
) -> None:
    """A release without synchronous standbys may lose what it has confirmed to the source. The number of rows doesn't tell."""
    standby = clone("pod-1", "hot")
    Logical(source, primary, folder).follow()
    standby.ok("seal", "fast")
    psql(source, "app", "update kept.rows set what = 'lost' where id = 3")
    confirmed = "select bool_and(confirmed_flush_lsn >= '{}') from pg_replication_slots"
    position = source.sql("select pg_current_wal_lsn()")
    wait_for(lambda: source.sql(confirmed.format(position)) == "t", "the release has confirmed it")
    primary.end()
    standby.promote(3, 2)
    work = Logical(source, standby, folder, step="finish")
    with work.running():
        work.says("app: not finished: rows are missing or differ, so abort it and begin again: kept.rows (")
    work.take("abort")
    work.done()
    work.take("finish")
    work.done()
    assert alike(source, standby)


@pytest.mark.thorough
def test_an_import_whose_slot_is_gone_says_that_changes_are_missing(source: Container, primary: Container, folder: Path) -> None:
    work = Logical(source, primary, folder)
    work.follow()
    wait_for(lambda: source.sql("select bool_or(active) from pg_replication_slots") == "t", "it follows")
    primary.ok("stop", "fast")
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    (statement,) = [text for text in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "ha_postgres_import_" in text]
    source.sql(statement)
    assert source.sql(LEFT) == "0"
    primary.ok("start", "hot")
    primary.promote(3, 2)
    work.told("app: the source has dropped the slot ha_postgres_import_")
    work.take("abort")
    work.done()
    assert primary.sql(UNFINISHED) == "0"


@pytest.mark.thorough
def test_an_import_with_synchronous_standbys_confirms_nothing_that_they_lack(
    source: Container, primary: Container, clone: Callable[[str, str], Container], folder: Path
) -> None:
    standby = clone("pod-1", "hot")
    Logical(source, primary, folder).follow()
    primary.sql("alter system set synchronous_standby_names = '\"pod-1\"'", "select pg_reload_conf()")
    standby.ok("seal", "fast")
    position = source.sql("select pg_current_wal_lsn()")
    psql(source, "app", "update kept.rows set what = 'kept' where id = 3")
    wait_for(lambda: psql(primary, own(primary), "select count(*) from pg_stat_activity where wait_event = 'SyncRep'") == "1", "it waits")
    time.sleep(3)
    assert source.sql(f"select bool_and(confirmed_flush_lsn <= '{position}') from pg_replication_slots") == "t"
    primary.end()
    standby.promote(3, 2)
    standby.sql("alter system set synchronous_standby_names = ''", "select pg_reload_conf()")
    Logical(source, standby, folder, step="finish").done()
    assert psql(standby, "app", "select what from kept.rows where id = 3") == "kept"


@pytest.mark.thorough
def test_an_import_that_takes_nothing_over_says_so(source: Container, primary: Container, folder: Path) -> None:
    work = Logical(source, primary, folder)
    with work.running():
        work.says("app: following, ")
        psql(source, "app", "alter table kept.rows add column more int", "insert into kept.rows (what, more) values ('new', 1)")
        work.says("WARNING: nothing is taken over now; if that lasts, the log of the release's primary says why")
        assert "kept.rows" in primary.log.read_text()
        psql(primary, own(primary), "alter table kept.rows add column more int")
        wait_for(lambda: psql(primary, own(primary), "select count(*) from kept.rows where more = 1") == "1", "it goes on", LIMIT)
    primary_key = primary.sql("select subname from pg_subscription")
    psql(primary, own(primary), f"alter subscription {primary_key} disable")
    work.told("app: its subscription is disabled, as in a restored or upgraded release, so changes may be missing: set import.step: abort")


@pytest.mark.thorough
def test_an_import_by_logical_replication_that_is_killed_anywhere_is_run_again(source: Container, primary: Container, folder: Path) -> None:
    work = Logical(source, primary, folder)
    for text in ("app: copying the schema", "app: creating the slot"):
        with work.running():
            work.says(text)
    work.take("finish")
    work.done()
    assert alike(source, primary)
    assert source.sql(LEFT) == "0"
    assert primary.sql("select count(*) from pg_subscription", UNFINISHED).split() == ["0", "0"]


@pytest.mark.thorough
def test_an_import_that_is_killed_while_it_is_finished_is_run_again(source: Container, primary: Container, folder: Path) -> None:
    work = Logical(source, primary, folder)
    for pause in (0.5, 3.2, 3.5, 3.8, 4.1, 4.4, 5.0):
        with work.running() as process:
            work.take("finish")
            time.sleep(pause)
            if process.poll() is not None:
                break
        if primary.sql("select count(*) from pg_database where datname = 'app'") == "1":
            break
    work.done()
    assert alike(source, primary)
    assert source.sql(LEFT) == "0"
    assert primary.sql("select count(*) from pg_subscription", UNFINISHED).split() == ["0", "0"]


@pytest.mark.thorough
def test_an_import_that_is_stopped_says_that_the_source_keeps_wal(source: Container, primary: Container, folder: Path) -> None:
    work = Logical(source, primary, folder)
    with work.running() as process:
        work.says("app: following, ")
        time.sleep(1)
        process.terminate()
        assert process.wait(5) == 143
        name = source.sql("select slot_name from pg_replication_slots")
        assert f"import: stopped while databases follow: the source keeps WAL for {name} until import.step is finish or abort" in work.said
    dump = Import(source, primary, folder)
    dump.told("databases are being imported by logical replication: set import.method: logical, and import.step finish or abort")


@pytest.mark.thorough
def test_an_import_follows_with_a_password_that_was_changed(source: Container, primary: Container, folder: Path) -> None:
    source.sql("create role mover superuser login password 'first'")
    work = Logical(source, primary, folder, user="mover", password="first")
    with work.running():
        work.says("app: following, ")
        source.sql("alter role mover password 'second \\'''")
        source.sql("select pg_terminate_backend(pid) from pg_stat_replication")
        work.says("password authentication failed")
        work.login("mover", "second \\'")
        psql(source, "app", "insert into kept.rows (what) values ('later')")
        wait_for(lambda: alike(source, primary, own(primary)), "it goes on", LIMIT)
    work.take("finish")
    work.done()
    assert alike(source, primary)
    assert "second" not in work.said + primary.log.read_text()


@pytest.mark.thorough
def test_an_import_of_a_database_that_exists_or_is_left_out_is_said(source: Container, primary: Container, folder: Path) -> None:
    primary.sql("create database app")
    work = Logical(source, primary, folder, databases=("app",))
    work.told("database app of the release exists, and nothing is overwritten: drop it, or leave it out of import.databases")
    primary.sql("drop database app")
    work.follow()
    source.sql("create database other")
    other = Logical(source, primary, folder, databases=("other",), step="finish")
    other.done()
    assert (
        "WARNING: not in import.databases any more, but still followed, and the source keeps WAL: app, which is being imported from"
        in other.said
    )
    assert primary.sql("select count(*) from pg_database where datname = 'other'") == "1"
    psql(source, "app", "insert into kept.rows (what) values ('later')")
    both = Logical(source, primary, folder, step="finish")
    both.done()
    assert alike(source, primary)


@pytest.mark.thorough
def test_an_import_from_9_6_has_to_be_a_dump(make: Make, templates: Callable[[str], Path], primary: Container, folder: Path) -> None:
    source = make("source-0", major="9.6")
    source.take_data_of(templates("9.6"))
    source.start()
    source.ok("start", "hot")
    source.promote(2, 1)
    work = Logical(source, primary, folder)
    work.told(f"the source 127.0.0.1:{source.port} has PostgreSQL 9.6, which has no logical replication: set import.method: dump")


@pytest.mark.thorough
def test_an_import_queries_a_source_whose_oids_are_hidden(make: Make, templates: Callable[[str], Path], tmp_path: Path) -> None:
    """10 and 11 hide the column oid from `*`, as 9.6 does."""
    source = make("source-0", major="9.6")
    source.take_data_of(templates("9.6"))
    source.start()
    source.ok("start", "hot")
    source.promote(2, 1)
    source.sql("create database app", *ROLES)
    psql(source, "app", "create table rows (id serial primary key, what text)", "insert into rows (what) values ('x')")
    definitions, _ = SCRIPT.read_text().split("\nattempt() (")
    names = ("OBSTACLES", "COLUMNS_OF", "COUNT_OF", "CONTENT_OF", "SEQUENCE_OF")
    program = f'{definitions}\n. "$0"\nfor name in {" ".join(names)}; do printf "%s\\0" "${{!name}}"; done'
    variables = {f"HAPG_{name}": "x" for name in ("BIN", "MAJOR", "ROLES", "SOURCE_HOST", "SOURCE_PORT", "STEP")}
    words = ["bash", "-c", program, str(SCRIPT.with_name("logical.sh"))]
    found = subprocess.run(words, env={**os.environ, **variables}, capture_output=True, text=True, check=True)
    obstacles, *queries = found.stdout.rstrip("\0").split("\0")
    assert psql(source, "app", obstacles) == ""
    columns, count, content, sequences = (psql(source, "app", psql(source, "app", query)) for query in queries)
    assert (columns, count) == ("public.rows|id integer, what text", "public.rows|1")
    assert content.startswith("public.rows|1 ")
    assert sequences == "SELECT pg_catalog.setval('public.rows_id_seq', 1, 't');"


@pytest.mark.thorough
def test_an_import_by_a_role_that_owns_the_tables_verifies_the_source(
    make: Make, templates: Callable[[str], Path], primary: Container, folder: Path
) -> None:
    """A role with no more rights than needed, over TLS; the release's server reads the authority from a file of its own."""
    source = make("source-0", major="13")
    files = [str(source.config / f"server.{end}") for end in ("key", "crt")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=source", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-days", "2", "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
    chown(source.config)
    with (source.config / "postgresql.conf").open("a") as conf:
        conf.write(f"wal_level = logical\nssl = on\nssl_key_file = '{files[0]}'\nssl_cert_file = '{files[1]}'\n")
    hba = source.config / "pg_hba.conf"
    hba.write_text(hba.read_text().replace("host ", "hostssl "))
    source.take_data_of(templates("13"))
    source.start()
    source.ok("start", "hot")
    source.promote(2, 1)
    source.sql("create role owner login password 'own' replication", "create database app owner owner")
    psql(
        source,
        "app",
        "create table rows as select i, i::text as what from generate_series(1, 100) as i",
        "alter table rows add primary key (i)",
    )
    psql(source, "app", "alter table rows owner to owner")
    certificate = Path(files[1]).read_text()
    (folder / "source").mkdir(parents=True)
    (folder / "source" / "ca.crt").write_text(certificate)
    (primary.run / "ca.crt").write_text(certificate)
    settings = {"HAPG_SOURCE_SSLMODE": "verify-full", "HAPG_SERVER_CA": str(primary.run / "ca.crt")}
    work = Logical(source, primary, folder, user="owner", password="own", databases=("app",), step="finish", environment=settings)
    work.done()
    assert "WARNING: owner may not read the passwords of the source's roles; new roles have none" in work.said
    assert psql(primary, "app", "select count(*), max(what) from rows") == "100|99"
    assert source.sql(LEFT) == "0"


@pytest.mark.thorough
def test_an_import_stays_on_the_source_until_the_standbys_have_it(
    source: Container, primary: Container, clone: Callable[[str, str], Container], folder: Path
) -> None:
    """Otherwise a failover could bring back a subscription whose slot is gone."""
    standby = clone("pod-1", "hot")
    work = Logical(source, primary, folder)
    work.follow()
    primary.sql("alter system set wal_sender_timeout = 0", "select pg_reload_conf()")
    (receiver,) = standby.titled(b"walreceiver")
    os.kill(receiver, signal.SIGSTOP)
    work.take("finish")
    work.told("a standby of the release does not confirm what it gets, see hapg status")
    assert source.sql(LEFT) == "1"
    assert primary.sql("select count(*) from pg_database where datname = 'app'") == "0"
    os.kill(receiver, signal.SIGCONT)
    work.done()
    assert "import: app: imported\n" in work.said
    assert source.sql(LEFT) == "0"
    assert alike(source, primary)


@pytest.mark.thorough
def test_an_import_of_more_databases_than_workers_says_so(source: Container, primary: Container, folder: Path) -> None:
    for name in ("one", "two", "three"):
        source.sql(f"create database {name}")
    work = Logical(source, primary, folder)
    work.told(
        "the release's max_logical_replication_workers is 4, and 4 databases need at least 5: set it in postgresql.parameters, and "
        "max_worker_processes above it"
    )
    assert primary.sql(UNFINISHED) == "0"


@pytest.mark.thorough
def test_an_import_is_aborted_although_a_database_of_that_name_was_made_in_the_release(
    source: Container, primary: Container, folder: Path
) -> None:
    """Otherwise the source would keep WAL for ever."""
    work = Logical(source, primary, folder)
    work.follow()
    primary.sql("create database app")
    psql(primary, "app", "create table mine (a int)")
    work.take("abort")
    work.done()
    assert source.sql(LEFT) == "0"
    assert psql(source, "app", PUBLICATIONS) == "0"
    assert primary.sql("select count(*) from pg_subscription", UNFINISHED).split() == ["0", "0"]
    assert psql(primary, "app", "select count(*) from mine") == "0"


def test_an_import_runs_nothing_that_the_source_s_users_have_named_like_the_server_s_functions(
    source: Container, primary: Container, folder: Path
) -> None:
    """A function that fits better than the server's own is preferred, wherever it is, unless the search path leaves it out."""
    psql(source, "app", "create table public.caught (who text primary key, port int)")
    psql(
        source,
        "app",
        "create function public.format(text, name, name) returns text language plpgsql as $$ begin insert into public.caught "
        "values (current_user, inet_server_port()); return pg_catalog.format($1, $2, $3); end $$",
    )
    work = Logical(source, primary, folder)
    with work.running():
        wait_for(lambda: "app: following, " in work.said or "next attempt" in work.said, "it follows or fails", LIMIT)
    assert "next attempt" not in work.said
    assert psql(source, "app", "select count(*) from caught") == "0"
    assert psql(primary, own(primary), "select count(*) from caught") == "0"


def test_an_import_refuses_names_of_tables_that_its_lists_cannot_have(source: Container, primary: Container, folder: Path) -> None:
    made = folder / "made"
    name = f"a\ta[$(touch${{IFS}}{made})]"
    psql(source, "app", f'create table "{name}" (i int primary key)')
    work = Logical(source, primary, folder, step="finish")
    with work.running() as process:
        wait_for(lambda: process.poll() is not None or "next attempt" in work.said, "it ends or fails", LIMIT)
    assert not made.exists()
    assert "app: tables whose names have tabs, line breaks or other control characters: " in work.said


@pytest.mark.thorough
def test_an_import_says_if_the_source_would_end_the_copy_of_a_table(source: Container, primary: Container, folder: Path) -> None:
    psql(source, "app", "create table large as select i, repeat(md5(i::text), 20) as what from generate_series(1, 200000) as i")
    psql(source, "app", "alter table large add primary key (i)")
    source.sql("alter role postgres in database app set statement_timeout = '300ms'")
    work = Logical(source, primary, folder)
    work.told(
        f"the source 127.0.0.1:{source.port} is not ready for logical replication: app: statement_timeout of 300ms, "
        "which would end the copy of a large table (ALTER ROLE … SET statement_timeout = 0): postgres; "
    )
    source.sql("alter role postgres in database app set statement_timeout = 0")
    work.follow()


@pytest.mark.thorough
def test_an_import_is_finished_although_the_source_is_vacuuming(source: Container, primary: Container, folder: Path) -> None:
    """Autovacuum gives way only to those who wait for it."""
    Logical(source, primary, folder).follow()
    psql(source, "app", "alter system set autovacuum_naptime = '1s'")
    psql(source, "app", "alter system set autovacuum_vacuum_cost_delay = '100ms'")
    psql(source, "app", "alter system set autovacuum_vacuum_cost_limit = 1", "select pg_reload_conf()")
    psql(source, "app", "alter table kept.rows set (autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)")
    psql(
        source,
        "app",
        "insert into kept.rows (what) select md5(i::text) from generate_series(1, 300000) as i",
        "delete from kept.rows where id > 5000",
    )
    busy = "select count(*) from pg_stat_activity where backend_type = 'autovacuum worker' and query like '%kept.rows%'"
    wait_for(lambda: psql(source, "app", busy) != "0", "autovacuum is at it", LIMIT)
    work = Logical(source, primary, folder, step="finish")
    work.done()
    assert alike(source, primary)


@pytest.mark.thorough
def test_two_clusters_with_a_release_of_the_same_name_do_not_share_a_slot(
    make: Make, source: Container, primary: Container, folder: Path
) -> None:
    """Otherwise one would get changes that the other then lacks."""
    other = make("pod-9")
    other.start()
    other.ok("initdb")
    other.ok("start", "hot")
    other.promote(2, 1)
    Logical(source, primary, folder).follow()
    psql(primary, own(primary), f"alter subscription {psql(primary, 'postgres', 'select subname from pg_subscription')} disable")
    wait_for(lambda: source.sql("select count(*) from pg_replication_slots where active") == "0", "the slot is not in use", LIMIT)
    Logical(source, other, folder.with_name("other")).follow()
    assert source.sql(LEFT) == "2"
    for target, place in ((primary, folder), (other, folder.with_name("other"))):
        Logical(source, target, place, step="abort").done()
    assert source.sql(LEFT) == "0"
