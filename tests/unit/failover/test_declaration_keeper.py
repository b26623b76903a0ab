"""When declared roles are looked at, what is said of them, and that nothing else depends on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.declared_files import DeclaredFiles, Wanted
from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.declaration_keeper import CHECK_S, FIRST_RETRY_S, LONG_S, SQL_S, DeclarationKeeper
from hapg_failover.declared.desired import Database, Declaration, Entry, Role
from hapg_failover.declared.found import FoundRole
from hapg_failover.declared.statements import CreateDatabase, CreateRole, Remember, SetFlag

APP = Role("app", flags=(("login", True),))
TRUE = FoundRole("app", frozenset({"login", "inherit"}))


class Kept:
    """A keeper, and the server that it changes."""

    def __init__(self) -> None:
        self.term: int | None = 1
        self.now = 1000.0
        self.wanted = Wanted(Declaration((APP,)))
        self.events: list[tuple[str, str, str]] = []
        self.shown: str | None = None
        self.objects, self.log, self.hide = Mock(), Mock(), Mock()
        self.found: dict[str, FoundRole] = {}
        self.objects.roles.side_effect = lambda names, timeout: dict(self.found)
        self.objects.databases.side_effect = lambda names, timeout: {}
        self.objects.run.side_effect = self._run
        runtime: Any = Mock(now=lambda: self.now)
        self.keeper = DeclarationKeeper(
            runtime,
            lambda: self.wanted,
            self.objects,
            "scram-sha-256",
            lambda: self.term,
            lambda *words: self.events.append(words),
            self._annotate,
            lambda: self.shown,
            self.hide,
            self.log,
        )

    def _run(self, database: str, statements: Any, timeout: float) -> None:
        for statement in statements:
            match statement:
                case CreateRole(name):
                    self.found[name] = FoundRole(name)
                case SetFlag(name, flag, _):
                    self.found[name] = FoundRole(name, self.found[name].flags | {flag})
                case Remember(_, name, digests):
                    self.found[name] = FoundRole(name, self.found[name].flags, memory=frozenset(digests.split()))

    def _annotate(self, annotations: Mapping[str, str | None]) -> None:
        (self.shown,) = annotations.values()

    def look(self, later: float = 0.0) -> int:
        """Look after some seconds; return how often the server was asked."""
        self.now += later
        self.objects.roles.reset_mock()
        self.keeper.look()
        return int(self.objects.roles.call_count)


@pytest.fixture
def kept() -> Kept:
    return Kept()


def test_a_primary_looks_at_once_and_then_every_few_minutes(kept: Kept) -> None:
    assert kept.look() == 2, "and once more, to see that it is so"
    assert kept.events == [("Normal", "DatabaseObjectsApplied", "role app: created")]
    assert kept.shown is None
    assert kept.look(CHECK_S - 1) == 0
    assert kept.look(1) == 1
    kept.wanted = Wanted(Declaration((APP,)), {Entry("a", "b"): "word"})
    assert kept.look(1) == 1, "a password has changed"
    assert list(kept.hide.call_args.args[0]) == ["word"]
    kept.term = 2
    assert kept.look(1) == 1
    assert len(kept.events) == 1


def test_a_replica_asks_nothing_and_shows_nothing(kept: Kept) -> None:
    kept.term, kept.shown = None, "left by an earlier agent"
    assert kept.look() == 0
    assert kept.shown is None


def test_without_a_declaration_the_server_is_not_asked(kept: Kept) -> None:
    kept.wanted = Wanted()
    assert kept.look() == 0
    assert kept.events == []


def test_leadership_is_looked_at_before_every_statement(kept: Kept) -> None:
    def lose(names: Any, timeout: float) -> dict[str, FoundRole]:
        kept.term = None
        return {}

    kept.objects.roles.side_effect = lose
    kept.look()
    kept.objects.run.assert_not_called()
    kept.log.assert_not_called()


def test_a_failure_is_said_once_and_tried_again_with_growing_pauses(kept: Kept) -> None:
    kept.objects.run.side_effect = SqlError("canceling statement due to lock timeout LINE 1: ALTER ROLE app PASSWORD 'x'")
    kept.look()
    text = "role app: created: canceling statement due to lock timeout"
    assert kept.events == [("Warning", "DatabaseObjectsNotApplied", text)]
    assert kept.shown == text
    assert kept.look(FIRST_RETRY_S - 1) == 0
    assert kept.look(1) == 1
    assert kept.look(FIRST_RETRY_S) == 0
    assert kept.look(FIRST_RETRY_S) == 1
    assert len(kept.events) == 1
    kept.objects.run.side_effect = kept._run
    kept.look(CHECK_S)
    assert kept.events[1:] == [("Normal", "DatabaseObjectsApplied", "role app: created")]
    assert kept.shown is None


def test_one_that_fails_keeps_no_other_from_it(kept: Kept) -> None:
    kept.wanted = Wanted(Declaration((Role("bad"), APP)), complaints=("Secret a, key b: empty",))
    run = kept._run

    def fail(database: str, statements: Any, timeout: float) -> None:
        if CreateRole("bad") in statements:
            raise SqlError("no")
        run(database, statements, timeout)

    kept.objects.run.side_effect = fail
    kept.look()
    assert set(kept.found) == {"app"}
    assert kept.shown == "Secret a, key b: empty; role bad: created: no"


def test_a_server_that_can_not_be_asked_is_a_problem_like_others(kept: Kept) -> None:
    kept.objects.roles.side_effect = SqlError("no answer in time")
    kept.look()
    assert kept.events == [("Warning", "DatabaseObjectsNotApplied", "the server can't be asked: no answer in time")]


def test_what_nobody_expected_ends_no_agent(kept: Kept) -> None:
    kept.objects.roles.side_effect = KeyError("x")
    kept.look()
    assert kept.log.call_args.args[:2] == ("error", "roles")
    assert kept.look(1) == 0


def test_only_what_takes_long_is_given_long(kept: Kept) -> None:
    kept.wanted = Wanted(Declaration((APP,), (Database("shop"),)))
    kept.look()
    limits = {type(call.args[1][0]): call.args[2] for call in kept.objects.run.call_args_list}
    assert limits == {CreateRole: SQL_S, Remember: SQL_S, CreateDatabase: LONG_S}


def test_an_event_is_not_longer_than_kubernetes_takes(kept: Kept) -> None:
    kept.wanted = Wanted(Declaration(tuple(Role(f"role{number}") for number in range(200))))
    kept.look()
    assert [len(message) < 1024 for _, _, message in kept.events] == [True]


class Files:
    """The files that kubelet projects."""

    def __init__(self, base: Path) -> None:
        self.declared, self.passwords = base / "roles.json", base / "roles"
        self.files = DeclaredFiles(self.declared, self.passwords)
        self._number = 0

    def write(self, file: Path, content: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._number += 1
        other = file.parent / f"new{self._number}"
        other.write_bytes(content)
        other.rename(file)

    def declare(self, *roles: Mapping[str, Any]) -> None:
        self.write(self.declared, json.dumps({"roles": roles}).encode())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_same_files_give_the_same_object_and_a_changed_password_another(files: Files) -> None:
    assert files.files.look() == Wanted()
    files.declare({"name": "app", "passwordSecret": {"name": "login"}})
    entry = Entry("login", "password")
    first = files.files.look()
    assert first.declaration.roles == (Role("app", password=entry),)
    assert first.passwords == {}
    assert files.files.look() is first
    for content, password in ((b"first", "first"), (b"second\n", "second")):
        files.write(files.passwords / "login" / "password", content)
        found = files.files.look()
        assert found.passwords == {entry: password}
        assert password not in repr(found)
        assert files.files.look() is found
    assert "ends with a line break" in files.files.look().complaints[0]


def test_a_password_that_can_not_be_used_is_said(files: Files) -> None:
    files.declare({"name": "app", "passwordSecret": {"name": "login", "key": "k"}})
    files.write(files.passwords / "login" / "k", b"a\nb")
    found = files.files.look()
    assert found.passwords == {}
    assert found.complaints == ("Secret login, key k: the password contains a line break or a NUL, which is not allowed",)


def test_a_declaration_that_can_not_be_read_leaves_the_last_one_and_its_end_ends_all(files: Files) -> None:
    files.declare({"name": "app"})
    files.files.look()
    files.write(files.declared, b"{")
    found = files.files.look()
    assert found.declaration.roles == (Role("app"),)
    assert found.complaints[0].endswith("what was declared before counts")
    files.declared.unlink()
    assert files.files.look() == Wanted()
