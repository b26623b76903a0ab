"""Real agents and servers take over settings that a server reads only when it starts: in place, one after the other, under writes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hapg_protocol.start_settings import RELOADED

from .conftest import Make
from .harness import DEFAULT, Container
from .pods import Pod, Release

LONG_S = 120.0
NO_RESTART = "select count(*) from pg_settings where pending_restart"


def settings(max_connections: int, shared_buffers: int) -> str:
    return f"max_connections = {max_connections}\nshared_buffers = {shared_buffers}MB\n"


class Configured:
    """A release whose settings are changed while a client writes. acknowledged: the rows that it wrote."""

    def __init__(self, release: Release) -> None:
        self.release = release
        self.acknowledged: list[int] = []
        self._tried = 0
        self._rest = [self._without_own(pod.container) for pod in release.pods]

    @staticmethod
    def _without_own(container: Container) -> str:
        lines = (container.config / "postgresql.conf").read_text().splitlines()
        return "\n".join(line for line in lines if not line.startswith(("shared_buffers", "max_connections")))

    def set(self, text: str, *pods: Pod) -> None:
        """Change the files of these pods, or of all."""
        for pod, rest in zip(self.release.pods, self._rest, strict=True):
            if not pods or pod in pods:
                (pod.container.config / "postgresql.conf").write_text(f"{text}{RELOADED}\n{rest}\n")

    def start(self) -> None:
        self.release.start()
        for pod in self.release.pods:
            assert pod.agent is not None
            pod.agent._looks._configuration._files = tuple(pod.container.config / name for name in ("postgresql.conf", "pg_hba.conf"))
        self.release.wait(lambda: self.release.is_whole() and self.has(settings(20, 16)), "empty volumes become a release", LONG_S)
        self.sql("create table written (id int)")

    def sql(self, statement: str) -> str | None:
        primary = self.release.primary
        return primary.container.answers(statement) if primary is not None else None

    def write(self) -> None:
        """Write a row, if a server takes it."""
        self._tried += 1
        if self.sql(f"insert into written values ({self._tried}) returning id") == f"{self._tried}":
            self.acknowledged.append(self._tried)

    def changes(self, text: str) -> None:
        """Change the settings and write until every server runs with them; check what that did."""
        term, supervisors = self.release.lease.term, self.pids()
        self.set(text)

        def is_done() -> bool:
            self.write()
            return self.has(text)

        self.release.wait(is_done, f"all servers run with {text.split()}", LONG_S)
        self.release.wait(self.release.is_whole, "the release is whole", LONG_S)
        assert self.release.lease.term == term + 1
        assert self.pids() == supervisors
        lost = set(self.acknowledged) - set(map(int, (self.sql("select string_agg(id::text, ' ') from written") or "").split()))
        assert lost == set()

    def has(self, text: str) -> bool:
        """True if every server accepts connections, runs with these settings, and waits for no restart."""
        wanted = [line.split(" = ")[1] for line in text.splitlines()]
        asked = "select current_setting('max_connections') || ' ' || current_setting('shared_buffers')"
        return all(
            pod.container.answers(asked) == " ".join(wanted) and pod.container.answers(NO_RESTART) == "0" for pod in self.release.pods
        )

    def pids(self) -> list[int]:
        return [pod.container.pid1 for pod in self.release.pods]


def configured(make: Make, replicas: int, major: str = DEFAULT) -> Iterator[Configured]:
    made = Configured(Release(make, replicas, major=major))
    made.set(settings(20, 16))
    try:
        made.start()
        yield made
    finally:
        made.release.stop()


@pytest.fixture
def three(make: Make, request: pytest.FixtureRequest) -> Iterator[Configured]:
    yield from configured(make, 3, getattr(request, "param", DEFAULT))


@pytest.fixture
def one(make: Make) -> Iterator[Configured]:
    yield from configured(make, 1)


@pytest.mark.slow
@pytest.mark.parametrize("three", [pytest.param("12", marks=pytest.mark.thorough), DEFAULT], indirect=True)
def test_each_change_costs_one_switchover_and_no_row(three: Configured) -> None:
    """A higher and a lower limit with hot standbys, and a setting that is none."""
    three.changes(settings(30, 16))
    three.changes(settings(15, 16))
    three.changes(settings(15, 24))


@pytest.mark.slow
def test_settings_that_one_pod_refuses_restart_no_server(three: Configured) -> None:
    (*others, last), term = three.release.pods, three.release.lease.term
    three.set("max_connections = '16 bananas'\nshared_buffers = 16MB\n", last)
    three.set(settings(30, 16), *others)
    three.release.wait(lambda: last.agent is not None and last.agent.refused(), "it refuses them", LONG_S)

    def others_want_them() -> bool:
        shown = [pod.start_settings for pod in three.release.cluster.client().list_pods(1.0)]
        return sum(each is not None and each.running != each.wanted for each in shown) == 2

    three.release.wait(others_want_them, "the others accept theirs", LONG_S)
    serial = three.release.lease.serial
    three.release.wait(lambda: three.release.lease.serial > serial + 1, "the leader has had time to see it")
    assert {pod.container.answers("show max_connections") for pod in three.release.pods} == {"20"}
    assert three.release.lease.term == term
    three.changes(settings(30, 16))


@pytest.mark.slow
def test_the_only_server_restarts_in_place(one: Configured) -> None:
    one.changes(settings(15, 24))
