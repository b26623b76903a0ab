"""How a server comes back after it was away or was the primary."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import pytest

from tests.cluster import nodes
from tests.cluster.fixtures import NodeFaults
from tests.faults.conftest import Drills
from tests.robustness.agents import Agents, Line, operations
from tests.robustness.failpoint import acts, processes, refusals, volumes
from tests.robustness.failpoint.processes import frozen
from tests.robustness.release import RECENT_LINES, VOLUME, Pod, Release
from tests.robustness.stock import Kind, Stock
from tests.robustness.traffic import bulk

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.timeout(420)]

ROWS = 2_000_000
"""So many, at once, that no replica has them all when the primary is cut off."""
SEGMENTS_KEPT = 32
REWIND_SECONDS = 30.0
SOME_ROWS = 20
CLONED = '"op": "clone", "outcome": "ok"'
NOTICED_SECONDS = 60.0
SCALE_SECONDS = 120.0
TABLESPACE = f"{VOLUME}/elsewhere"
HOT = Kind(("--set", "standbyMode=hot"))
PROMOTE = ("psql", "-h", "/run/hapg/socket", "-U", "postgres", "-qXc", "SELECT pg_promote(false)")
Hindrance = Callable[[Release, Pod, Pod, NodeFaults], AbstractContextManager[None]]


def write_much(release: Release, pod: Pod) -> None:
    """Begin to write much at a pod's address, from its own node."""
    bulk.begin(release.client_on(pod.node), pod.ip, bulk.statement(ROWS, "diverged"))


@pytest.mark.faults
def test_former_primary_follows_after_a_clean_switch_over(release: Release, drill: Drills) -> None:
    """The primary switches over in an orderly way while clients write.

    Guarantee: nothing is lost; the former primary has all WAL that its successor started with, and
    follows without rewind or clone.
    """
    with drill(release) as trial:
        acts.delete(release, trial.old)
        trial.wait_writes_on_new_timeline()
    found = trial.result
    assert found.lost == 0
    assert "follow" in found.operations[found.old.name]
    assert (found.did("rewind"), found.did("clone")) == ([], [])


def test_former_primary_is_rewound_after_divergence(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is cut off; no replica gets what it still writes.

    Guarantee: the former primary loses that by a rewind and follows; no clone is needed.
    """
    with drill(release) as trial:
        node_faults.partition(trial.old.node)
        before = trial.rows_at_old_address
        release.wait("it writes on its own", lambda: trial.rows_at_old_address > before + SOME_ROWS, 10)
        trial.wait_writes_on_new_timeline()
        node_faults.heal(trial.old.node)
        nodes.wait_ready()
    found = trial.result
    assert found.did("rewind") == [found.old.name]
    assert found.did("clone") == []


@pytest.mark.faults
def test_former_primary_is_cloned_when_a_rewind_is_impossible(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """A former primary has diverged, and the WAL that a rewind needs is gone from its disk.

    Guarantee: it is cloned again, and follows.
    """
    with drill(release) as trial:
        write_much(release, trial.old)
        time.sleep(0.5)
        node_faults.partition(trial.old.node)
        trial.wait_writes_on_new_timeline()
        volumes.forget_wal(release, trial.old)
        node_faults.heal(trial.old.node)
        nodes.wait_ready()
    assert trial.result.did("clone") == [trial.old.name]


@pytest.mark.faults
def test_rewind_that_is_cut_short(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The postgres container of a former primary is killed during its rewind.

    Guarantee: the partly rewound data is never started; it is cloned again, and follows.
    """
    killed: list[str] = []

    def on_line(line: Line) -> None:
        if not killed and line.orders("rewind"):
            killed.append(line.pod)
            release.wait("the rewind has begun", (volumes.folder(release, trial.old) / "dirty").exists, REWIND_SECONDS)
            nodes.kill_container(release.namespace.name, line.pod, "postgres")

    with drill(release) as trial:
        write_much(release, trial.old)
        time.sleep(0.5)
        node_faults.partition(trial.old.node)
        trial.wait_writes_on_new_timeline()
        node_faults.heal(trial.old.node)
        with Agents(release, on_line):
            nodes.wait_ready()
            release.wait_full_strength(asker=trial.asker)
        assert killed == [trial.old.name]
    assert trial.result.did("clone") == [trial.old.name]


@pytest.mark.faults
def test_failing_clone_keeps_the_old_data(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """A replica's data is unusable, and its clones fail for half a minute because it can't reach
    the primary.

    Guarantee: the old data stays until a clone is complete; then the replica follows.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        node_faults.cut(release.namespace.name, replica.name, f"pod/{trial.old.name}")
        mark = volumes.folder(release, replica) / "pgdata" / "kept"
        mark.write_text("old data")
        volumes.spoil(release, replica)
        processes.kill_container(release, replica)
        time.sleep(30)
        assert mark.exists()
        node_faults.restore(release.namespace.name, replica.name)
        release.wait("it is cloned", lambda: not mark.exists(), 120)
    assert trial.result.did("clone") == [replica.name]


@pytest.mark.faults
def test_corrupted_replica_is_cloned(release: Release, drill: Drills) -> None:
    """A replica's control file is overwritten with garbage, and its container is killed.

    Guarantee: nothing is lost; the replica is cloned again; the primary continues.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        volumes.spoil(release, replica)
        processes.kill_container(release, replica)
        release.wait("it is cloned", lambda: CLONED in release.agent_log(replica.name, RECENT_LINES), 120)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)


@pytest.mark.faults
def test_no_server_can_start_for_a_while(release: Release, drill: Drills) -> None:
    """A folder that servers need is removed from all volumes, all containers are killed and the
    pods replaced; then the folders are restored.

    Guarantee: nothing is lost, and one primary writes again; the others follow it, or are cloned
    again.
    """

    def given_up() -> bool:
        return all('"phase": "damaged"' in release.agent_log(pod.name, RECENT_LINES) for pod in release.pods())

    def replaced() -> bool:
        return len({pod.uid for pod in release.pods()} - before) == release.replicas

    before = {pod.uid for pod in release.pods()}
    with drill(release) as trial:
        with volumes.none_starts(release):
            for pod in release.pods():
                processes.kill_container(release, pod)
            release.wait("no server starts", given_up, 120)
            acts.delete(release, *release.pods())
            release.wait("no server of the new pods starts", lambda: replaced() and given_up(), 180)
        trial.wait_writes_on_new_timeline()
    assert trial.result.lost == 0


@pytest.mark.faults
def test_claim_of_a_replica_is_deleted(release: Release, drill: Drills) -> None:
    """A replica's claim is deleted with its pod, so it starts with an empty volume.

    Guarantee: nothing is lost; the replica is cloned; the primary continues.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        release.lose(replica, "data")
        release.wait("the replica has a new pod", lambda: release.pod(replica.name).uid != replica.uid, 120)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert found.did("clone") == [replica.name]


@pytest.mark.faults
def test_two_former_primaries(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """The primary's node is cut off, then its successor's: both have unreplicated WAL, on two
    timelines.

    Guarantee: the third server writes on a new timeline, and both follow it; at most the
    unreplicated WAL of each timeline is lost.
    """
    with drill(release, same_node=False) as trial:
        write_much(release, trial.old)
        time.sleep(0.5)
        node_faults.partition(trial.old.node)
        trial.wait_writes_on_new_timeline()
        second = release.primary()
        write_much(release, second)
        time.sleep(0.5)
        node_faults.partition(second.node)
        release.wait("a third primary", lambda: release.primary().name not in (trial.old.name, second.name), 60)
        node_faults.heal(trial.old.node)
        node_faults.heal(second.node)
        nodes.wait_ready()
    assert trial.result.claims == 2


@pytest.mark.faults
def test_replica_is_behind_by_more_than_the_kept_wal(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """A replica's node is cut off while more WAL is written than the primary keeps for its slot.

    Guarantee: nothing is lost; the slot is invalidated and keeps no more WAL; the replica is cloned
    again, and follows.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        node_faults.partition(replica.node)
        asker = next(each for each in release.clients if each.node != replica.node)
        for _ in range(SEGMENTS_KEPT + 16):
            asker.sql("SELECT pg_logical_emit_message(false, 'test', 'test'); SELECT pg_switch_wal()")
        for _ in range(2):
            asker.sql("CHECKPOINT")
        assert asker.sql("SELECT count(*) FROM pg_replication_slots WHERE wal_status = 'lost'") == [["1"]]
        node_faults.heal(replica.node)
        nodes.wait_ready()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert found.did("clone") == [replica.name]


@pytest.mark.faults
def test_replica_that_was_frozen_catches_up(release: Release, drill: Drills, node_faults: NodeFaults) -> None:
    """A replica is frozen for longer than the primary waits for it, and then thawed.

    Guarantee: nothing is lost, the primary continues, and the replica follows without rewind or
    clone.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        with frozen(node_faults, release, [replica]):
            time.sleep(12)
        trial.wait_writes()
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert (found.did("rewind"), found.did("clone")) == ([], [])


@pytest.mark.faults
def test_volume_that_is_a_copy_of_anothers(release: Release, drill: Drills) -> None:
    """A replica's claim contains a copy of another replica's volume, as after a restore into the
    wrong claim.

    Guarantee: an Event names the volume's owner; the copy never counts as the other replica, and is
    cloned again; nothing is lost, the primary continues.
    """
    last = release.pods()[-1]
    if release.primary().name == last.name:
        acts.switchover(release)
        release.wait_full_strength()
    with drill(release) as trial:
        original = next(pod for pod in release.standbys() if pod.name != last.name)
        acts.scale(release, release.replicas - 1)
        release.wait("the last pod is gone", lambda: len(release.pods()) == release.replicas - 1, SCALE_SECONDS)
        volumes.copy(volumes.folder(release, original), volumes.folder(release, last))
        acts.scale(release, release.replicas)
        release.wait("the last pod is back", lambda: len(release.pods()) == release.replicas, SCALE_SECONDS)
        copied = lambda: _said(release, release.pod(last.name), "VolumeCopied")  # noqa: E731
        [message, *_] = release.wait("an Event says so", copied, NOTICED_SECONDS)
        assert original.name in message
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert found.did("clone") == [last.name]


@pytest.mark.parametrize(
    ("hindrance", "words"),
    [
        pytest.param(refusals.address_blocked, "no answer in time", id="address", marks=pytest.mark.faults),
        pytest.param(refusals.password_wrong, "password authentication failed", id="password", marks=pytest.mark.faults),
    ],
)
def test_a_replica_that_can_not_follow_says_why(
    release: Release, drill: Drills, node_faults: NodeFaults, hindrance: Hindrance, words: str
) -> None:
    """A replica can't reach the primary, or its connections are refused.

    Guarantee: an Event and `hapg status` say why, the pod is no longer ready, and nothing is lost;
    it follows again once it can.
    """
    with drill(release) as trial:
        replica = release.standbys()[0]
        with hindrance(release, replica, trial.old, node_faults):
            why = lambda: [text for text in _said(release, replica, "NotFollowing") if words in text]  # noqa: E731
            release.wait("an Event says why", why, NOTICED_SECONDS)
            release.wait("it isn't ready", lambda: not release.pod(replica.name).ready, NOTICED_SECONDS)
            assert f"{replica.name} does not stream from the primary: " in release.try_hapg("status").out
    assert (trial.result.lost, trial.result.claims) == (0, 0)


@pytest.mark.faults
def test_tablespace_that_the_replicas_have_no_folder_for(release: Release, drill: Drills) -> None:
    """A tablespace is created in a folder that exists only on the primary; the replicas' servers
    stop when they replay that.

    Guarantee: an Event says that tablespaces are not supported; nothing is lost, the primary
    continues; the replicas are cloned again.
    """
    with drill(release) as trial:
        release.inside(trial.old.name, "mkdir", "--parents", TABLESPACE)
        release.run_inside(trial.old, f"CREATE TABLESPACE elsewhere LOCATION '{TABLESPACE}'")
        try:
            release.wait("an Event says so", lambda: _said(release, trial.old, "TablespaceFound"), NOTICED_SECONDS)
            replicas = sorted(pod.name for pod in release.standbys())
            cloned = lambda: all(CLONED in release.agent_log(pod.name, RECENT_LINES) for pod in release.standbys())  # noqa: E731
            release.wait("the replicas are cloned", cloned, NOTICED_SECONDS)
            release.wait_full_strength(asker=trial.asker)
        finally:
            release.run_inside(trial.old, "DROP TABLESPACE elsewhere")
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert found.did("clone") == replicas


@pytest.mark.faults
def test_replica_that_is_promoted_by_hand(stock: Stock, spoilt: None, drill: Drills) -> None:
    """Somebody calls pg_promote() on a hot replica.

    Guarantee: its server ends, the primary continues, and nothing is lost; the replica is rewound
    or cloned, and follows again.
    """
    release = stock.get(HOT)
    with drill(release) as trial:
        replica, begun = release.standbys()[0].name, datetime.now(UTC)
        release.try_inside(replica, *PROMOTE)
        back = lambda: {"rewind", "clone"} & {*operations(release, begun)[replica]}  # noqa: E731
        release.wait("the replica is rewound or cloned", back, NOTICED_SECONDS)
        release.wait_full_strength(asker=trial.asker)
    found = trial.result
    assert (found.lost, found.claims) == (0, 0)
    assert {*found.did("rewind"), *found.did("clone")} == {replica}


def _said(release: Release, pod: Pod, reason: str) -> list[str]:
    return [event.message for event in release.events(f"involvedObject.uid={pod.uid}", f"reason={reason}")]
