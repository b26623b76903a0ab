"""The program of the Job `import`, with real servers: databases, roles, large objects and extensions of older majors."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import pytest

from tests.ports import needs_ipv6

from .conftest import Make
from .harness import BIN, PASSWORD, Container, wait_for

SCRIPT = Path(str(resources.files("hapg.chart").joinpath("scripts/import.sh")))
LIMIT = 120.0
UNFINISHED = "select count(*) from pg_database where datname like 'ha\\_postgres\\_import%'"
ROLES = (
    "create role owner login password 'own'",
    "create role reader nologin",
    'create role "odd ""name" login connection limit 3',
    "create role member login in role reader",
    "alter role owner set work_mem = '8MB'",
)
APP = (
    "create schema kept authorization owner",
    'create table kept.rows (id serial primary key, what text, odd "char"[])',
    "alter table kept.rows owner to owner",
    "grant select on kept.rows to reader",
    "insert into kept.rows (what) select md5(i::text) from generate_series(1, 5000) as i",
    "create view kept.few as select * from kept.rows where id < 10",
    "create function kept.twice(i int) returns int language sql as 'select $1 * 2'",
    "select lo_from_bytea(4711, decode(repeat('00ff', 3000), 'hex'))",
    "create materialized view kept.summary as select count(*) from kept.rows",
)
CHECK = (
    "select count(*) || md5(string_agg(id || what, ',' order by id)) from kept.rows",
    "select md5(lo_get(4711))",
    "select kept.twice(4)",
    "select pg_get_userbyid(relowner) || coalesce(relacl::text, '') from pg_class where relname = 'rows'",
    "select * from kept.summary",
)


def psql(container: Container, database: str, *commands: str, user: str = "postgres") -> str:
    words = [str(BIN / "psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", str(container.run / "socket"), "-p", str(container.port)]
    words += ["-U", user, "-d", database]
    for command in commands:
        words += ["-c", command]
    environment = {**os.environ, "PGCLIENTENCODING": "UTF8"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, (commands, done.stderr)
    return done.stdout.strip()


@dataclass
class Import:
    """The Job's container as a process. `said` is its log."""

    source: Container
    target: Container
    folder: Path
    databases: tuple[str, ...] = ()
    roles: bool = True
    password: str = PASSWORD
    user: str = "postgres"
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("scratch", "own", "source", "secret"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "secret" / "POSTGRES_PASSWORD").write_text(PASSWORD)
        self.login(self.user, self.password)

    def login(self, user: str, password: str) -> None:
        (self.folder / "source" / "username").write_text(f"{user}\n")
        (self.folder / "source" / "password").write_text(password)

    @property
    def said(self) -> str:
        return (self.folder / "log").read_text()

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start it; it is killed with all its children at the end."""
        environment = {
            "PATH": os.environ["PATH"],
            "HAPG_BIN": str(BIN),
            "HAPG_MAJOR": "15",
            "HAPG_SOURCE_HOST": self.source.host,
            "HAPG_SOURCE_PORT": str(self.source.port),
            "HAPG_SOURCE_DATABASE": "postgres",
            "HAPG_SOURCE_SSLMODE": "prefer",
            "HAPG_TARGET_HOST": "127.0.0.1",
            "HAPG_TARGET_PORT": str(self.target.port),
            "HAPG_DATABASES": "\n".join(self.databases),
            "HAPG_ROLES": "true" if self.roles else "false",
            "HAPG_JOBS": "2",
            "HAPG_SCRATCH": str(self.folder / "scratch"),
            "HAPG_OWN": str(self.folder / "own"),
            "HAPG_SOURCE_SECRET": str(self.folder / "source"),
            "HAPG_TARGET_SECRET": str(self.folder / "secret"),
            "HAPG_TERMINATION_LOG": str(self.folder / "termination-log"),
            "HAPG_PAUSE_SECONDS": "1",
            "HAPG_PROGRESS_SECONDS": "1",
            **self.environment,
        }
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(["bash", str(SCRIPT)], env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def done(self) -> None:
        """Run it to its end."""
        with self.running() as process:
            wait_for(lambda: process.poll() is not None, "the import ends", LIMIT)
        assert process.returncode == 0, self.said

    def told(self, sentence: str) -> None:
        """Run it until it says why it can't succeed."""
        with self.running():
            wait_for(lambda: f"import: error: {sentence}" in self.said, sentence, LIMIT, lambda: self.said)


@pytest.fixture
def folder(make: Make, primary: Container) -> Path:
    return primary.run.parent.parent / "import"


def begin(make: Make, templates: Callable[[str], Path], major: str, *settings: str) -> Container:
    """A server of another release, of a major, with roles and an empty database. settings: lines of postgresql.conf."""
    container = make("source-0", major=major)
    with (container.config / "postgresql.conf").open("a") as conf:
        conf.writelines(f"{line}\n" for line in settings)
    container.take_data_of(templates(major))
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    container.sql(*ROLES)
    container.sql("create database app owner owner", "comment on database app is 'the app''s own'")
    container.sql("alter database app set work_mem = '7MB'")
    return container


def server(make: Make, templates: Callable[[str], Path], major: str) -> Container:
    """The same with tables, and with another database."""
    container = begin(make, templates, major)
    psql(container, "app", *APP)
    container.sql("create database \"Latin 'one\" encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
    psql(container, "Latin 'one", "create table words as select 'caf' || chr(233) as word")
    return container


@pytest.fixture
def source(make: Make, templates: Callable[[str], Path]) -> Container:
    return server(make, templates, "13")


@pytest.mark.parametrize("major", ["9.6", *(pytest.param(major, marks=pytest.mark.thorough) for major in ("12", "13"))])
def test_an_import_from_an_older_major(make: Make, templates: Callable[[str], Path], primary: Container, folder: Path, major: str) -> None:
    old = server(make, templates, major)
    old.sql("create table mine as select 1 as number")
    has_hstore = psql(old, "app", "select count(*) from pg_available_extensions where name = 'hstore'") == "1"
    if has_hstore:
        psql(old, "app", "create extension hstore", "create table pairs as select 'a=>1'::hstore as pair")
    work = Import(old, primary, folder)
    work.done()
    for statement in CHECK:
        assert psql(primary, "app", statement) == psql(old, "app", statement)
    if has_hstore:
        assert psql(primary, "app", "select pair -> 'a' from pairs") == "1"
    assert psql(primary, "Latin 'one", "select word from words", "show server_encoding").split() == ["café", "LATIN1"]
    assert primary.sql("select number from mine") == "1"
    assert primary.sql("select pg_get_userbyid(datdba) from pg_database where datname = 'app'") == "owner"
    assert primary.sql("select rolconnlimit from pg_roles where rolname = 'odd \"name'") == "3"
    assert primary.sql("select pg_has_role('member', 'reader', 'usage')") == "t"
    assert primary.sql("select rolconfig from pg_roles where rolname = 'owner'") == "{work_mem=8MB}"
    hashes = [each.sql("select rolpassword from pg_authid where rolname = 'owner'") for each in (old, primary)]
    assert hashes[0] == hashes[1]
    assert psql(primary, "app", "show work_mem") == "7MB"
    assert primary.sql("select shobj_description(oid, 'pg_database') from pg_database where datname = 'app'") == "the app's own"
    assert primary.sql(UNFINISHED) == "0"
    own = "select rolpassword from pg_authid where rolname = 'postgres'"
    assert primary.sql(own) != old.sql(own), "the release's own superuser is left as it is"
    if major == "9.6":
        assert "WARNING: these roles have MD5 passwords, which are refused here until they get new ones: owner" in work.said
    assert PASSWORD not in work.said
    assert "SCRAM" not in work.said
    assert "SCRAM" not in primary.log.read_text()
    work.done()
    assert "app: was imported before" in work.said


@pytest.mark.thorough
def test_an_import_of_some_databases_without_roles_belongs_to_postgres(source: Container, primary: Container, folder: Path) -> None:
    Import(source, primary, folder, databases=("app",), roles=False).done()
    assert psql(primary, "app", CHECK[0]) == psql(source, "app", CHECK[0])
    assert psql(primary, "app", "select pg_get_userbyid(relowner) from pg_class where relname = 'rows'") == "postgres"
    assert primary.sql("select count(*) from pg_roles where rolname in ('owner', 'reader')") == "0"
    assert primary.sql("select count(*) from pg_database where datname like 'Latin%'") == "0"


@pytest.mark.thorough
def test_an_import_fills_a_database_that_is_empty(source: Container, primary: Container, folder: Path) -> None:
    primary.sql("create database app")
    Import(source, primary, folder, databases=("app",)).done()
    assert psql(primary, "app", CHECK[0]) == psql(source, "app", CHECK[0])


def test_an_import_refuses_a_database_that_is_not_empty_before_it_changes_anything(
    source: Container, primary: Container, folder: Path
) -> None:
    primary.sql("create database app")
    psql(primary, "app", "create table mine as select 1")
    work = Import(source, primary, folder)
    work.told("database app of the release is not empty, and nothing is overwritten: drop it, or leave it out of import.databases")
    assert primary.sql("select count(*) from pg_database") == "4"
    assert primary.sql("select count(*) from pg_roles where rolname = 'owner'") == "0"
    assert psql(primary, "app", "select count(*) from mine") == "1"
    with work.running() as process:
        primary.sql("drop database app")
        wait_for(lambda: process.poll() is not None, "the next attempt succeeds", LIMIT)
    assert process.returncode == 0, work.said


def test_an_import_that_is_killed_anywhere_is_run_again(source: Container, primary: Container, folder: Path) -> None:
    psql(source, "app", "create table large as select repeat(md5(i::text), 20) as what from generate_series(1, 100000) as i")
    work = Import(source, primary, folder)
    for word in ("dumping", "restoring"):
        with work.running():
            wait_for(lambda word=word: f"app: {word}" in work.said, word, LIMIT, lambda: work.said)  # type: ignore[misc]
            time.sleep(0.3)
        assert primary.sql("select count(*) from pg_database where datname = 'app'") == "0"
    assert primary.sql(UNFINISHED) == "1"
    work.done()
    assert "dropping what an interrupted attempt has left" in work.said
    assert primary.sql(UNFINISHED) == "0"
    assert psql(primary, "app", "select count(*) from large") == "100000"


def test_an_import_goes_on_after_a_wrong_password_is_corrected(source: Container, primary: Container, folder: Path) -> None:
    work = Import(source, primary, folder, databases=("app",), password="wrong")
    with work.running() as process:
        reason = f"the source 127.0.0.1:{source.port} can't be queried as postgres: "
        wait_for(lambda: reason in work.said, reason, LIMIT)
        assert 'password authentication failed for user "postgres"' in work.said
        work.login("postgres", PASSWORD)
        wait_for(lambda: process.poll() is not None, "the next attempt succeeds", LIMIT)
    assert process.returncode == 0, work.said
    assert "password authentication failed" in (folder / "termination-log").read_text()


@pytest.mark.thorough
def test_an_import_by_a_role_that_may_not_read_passwords(source: Container, primary: Container, folder: Path) -> None:
    source.sql("create role mover login password 'mover'")
    psql(source, "app", "grant usage on schema kept to mover", "grant select on all tables in schema kept to mover")
    psql(source, "app", "grant select on all sequences in schema kept to mover", "select lo_unlink(4711)")
    work = Import(source, primary, folder, databases=("app",), user="mover", password="mover")
    work.done()
    assert "WARNING: mover may not read the passwords of the source's roles; new roles have none" in work.said
    assert psql(primary, "app", CHECK[0]) == psql(source, "app", CHECK[0])


@pytest.mark.thorough
def test_an_import_of_a_database_that_is_not_there_says_which_are(source: Container, primary: Container, folder: Path) -> None:
    work = Import(source, primary, folder, databases=("nobody",))
    work.told(f"the source 127.0.0.1:{source.port} has no database nobody that postgres may connect to; it has Latin 'one app postgres")


@pytest.mark.thorough
def test_an_import_of_an_extension_that_the_image_lacks_says_so(source: Container, primary: Container, folder: Path) -> None:
    extensions = next(source.bin.parent.rglob("plpgsql.control")).parent
    (extensions / "rare.control").write_text("default_version = '1'\n")
    (extensions / "rare--1.sql").write_text("select 1;\n")
    psql(source, "app", "create extension rare")
    work = Import(source, primary, folder, databases=("app",))
    work.told(
        f"the source 127.0.0.1:{source.port} can't be imported as postgres: app: extensions that the release's image does not have "
        "(drop them there, or set an image with them): rare; next attempt"
    )
    assert "dumping" not in work.said
    assert primary.sql("select count(*) from pg_database where datname = 'app'") == "0"


def test_an_import_from_an_ipv6_address(make: Make, templates: Callable[[str], Path], primary: Container, folder: Path) -> None:
    needs_ipv6()
    source = begin(make, templates, "15", "listen_addresses = '::1'")
    source.listen_on_ipv6()
    source.sql("select pg_reload_conf()")
    work = Import(source, primary, folder, databases=("app",))
    work.done()
    assert f"done: 1 databases of [::1]:{source.port}" in work.said


def test_an_import_without_its_secret_says_so(source: Container, primary: Container, folder: Path) -> None:
    work = Import(source, primary, folder)
    (folder / "source" / "password").unlink()
    work.told("the source's Secret, or its entry password, does not exist (yet): create it")


def test_an_import_from_a_newer_major_is_refused(source: Container, primary: Container, folder: Path) -> None:
    work = Import(source, primary, folder, environment={"HAPG_MAJOR": "12"})
    work.told(f"the source 127.0.0.1:{source.port} has PostgreSQL 13, which is newer than the release's 12: ")


@pytest.mark.thorough
def test_an_import_waits_for_the_primary(source: Container, primary: Container, folder: Path) -> None:
    primary.ok("stop", "fast")
    work = Import(source, primary, folder, databases=("app",))
    with work.running() as process:
        wait_for(lambda: "import: waiting for the primary of 127.0.0.1" in work.said, "it waits", LIMIT)
        primary.ok("start", "hot")
        primary.promote(3, 2)
        wait_for(lambda: process.poll() is not None, "it goes on", LIMIT)
    assert process.returncode == 0, work.said
    assert psql(primary, "app", CHECK[0]) == psql(source, "app", CHECK[0])


@pytest.mark.thorough
def test_a_second_import_at_a_time_waits(source: Container, primary: Container, folder: Path) -> None:
    holder = subprocess.Popen([*primary.psql("select pg_advisory_lock(7310478820126523)", "select pg_sleep(3)")], stdout=subprocess.DEVNULL)
    wait_for(lambda: primary.sql("select count(*) from pg_locks where locktype = 'advisory'") == "1", "the lock is taken")
    work = Import(source, primary, folder, databases=("app",))
    with work.running() as process:
        wait_for(lambda: "another import into this release is running" in work.said, "it is refused", LIMIT)
        wait_for(lambda: process.poll() is not None, "the next attempt succeeds", LIMIT)
    holder.wait()
    assert process.returncode == 0, work.said


def test_an_import_ends_at_once_when_it_is_told_to(source: Container, primary: Container, folder: Path) -> None:
    """As a Job that is deleted does."""
    work = Import(source, primary, folder, databases=("app",), password="wrong", environment={"HAPG_PAUSE_SECONDS": "60"})
    with work.running() as process:
        wait_for(lambda: "next attempt in 60 s" in work.said, "it pauses", LIMIT)
        process.terminate()
        assert process.wait(5) == 143
