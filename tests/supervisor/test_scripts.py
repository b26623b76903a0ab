"""Scripts for the first server: psql runs them on initdb's directory before it counts as a data directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hapg_failover.core.state.actions import Op
from hapg_failover.core.state.results import Outcome

from .conftest import Make
from .harness import DEFAULT, Container, chown, wait_for
from .test_operations import Operator

TABLE = "create table ran(at int, who text);\ninsert into ran values (1, current_user);\n"


@pytest.fixture
def prepare(make: Make) -> Callable[..., Container]:
    """Start a supervisor on an empty volume that has these scripts, by name."""

    def prepare(scripts: dict[str, str], major: str = DEFAULT, settings: str = "") -> Container:
        container = make("pod-0", major=major, HAPG_SCRIPTS=str(directory(make, scripts)))
        conf = container.config / "postgresql.conf"
        conf.write_text(conf.read_text() + settings.replace("RUN", str(container.run)))
        container.start()
        return container

    def directory(make: Make, scripts: dict[str, str]) -> Path:
        holder = make("scripts").config / "initdb"
        holder.mkdir()
        for name, text in scripts.items():
            (holder / name).write_text(text)
        chown(holder)
        return holder

    return prepare


def scripts_of(container: Container) -> Path:
    return Path(container.environment["HAPG_SCRIPTS"])


def begin(container: Container) -> None:
    """Start the initialised server and promote it."""
    container.ok("start", "hot")
    container.promote(2, 1)


def is_clean(container: Container) -> bool:
    """No directory and no process is left."""
    return not list(container.volume.glob("pgdata*")) and not container.pids()


@pytest.mark.parametrize("major", ["9.6", DEFAULT])
def test_scripts_run_once_in_order_of_name(prepare: Callable[..., Container], make: Make, major: str) -> None:
    scripts = {
        "20-insert.sql": "insert into ran values (2, current_user);\n",
        "10-table.sql": TABLE,
        "30-database.sql": "create role app;\ncreate database app owner app;\n\\connect app\ncreate table orders(id int);\n",
    }
    primary = prepare(scripts, major=major)
    primary.ok("initdb")
    assert [path.name for path in primary.volume.glob("pgdata*")] == ["pgdata"]
    assert not primary.pids()
    assert not (primary.run / "initdb").exists()
    begin(primary)
    assert primary.sql("select at, who from ran order by at").splitlines() == ["1|postgres", "2|postgres"]
    assert primary.sql("select datname from pg_database where datname = 'app'") == "app"
    replica = make("pod-1", major=major, HAPG_SCRIPTS=str(scripts_of(primary)))
    replica.start()
    replica.ok("clone", *primary.address())
    replica.ok("start", "hot")
    wait_for(lambda: replica.answers("select count(*) from ran") == "2", "the clone has what the scripts made, and no more")
    replica.promote(3, 1)
    assert replica.sql("select count(*) from ran") == "2"


def test_a_script_that_fails_leaves_nothing_and_says_why(prepare: Callable[..., Container]) -> None:
    container = prepare({"a.sql": TABLE, "b.sql": "select 1;\ninsert into nowhere values (1);\ninsert into ran values (9, 'x');\n"})
    answer = container.ask("initdb")
    said = 'exit code 1: error: script b.sql: b.sql:2: ERROR: relation "nowhere" does not exist at character 13'
    assert (answer.result, answer.text) == ("error", said)
    assert is_clean(container)
    (scripts_of(container) / "b.sql").write_text("insert into ran values (2, 'b');\n")
    container.ok("initdb")
    begin(container)
    assert container.sql("select at from ran order by at").split() == ["1", "2"]


@pytest.mark.parametrize("text", ["create role app password = 'hidden';", "create role app 'hidden';"])
def test_what_a_script_says_is_not_repeated(prepare: Callable[..., Container], text: str) -> None:
    container = prepare({"a.sql": text})
    command_id = container.tell("initdb")
    assert container.answer(command_id).text == "exit code 1: error: script a.sql: a.sql:1: ERROR: syntax error"
    assert "hidden" not in container.agent.output(command_id) + container.log.read_text()


def test_a_file_that_is_no_script_is_refused_before_anything_is_made(prepare: Callable[..., Container]) -> None:
    container = prepare({"a.sql": TABLE, "b.sh": "touch /tmp/x\n"})
    assert "b.sh is among the scripts of the first server, where only .sql files are allowed" in container.ask("initdb").text
    assert is_clean(container)


def test_a_server_that_cannot_start_says_why(prepare: Callable[..., Container]) -> None:
    container = prepare({"a.sql": TABLE}, settings="ssl = on\nssl_cert_file = '/no/certificate'\n")
    assert 'could not load server certificate file "/no/certificate"' in container.ask("initdb").text
    assert is_clean(container)


def test_the_server_of_the_scripts_is_nobody_elses(prepare: Callable[..., Container]) -> None:
    """It listens on no port and not on the server's socket, archives nothing and waits for no standby."""
    settings = "archive_mode = on\narchive_command = 'touch RUN/archived'\n"
    container = prepare({"a.sql": f"{TABLE}select pg_switch_wal();\nselect pg_sleep(1);\ncheckpoint;\n"}, settings=settings)
    (container.run / "conf/instance.conf").write_text("synchronous_standby_names = 'ANY 1 (\"-\")'\n")
    command_id = container.tell("initdb")
    wait_for(lambda: (container.run / "initdb/.s.PGSQL.5432").exists(), "the scripts run")
    assert container.answers() is None
    assert container.state == "down"
    assert container.answer(command_id).result == "ok"
    assert not (container.run / "archived").exists()


def test_a_making_that_was_cut_off_begins_anew(prepare: Callable[..., Container]) -> None:
    container = prepare({"a.sql": f"{TABLE}checkpoint;\nselect pg_sleep(60);\n"})
    command_id = container.tell("initdb")
    wait_for(lambda: (container.run / "initdb/.s.PGSQL.5432").exists(), "the scripts run")
    container.ok("kill")
    assert container.answer(command_id).result == "error"
    assert not container.pgdata.exists()
    (scripts_of(container) / "a.sql").write_text(TABLE)
    container.ok("initdb")
    begin(container)
    assert container.sql("select count(*) from ran") == "1"


def test_a_new_agent_ends_what_the_former_one_has_begun(prepare: Callable[..., Container]) -> None:
    container = prepare({"a.sql": f"{TABLE}select pg_sleep(60);\n"})
    container.tell("initdb")
    wait_for(lambda: (container.run / "initdb/.s.PGSQL.5432").exists(), "the scripts run")
    (scripts_of(container) / "a.sql").write_text(TABLE)
    operator = Operator(container, container)
    try:
        result = operator.run(Op.INITDB)
    finally:
        operator.close()
    assert (result.outcome, result.text) == (Outcome.OK, "the first server's directory is created")
    begin(container)
    assert container.sql("select count(*) from ran") == "1"
