"""The value `app`: what the Secret holds, what a primary creates and changes, what it leaves alone, and when it looks."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from hapg_failover import container
from hapg_failover.adapters.ports.kubernetes import ApiUnavailable
from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.app_database import FILE, AppKeeper, prepare_secret
from hapg_failover.credentials import scram
from hapg_failover.credentials.app import App, drift, entries, first, plan
from hapg_failover.credentials.roles import Role
from hapg_protocol.version_profile import VersionProfile
from tests.fakes.kube import FakeCluster, FakeKube

from .test_settings import changed

APP = App("orders", "shop", "db-app", True, "db.demo", 5432, "db-readonly.demo")
NAMED = dataclasses.replace(APP, secret="theirs", makes_secret=False)
SALT = b"0123456789abcdef"
SPECIAL = "a'b\"c$d%e\\f:g#h{i}j k`l&m;n|o<p>q!r@s/t?u=v+w é"


def owner(of: str = "secret", login: bool = True, superuser: bool = False) -> Role:
    return Role("shop", scram.scram(of, SALT), login, False, superuser)


def test_the_entries_are_those_that_applications_know() -> None:
    assert entries(APP, "secret", hot=False) == {
        "host": "db.demo",
        "port": "5432",
        "dbname": "orders",
        "user": "shop",
        "username": "shop",
        "uri": "postgresql://shop:secret@db.demo:5432/orders",
        "jdbc-uri": "jdbc:postgresql://db.demo:5432/orders?password=secret&user=shop",
        "pgpass": "db.demo:5432:orders:shop:secret\n",
        "ro-uri": None,
    }
    assert entries(APP, "secret", hot=True)["ro-uri"] == "postgresql://shop:secret@db-readonly.demo:5432/orders"


def test_whatever_a_password_holds_a_uri_gives_it_back() -> None:
    found = entries(dataclasses.replace(APP, owner="shop-1.x"), SPECIAL, hot=True)
    for key in ("uri", "ro-uri"):
        uri = urlsplit(found[key] or "")
        assert (uri.scheme, uri.port, uri.path) == ("postgresql", 5432, "/orders")
        assert (unquote(uri.username or ""), unquote(uri.password or "")) == ("shop-1.x", SPECIAL)
    query = parse_qs(urlsplit((found["jdbc-uri"] or "").removeprefix("jdbc:")).query)
    assert query == {"user": ["shop-1.x"], "password": [SPECIAL]}
    assert found["pgpass"] == "db.demo:5432:orders:shop-1.x:" + SPECIAL.replace("\\", "\\\\").replace(":", "\\:") + "\n"


def test_a_new_server_gets_role_and_database_with_quoted_names_and_no_password() -> None:
    statements = first(dataclasses.replace(APP, owner="Shop-1", database='a"b'), SPECIAL, "scram-sha-256", SALT)
    assert statements == (
        f"CREATE ROLE \"Shop-1\" LOGIN PASSWORD '{scram.scram(SPECIAL, SALT)}'",
        'CREATE DATABASE "a""b" OWNER "Shop-1"',
    )


@pytest.mark.parametrize(
    ("role", "database_owner", "begins"),
    [
        (None, None, ['CREATE ROLE "shop" LOGIN', 'CREATE DATABASE "orders" OWNER "shop"']),
        (owner(), None, ['CREATE DATABASE "orders" OWNER "shop"']),
        (owner(), "shop", []),
        (owner("other"), "shop", ['ALTER ROLE "shop"']),
        (None, "postgres", ['CREATE ROLE "shop" LOGIN']),
        (owner(login=False, superuser=True), "postgres", []),
    ],
    ids=["nothing", "role", "both", "another password", "another owner", "other attributes"],
)
def test_what_is_missing_is_created_and_only_the_password_is_changed(
    role: Role | None, database_owner: str | None, begins: list[str]
) -> None:
    changes = plan(APP, role, database_owner, "secret", "scram-sha-256", SALT)
    statements = [statement for change in changes for statement in change.statements]
    assert [statement.split(" PASSWORD")[0] for statement in statements] == begins
    assert "secret" not in "".join(statements)


def test_before_scram_the_password_is_a_hash() -> None:
    stored = scram.md5("secret", "shop")
    assert first(APP, "secret", "md5", SALT)[0].endswith(f"PASSWORD '{stored}'")
    assert plan(APP, Role("shop", stored, True, False, False), "shop", "secret", "md5", SALT) == ()


@pytest.mark.parametrize(
    ("role", "database_owner", "sentence"),
    [
        (None, None, ""),
        (owner("other"), "shop", ""),
        (owner(), "postgres", "the database orders belongs to postgres, not to shop"),
        (owner(login=False), "shop", "the role shop may not log in"),
        (owner(superuser=True), "else", "the database orders belongs to else, not to shop; the role shop is a superuser"),
    ],
)
def test_what_differs_is_told(role: Role | None, database_owner: str | None, sentence: str) -> None:
    assert drift(APP, role, database_owner) == sentence


class Pod:
    """A keeper with its files, a server that does what it is told, and the API."""

    def __init__(self, base: Path) -> None:
        self.projected, self.run = base / "projected", base / "run"
        self.projected.mkdir()
        self.run.mkdir()
        self.cluster = FakeCluster()
        self.kube = FakeKube(self.cluster)
        self.settings: Any = SimpleNamespace(app=APP, standby_mode="warm", profile=VersionProfile(major="15"))
        self.term: int | None = None
        self.now = 0.0
        self.role: Role | None = None
        self.database_owner: str | None = None
        self.statements: list[str] = []
        self.fails = False
        self.events: list[tuple[str, ...]] = []
        self.log = Mock()

    # the server, as ports.Sql

    def roles(self, names: tuple[str, ...], timeout: float) -> tuple[Role, ...]:
        if self.fails:
            raise SqlError("no answer in time")
        return () if self.role is None else (self.role,)

    def change_roles(self, statements: tuple[str, ...], timeout: float) -> None:
        for statement in statements:
            words = statement.split("'")
            self.statements.append(words[0].strip())
            if "ROLE" in statement:
                self.role = Role("shop", words[1], True, False, False)
            else:
                self.database_owner = "shop"

    def prepare(self) -> None:
        app = self.settings.app
        prepare_secret(self.kube, app, self.settings.standby_mode == "hot", self.projected, self.run)

    def project(self, password: str) -> None:
        """Show a password, as kubelet does."""
        (self.projected / "new").write_text(password)
        os.replace(self.projected / "new", self.projected / FILE)

    def keeper(self) -> AppKeeper:
        sql, runtime = Mock(), Mock()
        sql.roles, sql.change_roles = self.roles, self.change_roles
        sql.database_owner = lambda name, timeout: self.database_owner
        runtime.now = lambda: self.now
        announce = lambda *words: self.events.append(words)  # noqa: E731
        app = self.settings.app
        return AppKeeper(
            app, self.projected, self.run, sql, self.kube, runtime, lambda: self.settings, lambda: self.term, announce, self.log
        )

    def done(self, keeper: AppKeeper) -> list[str]:
        """Let it look; return the statements that it ran."""
        self.statements.clear()
        keeper.look()
        return list(self.statements)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


CREATES = ['CREATE ROLE "shop" LOGIN PASSWORD', 'CREATE DATABASE "orders" OWNER "shop"']


def test_the_secret_is_made_whole_and_once(pod: Pod) -> None:
    pod.settings.standby_mode = "hot"
    pod.prepare()
    made = dict(pod.cluster.secrets["db-app"])
    password = made.pop("password")
    assert made == entries(APP, password, hot=True)
    pod.prepare()
    assert pod.cluster.secrets["db-app"]["password"] == password


def test_a_secret_of_ones_own_is_read_where_it_is_projected_and_never_written(pod: Pod) -> None:
    """The Role doesn't allow it."""
    pod.settings.app = NAMED
    with pytest.raises(ValueError, match="Secret theirs, key password: the password is empty"):
        pod.prepare()
    pod.project("theirs")
    pod.prepare()
    pod.term = 1
    assert pod.done(pod.keeper()) == CREATES
    assert pod.cluster.secrets == {}
    assert scram.fits_scram(pod.role.stored if pod.role else None, "theirs")


def test_it_acts_when_a_pod_becomes_the_primary_and_never_on_a_standby(pod: Pod) -> None:
    pod.prepare()
    keeper = pod.keeper()
    assert pod.done(keeper) == []
    pod.term = 4
    assert pod.done(keeper) == CREATES
    assert pod.done(keeper) == []
    assert pod.events == [("Normal", "AppChanged", "the role shop is created"), ("Normal", "AppChanged", "the database orders is created")]
    pod.term = None
    pod.role = pod.database_owner = None
    assert pod.done(keeper) == []
    pod.term = 6
    assert pod.done(keeper) == CREATES, "what another primary has made of it meanwhile isn't known"


def test_a_changed_password_is_set_and_the_other_entries_follow(pod: Pod) -> None:
    pod.prepare()
    pod.term = 1
    keeper = pod.keeper()
    keeper.look()
    pod.cluster.secrets["db-app"]["password"] = "rotated"
    pod.project("rotated")
    pod.now += 100
    assert pod.done(keeper) == ['ALTER ROLE "shop" PASSWORD']
    secret = pod.cluster.secrets["db-app"]
    assert secret["uri"] == "postgresql://shop:rotated@db.demo:5432/orders"
    assert secret["password"] == "rotated"
    assert "rotated" not in str(pod.events)
    pod.log.hide.assert_called_with(("rotated",))


def test_the_entry_for_reads_comes_and_goes_with_hot_standbys(pod: Pod) -> None:
    pod.prepare()
    pod.term = 1
    keeper = pod.keeper()
    for mode in ("hot", "warm"):
        pod.settings.standby_mode = mode
        pod.now += 100
        keeper.look()
        assert ("ro-uri" in pod.cluster.secrets["db-app"]) == (mode == "hot")


def test_a_server_that_cannot_be_asked_is_asked_again_and_it_is_said_once(pod: Pod) -> None:
    pod.prepare()
    pod.term, pod.fails = 1, True
    keeper = pod.keeper()
    assert pod.done(keeper) == pod.done(keeper) == []
    assert [event[1] for event in pod.events] == ["AppNotApplied"]
    pod.fails = False
    assert pod.done(keeper) == CREATES


def test_an_api_that_does_not_answer_is_asked_again_after_a_pause_and_the_server_does_not_wait_for_it(pod: Pod) -> None:
    pod.prepare()
    pod.term = 1
    del pod.cluster.secrets["db-app"]["uri"]
    pod.kube.faults.unavailable = True
    keeper = pod.keeper()
    assert pod.done(keeper) == CREATES
    pod.kube.faults.unavailable = False
    keeper.look()
    assert "uri" not in pod.cluster.secrets["db-app"], "no request a second"
    pod.now += 100
    keeper.look()
    assert "uri" in pod.cluster.secrets["db-app"]
    assert [event[1] for event in pod.events].count("AppNotApplied") == 1


def test_what_differs_is_an_event_once_and_stays_as_it_is(pod: Pod) -> None:
    pod.prepare()
    pod.term, pod.database_owner = 1, "postgres"
    keeper = pod.keeper()
    assert pod.done(keeper) == CREATES[:1]
    pod.project("rotated")
    keeper.look()
    told = ("Warning", "AppDiffers", "the database orders belongs to postgres, not to shop")
    assert [event for event in pod.events if event[0] == "Warning"] == [told]


def test_a_password_that_cannot_be_used_leaves_the_last_one_in_force_and_is_an_event(pod: Pod) -> None:
    pod.prepare()
    pod.term = 1
    keeper = pod.keeper()
    keeper.look()
    pod.project("two\nlines")
    assert pod.done(keeper) == []
    assert pod.events[-1][1] == "InvalidSecret"


def test_the_script_of_the_first_server_follows_the_secret_and_has_no_password(pod: Pod) -> None:
    pod.prepare()
    keeper = pod.keeper()
    script = pod.run / "app.sql"
    before = script.read_text()
    assert [line.split("'")[0].strip() for line in before.splitlines()] == [CREATES[0], CREATES[1] + ";"]
    assert script.stat().st_mode & 0o777 == 0o600
    pod.project("rotated")
    keeper.look()
    assert script.read_text() != before
    assert "rotated" not in script.read_text()
    assert pod.cluster.secrets["db-app"]["password"] not in before


@pytest.mark.parametrize("app", [None, NAMED], ids=["removed", "another Secret"])
def test_a_pod_that_is_about_to_be_replaced_does_nothing_about_a_value_that_it_does_not_know(pod: Pod, app: App | None) -> None:
    """With the password of the one Secret, the entries of the other would be wrong."""
    pod.prepare()
    pod.term = 1
    keeper = pod.keeper()
    pod.settings.app = app
    assert pod.done(keeper) == []


def test_a_pod_that_is_older_than_the_value_has_no_password(pod: Pod) -> None:
    with pytest.raises(ValueError, match="Secret db-app, key password: no usable password"):
        pod.keeper()


def test_kubelet_may_take_its_time_and_a_secret_may_be_lost(pod: Pod) -> None:
    pod.prepare()
    pod.term = 1
    del pod.cluster.secrets["db-app"]
    keeper = pod.keeper()
    assert pod.done(keeper) == CREATES
    assert pod.events[-1][1:] == ("AppNotApplied", "the entries of Secret db-app can't be written: there is no Secret db-app")


def test_an_unavailable_api_is_not_a_missing_secret(pod: Pod) -> None:
    pod.kube.faults.unavailable = True
    with pytest.raises(ApiUnavailable):
        pod.prepare()


def test_prepare_makes_the_secret_before_any_other_container_starts(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"database": "orders", "owner": "shop", "secret": "pg-app", "makesSecret": True}
    (pod.run.parent / "failover.json").write_text(changed("app", names | {"host": "pg.demo", "port": 5432, "readHost": "pg-readonly.demo"}))
    replaced: dict[str, Any] = {"CONFIG": pod.run.parent / "failover.json", "RUN": pod.run, "PROJECTED": pod.projected}
    replaced |= {"Log": Mock(), "in_cluster": Mock(), "Kube": lambda *_: pod.kube}
    for name, value in replaced.items():
        monkeypatch.setattr(container, name, value)
    assert container.ensure_secrets({"POD_NAMESPACE": "demo"}) == 0
    assert pod.cluster.secrets.keys() == {"pg-auth", "pg-replication", "pg-app"}
    found = pod.cluster.secrets["pg-app"]
    assert found["uri"] == f"postgresql://shop:{found['password']}@pg.demo:5432/orders"
