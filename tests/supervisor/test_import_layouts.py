"""An import from servers laid out as Bitnami's chart and CloudNativePG lay out theirs: their roles, rights, pg_hba.conf, encryption and
databases, with real servers. The images themselves are not used.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.paths import REPOSITORY
from tests.robustness.certificates import Authority

from .conftest import Make
from .harness import BIN, Container, chown
from .test_import import UNFINISHED, Import, psql
from .test_import_logical import LEFT, PUBLICATIONS, Logical

thorough = pytest.mark.thorough
ADMIN, APP, REPLICATION = "admin's \\ password", 'app\'s \\ "password": $1', "replication's"
TABLES = (
    "create table orders (id serial primary key, what text not null, at timestamptz default now())",
    "insert into orders (what) select md5(i::text) from generate_series(1, 3000) as i",
    "create table items (id int generated always as identity primary key, of int references orders, what jsonb)",
    "insert into items (of, what) select i, jsonb_build_object('n', i) from generate_series(1, 1000) as i",
    "create schema audit",
    "create table audit.events (day int, what text, primary key (day, what)) partition by range (day)",
    "create table audit.events_1 partition of audit.events for values from (0) to (100)",
    "insert into audit.events select i % 100, i::text from generate_series(1, 500) as i",
    "create view recent as select * from orders where id > 2990",
    "create function total() returns bigint language sql security definer set search_path = public as 'select count(*) from orders'",
    "revoke all on function total() from public",
    "grant select on orders, recent to reader",
    "grant usage on schema audit to reader",
    "grant execute on function total() to reader",
    "alter default privileges in schema audit grant select on tables to reader",
    "select setval('items_id_seq', 5000)",
)
LARGE_OBJECT = "select lo_from_bytea(4711, decode(repeat('00ff', 3000), 'hex'))"


def privileges(column: str, kind: str, owner: str) -> str:
    """An expression: privileges in an order, also where they are the default ones."""
    return f"(select string_agg(each::text, ' ' order by each::text) from unnest(coalesce({column}, acldefault({kind}, {owner}))) as each)"


RELATION = """(case relkind when 'S' then 's' else 'r' end)::"char\""""
CHECKS = (
    "select count(*) || md5(string_agg(id || what || at, ',' order by id)) from orders",
    "select count(*) || md5(string_agg(id || of::text || what::text, ',' order by id)) from items",
    "select count(*) || md5(string_agg(day || what, ',' order by day, what)) from audit.events",
    "select last_value, is_called from orders_id_seq",
    "select last_value, is_called from items_id_seq",
    f"""select relname, pg_get_userbyid(relowner), {privileges("relacl", RELATION, "relowner")} from pg_class
        where relnamespace::regnamespace::text in ('public', 'audit') and relkind in ('r', 'p', 'S', 'v') order by relname""",
    f"""select nspname, pg_get_userbyid(nspowner), {privileges("nspacl", "'n'", "nspowner")} from pg_namespace
        where nspname in ('public', 'audit') order by 1""",
    f"""select proname, prosecdef, pg_get_userbyid(proowner), {privileges("proacl", "'f'", "proowner")} from pg_proc
        where pronamespace = 'public'::regnamespace and oid >= 16384 order by proname""",
    "select pg_get_userbyid(defaclrole), defaclacl from pg_default_acl",
    f"""select pg_get_userbyid(datdba), {privileges("datacl", "'d'", "datdba")}, datcollate, datctype, pg_encoding_to_char(encoding)
        from pg_database where datname = current_database()""",
    "select extname from pg_extension order by 1",
)
ROLES = """select rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolcanlogin, rolinherit, rolconnlimit,
    (select string_agg(roleid::regrole::text, ' ') from pg_auth_members where member = r.oid) from pg_roles as r
    where rolname !~ '^pg_' and rolname not in ('postgres', 'ha_postgres_replication') order by rolname"""
BITNAMI_CONF = """
wal_level = replica
max_wal_size = 400MB
max_wal_senders = 16
hot_standby = on
client_min_messages = error
pgaudit.log_catalog = 'off'
password_encryption = {}
"""
BITNAMI_HBA = """
local all all trust
host all all 0.0.0.0/0 md5
host all all ::/0 md5
host replication all 0.0.0.0/0 md5
"""
CLOUDNATIVEPG_CONF = """
wal_level = logical
wal_log_hints = on
max_replication_slots = 32
max_worker_processes = 32
max_parallel_workers = 32
wal_sender_timeout = 5s
cnpg.config_sha256 = '00'
ssl = on
ssl_ca_file = '{folder}/ca.crt'
ssl_cert_file = '{folder}/tls.crt'
ssl_key_file = '{folder}/tls.key'
"""
CLOUDNATIVEPG_HBA = """
local all all trust
hostssl postgres streaming_replica all cert
hostssl replication streaming_replica all cert
hostssl all cnpg_pooler_pgbouncer all cert
host all all all scram-sha-256
"""
USER_SEARCH = (
    "create or replace function public.user_search(uname text) returns table (usename name, passwd text) language sql security definer as "
    "'select usename, passwd from pg_catalog.pg_shadow where usename=$1;'",
    "revoke all on function public.user_search(text) from public",
    "grant execute on function public.user_search(text) to cnpg_pooler_pgbouncer",
)


def started(container: Container, data: Path) -> Container:
    container.take_data_of(data)
    container.start()
    container.ok("start", "hot")
    container.promote(2, 1)
    return container


def literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def locales(folder: Path, *names: str) -> dict[str, str]:
    """An environment in which a server has locales of these names, as an image has."""
    for name in names:
        shutil.copytree("/usr/lib/locale/C.utf8", folder / name.replace("UTF-8", "utf8"), dirs_exist_ok=True)
    chown(folder)
    return {"LOCPATH": str(folder)}


@pytest.fixture
def release(make: Make, templates: Callable[[str], Path], folder: Path) -> Container:
    """A release whose image has en_US.UTF-8, as the official one."""
    return started(make("pod-0", **locales(folder / "locales", "en_US.UTF-8")), templates("15"))


@pytest.fixture
def folder(make: Make) -> Path:
    return make("unused").run.parent.parent / "import"


@pytest.fixture
def bitnami(make: Make, templates: Callable[[str], Path], folder: Path) -> Callable[..., Container]:
    """A primary of Bitnami's chart with auth.username shop and auth.database shop, of a replicated release."""

    def bitnami(major: str = "15", encryption: str = "'scram-sha-256'", locale: str = "en_US.UTF-8") -> Container:
        container = make("source-0", major=major, **locales(folder / "source-locales", locale))
        with (container.config / "postgresql.conf").open("a") as conf:
            conf.write(BITNAMI_CONF.format(encryption))
        (container.config / "pg_hba.conf").write_text(BITNAMI_HBA)
        started(container, templates(major))
        container.sql(
            f"create database shop template template0 encoding 'UTF8' lc_collate '{locale}' lc_ctype '{locale}'",
            f"alter role postgres with password {literal(ADMIN)}",
            f"create role shop with login createdb password {literal(APP)}",
            "grant all privileges on database shop to shop",
            "alter database shop owner to shop",
            f"create role repl_user replication login encrypted password {literal(REPLICATION)}",
            "create role reader",
        )
        psql(container, "shop", "alter schema public owner to shop")
        psql(container, "shop", *TABLES, LARGE_OBJECT, user="shop")
        return container

    return bitnami


@pytest.fixture
def cloudnativepg(make: Make, templates: Callable[[str], Path], tmp_path: Path) -> Container:
    """The primary of a cluster of CloudNativePG with a pooler, and pg_stat_statements, which the operator creates everywhere."""
    container = make("source-0")
    secret = Authority(tmp_path, "cluster-ca").secret("cluster-server", "localhost")
    assert isinstance(secret["data"], dict)
    for name, text in secret["data"].items():
        (container.config / name).write_bytes(base64.b64decode(text))
        (container.config / name).chmod(0o600)
    chown(container.config)
    with (container.config / "postgresql.conf").open("a") as conf:
        conf.write(CLOUDNATIVEPG_CONF.format(folder=container.config))
    (container.config / "pg_hba.conf").write_text(CLOUDNATIVEPG_HBA)
    started(container, templates("15"))
    container.sql(
        "create role streaming_replica with replication login",
        "create role app login",
        "create database app owner app template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'",
        f"alter role app password {literal(APP)}",
        "alter role postgres password null",
        "create role cnpg_pooler_pgbouncer with login",
        "create role cnpg_metrics_exporter login",
        "grant pg_monitor to cnpg_metrics_exporter",
        "create role reader",
    )
    for database in ("postgres", "app"):
        container.sql(f"grant connect on database {database} to cnpg_pooler_pgbouncer")
        psql(container, database, *USER_SEARCH, "create extension pg_stat_statements")
    psql(container, "app", *TABLES, "create publication changes for table orders", user="app")
    psql(container, "app", "create subscription other connection 'host=nowhere' publication p with (connect = false, slot_name = none)")
    return container


def alike(source: Container, release: Container, database: str) -> None:
    """Rows, sequences, owners, privileges, extensions and the database's properties are those of the source."""
    for statement in CHECKS:
        assert psql(release, database, statement) == psql(source, database, statement), statement


def logs_in(container: Container, user: str, password: str, database: str) -> bool:
    """Does the server admit a client with this password, as a client of the Service?"""
    words = [str(BIN / "psql"), "-XAtw", "-h", "127.0.0.1", "-p", str(container.port), "-U", user, "-d", database, "-c", "select 1"]
    return subprocess.run(words, env={**os.environ, "PGPASSWORD": password}, capture_output=True, check=False, timeout=30).returncode == 0


def tidied(release: Container) -> None:
    """Nothing of CloudNativePG's own is left after what the page says to run."""
    page = (REPOSITORY / "docs" / "operations.md").read_text()
    (statements,) = [text for text in re.findall(r"```sql\n(.*?)```", page, re.DOTALL) if "cnpg_" in text]
    psql(release, "app", statements)
    assert release.sql("select count(*) from pg_roles where rolname ~ '^cnpg_|^streaming_replica$'") == "0"
    assert psql(release, "app", "select count(*) from pg_proc where proname = 'user_search'") == "0"


def secrets_are_kept(work: Import, *containers: Container) -> None:
    for text in (work.said, *(each.log.read_text() for each in containers)):
        for secret in (ADMIN, APP, REPLICATION, "SCRAM-SHA-256$", "PASSWORD 'md5"):
            assert secret not in text


# ---- Bitnami ----


def test_an_import_from_bitnami_as_postgres(bitnami: Callable[..., Container], release: Container, folder: Path) -> None:
    source = bitnami()
    work = Import(source, release, folder, password=ADMIN)
    work.done()
    alike(source, release, "shop")
    assert psql(release, "shop", "select md5(lo_get(4711))") == psql(source, "shop", "select md5(lo_get(4711))")
    assert release.sql(ROLES) == source.sql(ROLES)
    assert logs_in(release, "shop", APP, "shop")
    assert logs_in(release, "repl_user", REPLICATION, "shop")
    assert not logs_in(release, "postgres", ADMIN, "shop"), "the release's own superuser keeps its password"
    assert "WARNING" not in work.said
    secrets_are_kept(work, release)
    release.sql("drop role repl_user")


@thorough
@pytest.mark.parametrize("major", ["13", "12"])
def test_an_import_from_an_older_bitnami_as_postgres_names_the_roles_with_md5_passwords(
    bitnami: Callable[..., Container], release: Container, folder: Path, major: str
) -> None:
    source = bitnami(major, "md5")
    work = Import(source, release, folder, password=ADMIN)
    work.done()
    alike(source, release, "shop")
    sentence = "import: WARNING: these roles have MD5 passwords, which are refused here until they get new ones: "
    assert f"{sentence}shop, repl_user\n" in work.said or f"{sentence}repl_user, shop\n" in work.said
    assert not logs_in(release, "shop", APP, "shop")
    release.sql(f"alter role shop password {literal(APP)}")
    assert logs_in(release, "shop", APP, "shop")
    secrets_are_kept(work, release)


@thorough
@pytest.mark.parametrize(("major", "encryption"), [("15", "'scram-sha-256'"), ("13", "md5")])
def test_an_import_from_bitnami_as_its_custom_user_gives_that_user_its_password(
    bitnami: Callable[..., Container], release: Container, folder: Path, major: str, encryption: str
) -> None:
    """Only a superuser can read passwords, but the Secret has this one."""
    source = bitnami(major, encryption)
    work = Import(source, release, folder, user="shop", password=APP)
    work.done()
    alike(source, release, "shop")
    assert release.sql(ROLES) == source.sql(ROLES)
    assert psql(release, "shop", "select md5(lo_get(4711))") == psql(source, "shop", "select md5(lo_get(4711))")
    assert logs_in(release, "shop", APP, "shop")
    assert release.sql("select rolname from pg_authid where rolcanlogin and rolpassword is null") == "repl_user"
    assert "WARNING: shop may not read the passwords of the source's roles; new roles have none" in work.said
    assert "import: role shop has the password of the source's Secret\n" in work.said
    assert "MD5" not in work.said
    secrets_are_kept(work, release)


@thorough
def test_an_import_leaves_the_password_of_a_role_that_the_release_has(
    bitnami: Callable[..., Container], release: Container, folder: Path
) -> None:
    source = bitnami()
    release.sql("create role shop login password 'its own'")
    work = Import(source, release, folder, user="shop", password=APP)
    work.done()
    assert logs_in(release, "shop", "its own", "shop")
    assert "has the password of the source's Secret" not in work.said


@thorough
def test_an_import_from_bitnami_by_logical_replication_says_what_the_chart_has_to_set(
    bitnami: Callable[..., Container], release: Container, folder: Path
) -> None:
    source = bitnami()
    work = Logical(source, release, folder, password=ADMIN)
    work.told(
        f"the source 127.0.0.1:{source.port} is not ready for logical replication: its wal_level is replica and has to be logical, which "
        "takes a restart; shop: large objects, which are not replicated: 1; next attempt"
    )
    custom = Logical(source, release, folder / "custom", user="shop", password=APP)
    custom.told(f"the source 127.0.0.1:{source.port} is not ready for logical replication: its wal_level is replica and has to be logical,")
    assert "; shop may not replicate (ALTER ROLE … REPLICATION): " in custom.said
    source.sql("alter role shop replication", "alter system set wal_level = logical")
    psql(source, "shop", "select lo_unlink(4711)")
    source.ok("stop", "fast")
    source.ok("start", "hot")
    source.promote(3, 2)
    custom.take("finish")
    custom.done()
    alike(source, release, "shop")
    assert logs_in(release, "shop", APP, "shop")
    assert source.sql(LEFT) == psql(source, "shop", PUBLICATIONS) == "0"


@thorough
def test_an_import_of_a_locale_that_the_image_lacks_says_what_to_do_before_it_dumps(
    bitnami: Callable[..., Container], release: Container, folder: Path
) -> None:
    source = bitnami(locale="de_DE.UTF-8")
    advice = "Create an empty database shop with a locale that the release's image has: with import.method: dump it is filled"
    work = Import(source, release, folder, password=ADMIN)
    work.told(f'shop: the release: ERROR:  invalid locale name: "de_DE.UTF-8". {advice}; ')
    assert "dumping" not in work.said
    assert release.sql(UNFINISHED) == "0"
    release.sql("create database shop template template0 encoding 'UTF8' lc_collate 'en_US.UTF-8' lc_ctype 'en_US.UTF-8'")
    work.done()
    for statement in CHECKS[:5]:
        assert psql(release, "shop", statement) == psql(source, "shop", statement)


@thorough
def test_an_import_from_bitnami_that_asks_clients_for_certificates_works_without_encryption(
    bitnami: Callable[..., Container], release: Container, folder: Path, tmp_path: Path
) -> None:
    """With tls.certCAFilename the chart's image puts this line first."""
    source = bitnami()
    secret = Authority(tmp_path, "ca").secret("tls", "localhost")
    assert isinstance(secret["data"], dict)
    for name, text in secret["data"].items():
        (source.config / name).write_bytes(base64.b64decode(text))
        (source.config / name).chmod(0o600)
    files = {"ssl_ca_file": "ca.crt", "ssl_cert_file": "tls.crt", "ssl_key_file": "tls.key"}
    (source.config / "pg_hba.conf").write_text("hostssl all all 0.0.0.0/0 cert\n" + BITNAMI_HBA)
    chown(source.config)
    for name, file in files.items():
        source.sql(f"alter system set {name} = '{source.config / file}'")
    source.sql("alter system set ssl = on")
    source.sql("select pg_reload_conf()")
    work = Import(source, release, folder, password=ADMIN, environment={"HAPG_SOURCE_SSLMODE": "require"})
    work.told(f"the source 127.0.0.1:{source.port} can't be queried as postgres: ")
    assert "connection requires a valid client certificate" in work.said
    Import(source, release, folder, password=ADMIN, environment={"HAPG_SOURCE_SSLMODE": "disable"}).done()
    alike(source, release, "shop")


# ---- CloudNativePG ----


def test_an_import_from_cloudnativepg_as_app(cloudnativepg: Container, release: Container, folder: Path) -> None:
    (folder / "source").mkdir(parents=True)
    shutil.copy(cloudnativepg.config / "ca.crt", folder / "source")
    environment = {"HAPG_SOURCE_HOST": "localhost", "HAPG_SOURCE_SSLMODE": "verify-full"}
    work = Import(cloudnativepg, release, folder, user="app", password=APP, databases=("app",), environment=environment)
    work.done()
    alike(cloudnativepg, release, "app")
    assert release.sql(ROLES) == cloudnativepg.sql(ROLES)
    assert logs_in(release, "app", APP, "app")
    assert release.sql("select string_agg(rolname, ' ' order by 1) from pg_authid where rolcanlogin and rolpassword is null") == (
        "cnpg_metrics_exporter cnpg_pooler_pgbouncer streaming_replica"
    )
    assert "import: role app has the password of the source's Secret\n" in work.said
    assert psql(release, "app", "select pubname from pg_publication", "select count(*) from pg_subscription").split() == ["changes", "0"]
    secrets_are_kept(work, release)
    tidied(release)


@thorough
def test_an_import_from_cloudnativepg_without_databases_takes_what_the_operator_has_put_into_postgres(
    cloudnativepg: Container, release: Container, folder: Path
) -> None:
    work = Import(cloudnativepg, release, folder, user="app", password=APP)
    work.done()
    alike(cloudnativepg, release, "app")
    assert release.sql("select count(*) from pg_proc where proname = 'user_search'") == "1"
    assert not logs_in(release, "app", "wrong", "app")
    closed = "select has_function_privilege('app', 'public.user_search(text)', 'execute')"
    assert psql(release, "app", closed) == release.sql(closed) == "f"


@thorough
def test_an_import_from_cloudnativepg_as_postgres_needs_superuser_access(
    cloudnativepg: Container, release: Container, folder: Path
) -> None:
    work = Import(cloudnativepg, release, folder, password=ADMIN, databases=("app",))
    work.told(f"the source 127.0.0.1:{cloudnativepg.port} can't be queried as postgres: ")
    assert 'password authentication failed for user "postgres"' in work.said
    cloudnativepg.sql(f"alter role postgres password {literal(ADMIN)}")  # as enableSuperuserAccess: true does
    work.done()
    alike(cloudnativepg, release, "app")
    assert logs_in(release, "app", APP, "app")
    assert release.sql("select count(*) from pg_subscription") == "0"
    assert "has the password of the source's Secret" not in work.said
    tidied(release)


@thorough
def test_an_import_from_cloudnativepg_by_logical_replication_needs_the_replication_right(
    cloudnativepg: Container, release: Container, folder: Path
) -> None:
    work = Logical(cloudnativepg, release, folder, user="app", password=APP, databases=("app",))
    sentence = "is not ready for logical replication: app may not replicate (ALTER ROLE … REPLICATION): "
    work.told(f"the source 127.0.0.1:{cloudnativepg.port} {sentence}")
    assert work.said.count("; ") == 1, "nothing else is missing"
    assert release.sql("select count(*) from pg_roles where rolname = 'app'") == "0"
    cloudnativepg.sql("alter role app replication")
    work.follow()
    psql(cloudnativepg, "app", "insert into orders (what) values ('later')", user="app")
    work.take("finish")
    work.done()
    alike(cloudnativepg, release, "app")
    assert logs_in(release, "app", APP, "app")
    assert cloudnativepg.sql(LEFT) == psql(release, "app", PUBLICATIONS) == release.sql("select count(*) from pg_subscription") == "0"
    assert psql(cloudnativepg, "app", "select pubname from pg_publication") == "changes"
    secrets_are_kept(work, release, cloudnativepg)
    tidied(release)


EVENT_TRIGGER = (
    "create table ddl (id serial primary key, tag text)",
    "create function log_ddl() returns event_trigger language plpgsql security definer set search_path = public as "
    "'begin insert into ddl (tag) values (tg_tag); end'",
    "create event trigger log_ddl on ddl_command_end execute function log_ddl()",
    "create materialized view summary as select count(*) as orders from orders",
)


@thorough
@pytest.mark.parametrize(("method", "roles"), [("dump", True), ("dump", False), ("logical", True)])
def test_an_import_with_an_event_trigger_that_writes(
    cloudnativepg: Container, release: Container, folder: Path, method: str, roles: bool
) -> None:
    """It does not fire for what the import does in the release."""
    psql(cloudnativepg, "app", *EVENT_TRIGGER)
    cloudnativepg.sql("create role mover superuser login password 'mover'")
    logged = "select string_agg(id || tag, ',' order by id) from ddl where tag <> 'DROP PUBLICATION'"
    if method == "dump":
        work = Import(cloudnativepg, release, folder, user="mover", password="mover", databases=("app",), roles=roles)
    else:
        work = Logical(cloudnativepg, release, folder, user="mover", password="mover", databases=("app",), step="finish")
    work.done()
    assert psql(release, "app", logged) == psql(cloudnativepg, "app", logged)
    assert psql(release, "app", "select orders from summary") == "3000"
    psql(release, "app", "create table more (id int)")
    assert psql(release, "app", "select tag from ddl order by id desc limit 1") == "CREATE TABLE"


# ---- what an app's own role may not read ----


@thorough
def test_an_import_as_a_role_without_the_rights_names_what_it_may_not_read_before_it_changes_anything(
    cloudnativepg: Container, release: Container, folder: Path
) -> None:
    psql(
        cloudnativepg,
        "app",
        "create schema closed",
        "create table closed.secrets (a int)",
        'create table "Admin\'s" (id serial)',
        LARGE_OBJECT,
        "select lo_create(4712)",
        "grant select on large object 4712 to app",
        "create table own (a int)",
        "alter table own enable row level security",
        "grant select on own to app",
    )
    work = Import(cloudnativepg, release, folder, user="app", password=APP, databases=("app",))
    work.told(
        f"the source 127.0.0.1:{cloudnativepg.port} can't be imported as app: app: large objects that it may not read: 4711; "
        'app: sequences that it may not read: public."Admin\'s_id_seq"; '
        'app: tables that it may not read: closed.secrets, public."Admin\'s"; '
        "app: tables whose row security hides rows from it: public.own. "
        "Grant that to app, use a superuser, or leave the database out of import.databases; next attempt"
    )
    assert release.sql("select count(*) from pg_database", "select count(*) from pg_roles where rolname = 'app'").split() == ["3", "0"]
    psql(
        cloudnativepg,
        "app",
        "grant usage on schema closed to app",
        "grant select on all tables in schema closed, public to app",
        "grant select on all sequences in schema public to app",
        "grant select on large object 4711 to app",
        "alter table own owner to app",
    )
    work.done()
    alike(cloudnativepg, release, "app")


@thorough
@pytest.mark.parametrize("way", ["dump", "dump into an empty database", "logical"])
def test_an_import_without_roles_leaves_no_function_with_the_rights_of_postgres_to_everybody(
    cloudnativepg: Container, release: Container, folder: Path, way: str
) -> None:
    """CloudNativePG's user_search reads password hashes; without the source's privileges everybody could call it."""
    if way == "logical":
        cloudnativepg.sql("alter role app replication")
        work: Import = Logical(cloudnativepg, release, folder, user="app", password=APP, databases=("app",), roles=False, step="finish")
    else:
        work = Import(cloudnativepg, release, folder, user="app", password=APP, databases=("app",), roles=False)
        if way != "dump":
            release.sql("create database app")
    work.done()
    assert (
        "WARNING: app: these functions are SECURITY DEFINER and belong to postgres now, so only postgres may call them: public.total(), "
        "public.user_search(text)\n"
    ) in work.said or "only postgres may call them: public.user_search(text), public.total()\n" in work.said
    release.sql("create role nobody")
    for function in ("public.user_search(text)", "public.total()"):
        assert psql(release, "app", f"select has_function_privilege('nobody', '{function}', 'execute')") == "f"
    assert psql(release, "app", "select pg_get_userbyid(relowner) from pg_class where relname = 'orders'") == "postgres"
    assert psql(release, "app", CHECKS[0]) == psql(cloudnativepg, "app", CHECKS[0])
