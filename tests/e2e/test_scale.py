"""A release is scaled up and down, including the removal of the primary's own pod."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.fixtures import Cluster
from tests.robustness.release import Release
from tests.robustness.stock import installed
from tests.robustness.traffic.writers import TABLE, Writer
from tests.robustness.validate.writes import late, lost

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(540)]

ROWS = 100


@pytest.fixture(scope="module")
def release(cluster: Cluster) -> Iterator[Release]:
    """A single server."""
    with installed("e2e-scale", replicas=1) as release:
        release.client.sql(TABLE)
        yield release


def scale(release: Release, replicas: int) -> None:
    release.upgrade("--set", f"replicas={replicas}")
    release.replicas = replicas


def names(*ordinals: int) -> list[str]:
    return [f"ha-postgres-{ordinal}" for ordinal in ordinals]


def test_up_from_one_to_three_to_five_under_writes(release: Release) -> None:
    primary = release.primary()
    with Writer(release.client, "growing", per_second=20) as writer:
        for replicas in (3, 5):
            scale(release, replicas)
            release.wait_full_strength()
            expected = names(*range(1, replicas))
            release.wait(f"{expected} are members", lambda expected=expected: release.members() == expected, 30)  # type: ignore[misc]
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        log = writer.stop()
    assert release.primary().uid == primary.uid
    assert len(log.acknowledged) == log.acknowledged[-1].id - log.acknowledged[0].id + 1, "a write failed while nothing failed"


def test_down_to_two_with_the_primary_scaled_away(release: Release) -> None:
    done = release.try_hapg("switchover", "--to", names(4)[0])
    assert done.code == 0, done.text
    release.wait_full_strength()
    client = release.client
    timeline = release.lease()["timeline"]
    with Writer(client, "shrinking") as writer:
        release.wait("rows are acknowledged", lambda: writer.rows > ROWS, 60)
        scale(release, 2)
        release.wait("a pod that stays is the primary", lambda: release.primary().name in names(0, 1), 60)
        release.wait("writes go on", lambda: writer.rows_after(timeline) > ROWS, 60)
        log = writer.stop()
    release.wait_full_strength()
    present = [int(row[0]) for row in client.sql("SELECT id FROM appends WHERE writer = 'shrinking'")]
    assert lost(log, present) == []
    assert late([log]) == []
    assert release.lease()["timeline"] == timeline + 1, "more than one switchover"
    assert {pod.name for pod in release.pods()} == set(names(0, 1))


@pytest.mark.thorough
def test_who_was_scaled_away_leaves_the_members(release: Release) -> None:
    [standby] = [pod.name for pod in release.standbys()]
    release.wait("only the other server is a member", lambda: release.members() == [standby], 60)


@pytest.mark.thorough
def test_an_old_volume_comes_back_as_a_replica(release: Release) -> None:
    scale(release, 3)
    release.wait_full_strength()
    release.wait("both others are members", lambda: len(release.members()) == 2, 30)
    [[count]] = release.client.sql("SELECT count(*) FROM appends WHERE writer = 'growing'")
    assert int(count) > ROWS
