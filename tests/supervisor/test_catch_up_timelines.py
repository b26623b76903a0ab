"""A replica that was away during failovers, and whose WAL the next primary has removed: real agents and servers, real pgBackRest."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import pytest

from hapg_protocol.lsn import format_lsn
from hapg_protocol.wal_files import parse_history

from .backups import TABLE, Backup, Beside, rows, settled, switch
from .conftest import Make
from .harness import Container, wait_for
from .pods import Pod, Release
from .test_catch_up import SHORT, told, uuid

pytestmark = pytest.mark.slow

KEEPS, REMOVES = "64MB", "0"
"""Values of wal_keep_size, with segments of 1 MB."""
BOUNDED = "max_slot_wal_keep_size = '1MB'"


@dataclass
class Three:
    """A release of three with an archive. first: its first primary; second: the next one; away: the replica that is lost meanwhile.

    abandoned: the segments that the first primary wrote and archived, and that no other server received.
    """

    release: Release
    first: Pod
    second: Pod
    away: Pod
    backup: Backup
    abandoned: tuple[str, ...] = ()

    @property
    def events(self) -> list[str]:
        """The reasons of Events about the way on which a replica comes back."""
        return told(self.release, "CatchingUp", "CaughtUp", "Clone", "Rewind")

    def leaves(self, segments: int) -> None:
        """The replica's server ends within a segment; both others remove so many that it lacks."""
        self.first.container.sql("insert into kept (what) values ('before')")
        have_all(self.first.container, self.second.container, self.away.container)
        self.away.container.end()
        if segments:
            begin = current(self.first.container)
            switch(self.first.container, "meanwhile", segments)
            settled(self.first.container, self.second.container)
            removes(begin, self.first.container, self.second.container)
        keep(self.second.container, KEEPS)

    def fails_over(self) -> None:
        """The first primary archives three segments that the other server does not receive, and is lost with its agent."""
        primary = self.first.container
        sender = f"select pid from pg_stat_replication where application_name = '{self.second.container.name}'"
        os.kill(primary.outside(int(primary.sql(sender))), signal.SIGSTOP)
        end = current(primary)
        last = switch(primary, "abandoned", 3)
        settled(primary)
        self.abandoned = tuple(sorted(name for name in self.backup.archived() if len(name) == 24 and end <= name <= last))
        assert len(self.abandoned) == 3
        loses(self.first)
        self.release.wait(lambda: self.second.writes, "the next one is promoted")
        switch(self.second.container, "after", 2)
        settled(self.second.container)

    def comes_back(self) -> None:
        """The replica starts, and streams. Events from before do not count: the other one may have fallen behind and caught up."""
        self.release.cluster.events.clear()
        self.away.container.launch()
        self.release.wait(lambda: self.is_streaming(self.away), "the replica streams", 120.0)

    def is_streaming(self, pod: Pod) -> bool:
        """True if the primary lists the pod's volume as one that streams."""
        volumes = {each.volume for each in self.release.lease.eligible if each.streaming}
        with suppress(FileNotFoundError):
            return self.release.primary is not None and uuid(pod) in volumes
        return False


def current(container: Container) -> str:
    """Return the name of the segment that a primary writes."""
    return container.sql("select pg_walfile_name(pg_current_wal_insert_lsn())")


def have_all(primary: Container, *standbys: Container) -> None:
    """Wait until the standbys have replayed what the primary has written."""
    end = primary.sql("select pg_current_wal_flush_lsn()")
    for each in standbys:
        wait_for(lambda each=each: each.answers(f"select pg_last_wal_replay_lsn() >= '{end}'") == "t", "it has all")  # type: ignore[misc]


def keep(container: Container, size: str) -> None:
    """Set how much WAL a server keeps."""
    container.sql(f"alter system set wal_keep_size = '{size}'", "select pg_reload_conf()")
    wait_for(lambda: container.sql("show wal_keep_size") == size, "the setting is in effect")


def removes(segment: str, primary: Container, *standbys: Container) -> None:
    """Have servers remove the WAL that they do not need, up to this segment at least."""

    def is_gone() -> bool:
        primary.sql("select pg_switch_wal()", "checkpoint")
        for each in standbys:
            each.sql("checkpoint")
        return not any((each.pgdata / "pg_wal" / segment).exists() for each in (primary, *standbys))

    wait_for(is_gone, f"{segment} is removed")
    settled(primary, *standbys)


def loses(pod: Pod) -> None:
    """A pod is lost, and its agent first: nobody can ask it for what it had not sent."""
    pod.stop_agent()
    pod.container.end()


@pytest.fixture
def three(make: Make, beside: Beside) -> Iterator[Three]:
    made = Release(make, replicas=3, backup=True, max_lag=1 << 30)
    backups = [beside(pod.container) for pod in made.pods]
    for pod in made.pods:
        conf = pod.container.config / "postgresql.conf"
        conf.write_text("\n".join((conf.read_text(), *SHORT, BOUNDED, "")))
    made.start()
    made.wait(lambda: made.is_whole() and [each.streaming for each in made.lease.eligible] == [True, True], "three stream", 120.0)
    first, second, away = made.pods
    first.container.sql(TABLE)
    switch(first.container, "before")
    settled(*(pod.container for pod in made.pods))
    yield Three(made, first, second, away, backups[0])
    made.stop()


def test_across_a_failover_the_archive_has_our_timeline_and_the_primary_what_follows(three: Three) -> None:
    three.leaves(12)
    three.fails_over()
    before = uuid(three.away)
    three.comes_back()
    assert three.events == ["CatchingUp", "CaughtUp"], three.release.cluster.events
    assert uuid(three.away) == before
    wait_for(lambda: rows(three.away.container) == {"before": 2, "meanwhile": 12, "after": 2}, "it has what the primary has")


@pytest.mark.thorough
@pytest.mark.parametrize("segments", [12, 0], ids=["the fork lies ahead", "the fork is in its last segment"])
def test_a_primary_without_the_end_of_our_timeline_is_cloned_though_the_archive_has_one(three: Three, segments: int) -> None:
    """The archive also has another end of that timeline, which the lost primary wrote alone."""
    three.leaves(segments)
    three.fails_over()
    primary = three.second.container
    keep(primary, REMOVES)
    ours = current(primary)[:8]
    *_, (timeline, fork) = parse_history(primary.sql(f"select pg_read_file('pg_wal/{ours}.history')"))
    removes(f"{ours}{three.abandoned[0][8:]}", primary)
    before = uuid(three.away)
    three.comes_back()
    assert three.events == ["Clone"], three.release.cluster.events
    [said] = [message for _, reason, message in three.release.cluster.events if reason == "Clone"]
    assert f"our timeline {timeline} ends at {format_lsn(fork)}, and the primary's WAL begins later" in said
    assert uuid(three.away) != before
    expected = {"before": 2, **({"meanwhile": segments} if segments else {}), "after": 2}
    wait_for(lambda: rows(three.away.container) == expected, "it has what the primary has")


def _takes_over(three: Three, back: Pod, primary: Pod, label: str) -> None:
    """A lost pod comes back, streams two segments of the primary, and takes over: its timeline begins in a later segment."""
    back.container.launch()
    back.start_agent()
    three.release.wait(lambda: three.is_streaming(back), "the former primary streams", 120.0)
    switch(primary.container, label, 2)
    settled(primary.container, back.container)
    have_all(primary.container, back.container)
    loses(primary)
    three.release.wait(lambda: back.writes, "the former primary is promoted again")


@pytest.mark.thorough
def test_across_two_failovers_the_primary_has_what_follows_too(three: Three) -> None:
    three.leaves(12)
    three.fails_over()
    _takes_over(three, three.first, three.second, "later")
    before = uuid(three.away)
    three.comes_back()
    assert three.events == ["CatchingUp", "CaughtUp"], three.release.cluster.events
    assert uuid(three.away) == before
    expected = {"before": 2, "meanwhile": 12, "after": 2, "later": 2}
    wait_for(lambda: rows(three.away.container) == expected, "it has what the primary has")


@pytest.mark.thorough
def test_a_primary_that_has_the_end_of_our_timeline_under_the_name_of_the_next_one_is_followed(three: Three) -> None:
    """A server renames the segment in which it was promoted, and is promoted once more later on."""
    three.leaves(0)
    three.fails_over()
    _takes_over(three, three.first, three.second, "later")
    _takes_over(three, three.second, three.first, "at last")
    wal = three.second.container.pgdata / "pg_wal"
    assert not (wal / three.abandoned[0]).exists()
    assert (wal / f"{int(three.abandoned[0][:8], 16) + 1:08X}{three.abandoned[0][8:]}").exists()
    before = uuid(three.away)
    three.comes_back()
    assert three.events == [], three.release.cluster.events
    assert uuid(three.away) == before
    expected = {"before": 2, "after": 2, "later": 2, "at last": 2}
    wait_for(lambda: rows(three.away.container) == expected, "it has what the primary has")
