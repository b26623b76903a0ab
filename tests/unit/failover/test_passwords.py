"""The release's passwords: which file counts, what a first start refuses, and what a change of a Secret causes."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from hapg_failover.adapters.ports.kubernetes import ApiError
from hapg_failover.adapters.ports.sql import SqlError
from hapg_failover.adapters.secret import SecretFiles, write_copy
from hapg_failover.credentials import scram
from hapg_failover.credentials.roles import SUPERUSER, Role
from hapg_failover.credentials.secret_entries import REPLICATION_KEY, SUPERUSER_KEY, Passwords
from hapg_failover.passwords import PasswordKeeper, first_passwords
from hapg_protocol.model import Holder, LeaseState
from hapg_protocol.version_profile import VersionProfile
from tests.fakes.kube import FakeCluster, FakeKube

NAMES = ("db-auth", "db-replication")
SETTINGS: Any = SimpleNamespace(secret=NAMES[0], replication_secret=NAMES[1], profile=VersionProfile(major="15"))


class Pod:
    """The directory where kubelet projects the Secrets, and the memory volume."""

    def __init__(self, base: Path) -> None:
        self.projected, self.run = base / "projected", base / "run"
        self.projected.mkdir()
        self.run.mkdir()
        self.copy = self.run / "passwords"
        self._next = 0

    def project(self, superuser: bytes = b"theirs", replication: bytes = b"ours") -> None:
        """Replace the files by new ones or by none, as kubelet does."""
        for key, value in ((SUPERUSER_KEY, superuser), (REPLICATION_KEY, replication)):
            file = self.projected / key
            file.unlink(missing_ok=True)
            if value:
                self._next += 1
                other = self.projected / f"new{self._next}"
                other.write_bytes(value)
                os.link(other, file)

    def files(self) -> SecretFiles:
        return SecretFiles(self.projected, self.run, NAMES)


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


def test_what_was_left_counts_until_the_secrets_are_projected(pod: Pod) -> None:
    write_copy(pod.run, Passwords("first", "second"))
    files = pod.files()
    assert files.passwords == Passwords("first", "second")
    assert not files.look()
    pod.project(b"other", b"")
    assert files.look()
    assert files.passwords == Passwords("other", "second")
    assert not files.look()


def test_a_secret_that_is_deleted_takes_no_password_away_also_from_the_next_process(pod: Pod) -> None:
    pod.project()
    files = pod.files()
    pod.project(b"", b"")
    files.look()
    assert (files.passwords, files.complaints) == (Passwords("theirs", "ours"), ())
    assert pod.files().passwords == Passwords("theirs", "ours")
    assert pod.copy.stat().st_mode & 0o777 == 0o600


def test_without_any_password_there_is_no_start(pod: Pod) -> None:
    pod.project(b"\xff", b"")
    with pytest.raises(
        ValueError, match=r"Secret db-auth, key POSTGRES_PASSWORD: .*UTF-8.*; Secret db-replication, key REPLICATION_PASSWORD: no"
    ):
        pod.files()


def test_a_link_in_the_place_of_the_copy_is_not_followed(pod: Pod, tmp_path: Path) -> None:
    write_copy(tmp_path, Passwords("a", "b"))
    pod.copy.symlink_to(tmp_path / "passwords")
    with pytest.raises(ValueError, match="no usable password"):
        pod.files()


def test_a_password_that_can_not_be_used_leaves_the_last_one_in_force_and_is_said(pod: Pod) -> None:
    pod.project()
    files = pod.files()
    pod.project(b"a\nb")
    assert not files.look()
    assert files.passwords == Passwords("theirs", "ours")
    assert files.complaints[0].endswith("contains a line break or a NUL, which is not allowed; the previous one stays in effect")
    pod.project(b"fine")
    assert files.look()
    assert files.complaints == ()


def first(pod: Pod, kube: FakeKube) -> Passwords:
    return first_passwords(kube, SETTINGS, pod.projected, Mock())


def test_a_new_release_makes_two_different_passwords_and_takes_those_that_are_there(pod: Pod) -> None:
    cluster = FakeCluster()
    made = first(pod, FakeKube(cluster))
    assert len({made.superuser, made.replication}) == 2
    assert first(pod, FakeKube(cluster)) == made
    assert cluster.secrets == {"db-auth": {SUPERUSER_KEY: made.superuser}, "db-replication": {REPLICATION_KEY: made.replication}}


def test_a_secret_of_ones_own_is_read_where_it_is_projected(pod: Pod) -> None:
    """The Role doesn't allow it."""
    cluster = FakeCluster()
    pod.project(b"theirs", b"")
    assert first(pod, FakeKube(cluster)).superuser == "theirs"
    assert set(cluster.secrets) == {"db-replication"}


def test_a_trailing_line_break_stops_a_new_release_and_no_other(pod: Pod) -> None:
    cluster = FakeCluster()
    kube = FakeKube(cluster)
    pod.project(b"theirs\n")
    with pytest.raises(ValueError, match="Secret db-auth, key POSTGRES_PASSWORD: the password ends with a line break"):
        first(pod, kube)
    kube.create_lease(LeaseState(holder=Holder("db-0", "u"), term=1, ttl_s=6.0), 1.0)
    assert first(pod, kube).superuser == "theirs"


def test_a_secret_without_its_key_is_an_error(pod: Pod) -> None:
    cluster = FakeCluster()
    cluster.secrets["db-auth"] = {"password": "x"}
    with pytest.raises(ApiError, match="db-auth exists but has no key POSTGRES_PASSWORD"):
        first(pod, FakeKube(cluster))


class Kept:
    """A password keeper, and the server that it changes."""

    def __init__(self, pod: Pod) -> None:
        pod.project()
        self.term: int | None = None
        self.sql, self.log = Mock(), Mock()
        self.events: list[tuple[str, ...]] = []
        self.sql.roles.side_effect = lambda names, timeout: (Role(SUPERUSER, self.stored, True, True, True),)
        self.stored: str | None = None
        announce = lambda *words: self.events.append(words)  # noqa: E731
        self.keeper = PasswordKeeper(pod.files(), pod.run, self.sql, SETTINGS, lambda: self.term, announce, self.log)

    def statements(self) -> list[str]:
        """Check the files; return the changes."""
        self.sql.change_roles.reset_mock()
        self.keeper.look()
        return [statement.split(" PASSWORD")[0] for call in self.sql.change_roles.call_args_list for statement in call.args[0]]


@pytest.fixture
def kept(pod: Pod) -> Kept:
    return Kept(pod)


ALTER, CREATE = "ALTER ROLE postgres", "CREATE ROLE ha_postgres_replication LOGIN REPLICATION"


def test_a_server_is_looked_at_when_it_becomes_the_primary_and_when_a_secret_changes(pod: Pod, kept: Kept) -> None:
    assert kept.statements() == []
    kept.term = 4
    assert kept.statements()[:2] == [ALTER, CREATE]
    assert kept.statements() == []
    kept.term = None
    kept.statements()
    kept.term = 4
    assert kept.statements()[0] == ALTER, "what another primary has made of it meanwhile isn't known"
    kept.stored = scram.scram("theirs", b"salt")
    kept.term = 5
    assert ALTER not in kept.statements()
    pod.project(b"changed")
    assert kept.statements()[0] == ALTER
    assert ("Normal", "RoleChanged", "postgres has the password from the Secret") in kept.events


def test_a_server_that_can_not_be_asked_is_asked_again_and_it_is_said_once(kept: Kept) -> None:
    kept.term = 4
    kept.sql.change_roles.side_effect = SqlError("no answer in time")
    kept.keeper.look()
    kept.keeper.look()
    assert [event[1] for event in kept.events] == ["PasswordNotApplied"]
    kept.sql.change_roles.side_effect = None
    assert kept.statements()[0] == ALTER


def test_the_password_files_follow_the_secrets_and_no_log_may_say_them(pod: Pod, kept: Kept) -> None:
    assert (pod.run / "pgpass").read_text() == "*:*:*:ha_postgres_replication:ours\n*:*:*:postgres:theirs\n"
    pod.project(b"a:b\\c")
    kept.keeper.look()
    assert (pod.run / "pgpass").read_text() == "*:*:*:ha_postgres_replication:ours\n*:*:*:postgres:a\\:b\\\\c\n"
    assert (pod.run / "pwfile").read_text() == "a:b\\c\n"
    assert {(pod.run / name).stat().st_mode & 0o777 for name in ("pgpass", "pwfile", "passwords")} == {0o600}
    kept.log.hide.assert_called_with(("a:b\\c", "ours"))


def test_a_complaint_is_an_event_once(pod: Pod, kept: Kept) -> None:
    pod.project(b"theirs\r\n")
    kept.keeper.look()
    kept.keeper.look()
    ((kind, reason, message),) = kept.events
    assert (kind, reason) == ("Warning", "InvalidSecret")
    assert "ends with a line break" in message
