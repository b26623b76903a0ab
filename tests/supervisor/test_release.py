"""Real agents with real supervisors and servers: a release starts, fails over and recovers to full strength, without Kubernetes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from hapg_failover.adapters.ports.volume import Marker
from hapg_failover.adapters.volume import Volume

from .conftest import Make
from .pods import Pod, Release
from .test_replication import rows, write


@pytest.fixture
def release(make: Make) -> Iterator[Release]:
    made = Release(make)
    made.start()
    made.wait(made.is_whole, "three empty volumes become a release", 120.0)
    yield made
    made.stop()


def kill_postmaster(pod: Pod) -> None:
    os.kill(pod.container.postmaster(), signal.SIGKILL)


def kill_container(pod: Pod) -> None:
    """And start it again, as kubelet does."""
    pod.container.end()
    pod.container.launch()


def restart_agent(pod: Pod) -> None:
    """The failover container's process exits, and another one starts."""
    pod.stop_agent()
    pod.start_agent()


@pytest.mark.parametrize(("harm", "stays"), [(kill_postmaster, False), (kill_container, False), (restart_agent, True)])
def test_nothing_is_lost_and_the_release_is_whole_again(release: Release, harm: Callable[[Pod], None], stays: bool) -> None:
    primary = release.primary
    assert primary is not None
    write(primary.container, "before")
    before = release.lease
    harm(primary)
    release.wait(lambda: before.precedes(release.lease) and release.lease.serial > before.serial + 2, "the Lease is renewed")
    release.wait(release.is_whole, "there is a primary, and the others stream from it")
    after = release.primary
    assert after is not None
    write(after.container, "after")
    assert rows(after.container) == "after|5 before|5"
    assert (release.lease.term == before.term) is stays
    assert release.lease.holder.pod == after.container.name
    release.wait(lambda: release.labelled == [after.container.name], "the primary's pod is labelled")


def test_a_first_server_whose_agent_ended_before_it_was_marked_is_the_primary(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(self: Volume, marker: Marker) -> None:
        raise OSError("the agent ends here")

    made = Release(make)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(Volume, "write_marker", ended)
            made.start()
            first = made.pods[0]
            made.wait((first.container.volume / "pgdata").is_dir, "initdb ends", 120.0)
            control = (first.container.volume / "pgdata" / "global" / "pg_control").read_bytes()
            first.stop_agent()
        first.start_agent()
        made.wait(made.is_whole, "the release is whole", 120.0)
        assert made.primary is first
        assert (first.container.volume / "pgdata" / "global" / "pg_control").read_bytes()[:8] == control[:8], "another initdb"
    finally:
        made.stop()
