"""The first server of a new release as a clone of a live server: `clone.from`. It is a kind of initdb, like a restore."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from hapg_failover.adapters.live_source import LiveSource
from hapg_failover.adapters.ports.sql import SourceError
from hapg_failover.settings import Source

from .conftest import Make
from .harness import PASSWORD, Container, as_server_user, chown, wait_for
from .pods import Release

ROWS = ("create table kept (id bigserial primary key, what text)", "insert into kept (what) select 'row' from generate_series(1, 1000)")
COUNT = "select count(*) from kept"
IDENTIFIER = "select system_identifier::text from pg_control_system()"
PAUSES = (0.05, 0.2, 0.4, 0.8, 1.2)


def secret(directory: Path, **entries: str) -> Path:
    """Project a Secret as kubelet does; replaces one of before."""
    directory.mkdir(exist_ok=True)
    for name, text in entries.items():
        (directory / name.replace("_", ".")).write_text(text)
    chown(directory)
    return directory


def source_of(container: Container, user: str | None = None, ssl_mode: str = "prefer") -> Source:
    return Source("127.0.0.1", container.port, ssl_mode, user)


def prepared(container: Container, live: Container, directory: Path, user: str = "postgres", password: str = PASSWORD) -> tuple[str, ...]:
    """Look at the source as the agent does; return the words of the command."""
    found = LiveSource(secret(directory, username=user, password=password), container.run, container.profile.major)
    with as_server_user():
        return found(source_of(live)).address


def is_clean(container: Container) -> bool:
    """No directory and no process is left."""
    left = [*container.volume.glob("pgdata*"), *container.run.glob("source.*"), *container.run.glob("seed")]
    return not left and not container.pids()


@pytest.fixture
def live(primary: Container) -> Container:
    """A live server with rows that knows nothing of us."""
    primary.sql(*ROWS)
    return primary


@pytest.fixture
def secrets(make: Make, live: Container) -> Path:
    """Where the source's Secret is projected."""
    return live.run.parent.parent / "source-secret"


def begin(container: Container, timeline: int) -> None:
    """Start the server as an agent does, and promote it."""
    container.ok("start", "hot")
    container.promote(timeline + 1, timeline)


@pytest.mark.parametrize("apart", [False, True])
def test_a_clone_of_a_live_server(make: Make, live: Container, secrets: Path, apart: bool) -> None:
    live.sql("create subscription sub connection 'host=nowhere' publication pub with (connect = false, slot_name = 'theirs')")
    live.sql("alter subscription sub enable", "alter system set archive_command = 'exit 1'", "alter system set port = 1")
    live.sql("select pg_create_physical_replication_slot('theirs', true)")
    container = make("new-0", apart=apart)
    (container.run / "pwfile").write_text("the new one's\n")
    container.start()
    container.ok("seed", *prepared(container, live, secrets))
    assert [path.name for path in container.volume.glob("pgdata*")] == ["pgdata"]
    assert (container.pgdata / "postgresql.auto.conf").read_text() == ""
    assert not container.pids()
    assert not list(container.run.glob("source.*")), "a superuser could read the password there"
    assert (container.pgdata / "pg_wal").is_symlink() == apart
    begin(container, 3)
    assert container.sql(COUNT) == "1000"
    assert container.sql(IDENTIFIER) == live.sql(IDENTIFIER)
    assert container.sql("select subenabled from pg_subscription") == "f"
    assert container.sql("select count(*) from pg_replication_slots") == "0"
    assert live.sql("select subenabled from pg_subscription") == "t"
    stored = "select rolpassword from pg_authid where rolname = 'postgres'"
    assert container.sql(stored) != live.sql(stored)


@pytest.mark.thorough
def test_a_clone_of_a_server_that_writes_has_all_that_was_committed_before_it(make: Make, live: Container, secrets: Path) -> None:
    ended = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not ended.is_set():
            written.append(int(live.sql("insert into kept (what) values ('later') returning id").splitlines()[0]))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    container = make("new-0")
    container.start()
    words = prepared(container, live, secrets)
    wait_for(lambda: written, "rows are written")
    before = written[-1]
    container.ok("seed", *words)
    ended.set()
    writer.join()
    begin(container, 3)
    assert before <= int(container.sql("select max(id) from kept")) <= written[-1]
    assert container.sql("select count(*) = max(id) from kept") == "t"


@pytest.mark.thorough
def test_a_clone_of_a_hot_standby(make: Make, live: Container, clone: Callable[[str, str], Container], secrets: Path) -> None:
    standby = clone("standby-0", "hot")
    wait_for(lambda: standby.answers(COUNT) == "1000", "the standby has the rows")
    container = make("new-0")
    container.start()
    container.ok("seed", *prepared(container, standby, secrets))
    begin(container, 3)
    assert container.sql(COUNT) == "1000"


@pytest.mark.parametrize("major", ["9.6", *(pytest.param(major, marks=pytest.mark.thorough) for major in ("12", "13"))])
def test_a_clone_with_every_major(make: Make, templates: Callable[[str], Path], tmp_path: Path, major: str) -> None:
    old = make("old-0", major=major)
    old.take_data_of(templates(major))
    old.start()
    old.ok("start", "hot")
    old.promote(2, 1)
    old.sql(*ROWS)
    container = make("new-0", major=major)
    container.start()
    container.ok("seed", *prepared(container, old, old.run.parent.parent / "source-secret"))
    assert not list(container.pgdata.glob("recovery.*"))
    begin(container, 3)
    assert container.sql(COUNT) == "1000"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ({"password": "wrong"}, 'password authentication failed for user "postgres"'),
        ({"user": "nobody"}, 'password authentication failed for user "nobody"'),
        ({"user": "a b"}, "has characters other than letters"),
        ({"user": "plain"}, "lets plain not replicate: ALTER ROLE plain REPLICATION"),
    ],
)
def test_a_source_that_cannot_be_cloned_is_told_in_a_sentence(
    make: Make, live: Container, secrets: Path, harm: dict[str, str], said: str
) -> None:
    live.sql(f"create role plain login password '{PASSWORD.replace(chr(39), chr(39) * 2)}'")
    container = make("new-0")
    with pytest.raises(SourceError, match=said):
        prepared(container, live, secrets, **harm)


def test_a_source_that_is_away_is_told_in_a_sentence(make: Make, live: Container, secrets: Path) -> None:
    live.ok("stop", "fast")
    with pytest.raises(SourceError, match=r"the source 127\.0\.0\.1:[0-9]+ can't be queried as postgres: .*Connection refused"):
        prepared(make("new-0"), live, secrets)


def test_a_source_of_another_major_is_refused(make: Make, live: Container, secrets: Path) -> None:
    with pytest.raises(SourceError, match="has PostgreSQL 15, this is the chart of PostgreSQL 13: a clone needs the same major"):
        prepared(make("new-0", major="13"), live, secrets)


def test_a_source_with_a_tablespace_is_refused(make: Make, live: Container, secrets: Path) -> None:
    live.sql("set allow_in_place_tablespaces = on", "create tablespace fast location ''")
    with pytest.raises(SourceError, match="has tablespaces, which are not supported: move everything in fast to pg_default and drop them"):
        prepared(make("new-0"), live, secrets)


def test_a_source_without_its_secret_is_told_in_a_sentence(make: Make, live: Container, secrets: Path) -> None:
    container = make("new-0")
    with pytest.raises(SourceError, match="the source's Secret, or its entry password, does not exist"), as_server_user():
        LiveSource(secrets, container.run, "15")(source_of(live, "postgres"))


def test_a_certificate_is_verified(make: Make, live: Container, secrets: Path) -> None:
    secret(secrets, username="postgres", password=PASSWORD)
    container = make("new-0")
    found = LiveSource(secrets, container.run, "15")
    with pytest.raises(SourceError, match=r"entry ca\.crt, does not exist"), as_server_user():
        found(source_of(live, ssl_mode="verify-full"))
    secret(secrets, ca_crt="no certificate")
    with pytest.raises(SourceError, match=r"can't be queried as postgres: .*(certificate|SSL)"), as_server_user():
        found(source_of(live, ssl_mode="verify-full"))


def test_a_clone_that_is_killed_anywhere_leaves_nothing_that_counts(make: Make, live: Container, secrets: Path) -> None:
    container = make("new-0", apart=True)
    container.start()
    words = prepared(container, live, secrets)
    container.kill_at(PAUSES, "seed", *words)
    begin(container, 3)
    assert container.sql(COUNT) == "1000"
    assert container.wal_volume is not None
    assert len(list(container.wal_volume.glob("wal.*"))) == 1


def test_a_source_that_dies_in_the_middle_leaves_nothing_and_the_next_attempt_succeeds(make: Make, live: Container, secrets: Path) -> None:
    live.sql("create table large as select repeat(md5(i::text), 50) from generate_series(1, 60000) as i")
    container = make("new-0")
    container.start()
    words = prepared(container, live, secrets)
    command_id = container.tell("seed", *words)
    wait_for(lambda: (container.volume / "pgdata.new" / "base").exists(), "the copy has begun")
    live.ok("stop", "immediate")
    answer = container.answer(command_id)
    assert (answer.result, "error:" in answer.text) == ("error", True), answer
    assert is_clean(container)
    live.ok("start", "hot")
    live.promote(3, 2)
    container.ok("seed", *prepared(container, live, secrets))


def test_a_clone_is_refused_where_there_is_data_and_its_words_are_checked(make: Make, live: Container, secrets: Path) -> None:
    container = make("new-0")
    container.start()
    words = prepared(container, live, secrets)
    for bad in (("bad;host", *words[1:]), (*words[:2], "user;", words[3]), (*words[:3], "never")):
        assert container.ask("seed", *bad).result in ("refused", "error")
    container.ok("initdb")
    answer = container.ask("seed", *words)
    assert (answer.result, answer.text) == ("refused", "a server directory exists")


def test_a_copy_that_cannot_be_entered_is_told_and_does_not_wait_forever(make: Make, live: Container, secrets: Path) -> None:
    container = make("new-0")
    container.start()
    live.sql("create role other superuser login password 'other'")
    words = prepared(container, live, secrets, "other", "other")
    live.sql("alter role postgres nologin")
    answer = container.ask("seed", *words)
    assert (answer.result, 'the copy can\'t be entered as postgres: role "postgres" is not permitted to log in' in answer.text) == (
        "error",
        True,
    )
    assert is_clean(container)
    with pytest.raises(SourceError, match="has no role postgres that is a superuser and may log in"):
        prepared(container, live, secrets, "other", "other")


@pytest.mark.slow
def test_a_release_is_cloned_from_a_live_server_and_its_other_pods_from_it(make: Make, live: Container, secrets: Path) -> None:
    release = Release(make, replicas=2, source=source_of(live))
    release.source_secret = secret(secrets, username="postgres", password="wrong")
    release.start()
    try:
        release.wait(lambda: [each for each in release.cluster.events if each[1] == "CloneFailed"], "the clone fails", 120)
        assert "password authentication failed" in str(release.cluster.events)
        shown = "password authentication failed"
        release.wait(
            lambda: any(shown in (pod.uncreated or "") for pod in release.cluster.client().list_pods(1.0)), "its pod shows the reason"
        )
        assert not (release.pods[0].container.volume / "pgdata").exists()
        secret(secrets, password=PASSWORD)
        release.wait(release.is_whole, "the release is cloned and whole", 180)
        primary = release.primary
        assert primary is not None
        assert primary.container.sql(COUNT) == "1000"
        assert [each[1] for each in release.cluster.events if each[1] in ("InitdbFailed", "Cloned")] == ["Cloned"]
        assert release.lease.timeline <= release.lease.term
        release.wait(lambda: not any(pod.uncreated for pod in release.cluster.client().list_pods(1.0)), "the reason is gone")
        primary.container.sql("insert into kept (what) values ('new')")
        assert live.sql(COUNT) == "1000"
    finally:
        release.stop()
