"""The output of `hapg status`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from hapg.operate import release, status
from hapg.operate.release import OperateError
from hapg_protocol.lsn import Position
from hapg_protocol.model import Holder, LeaseState, VolumeState
from hapg_protocol.model import Release as Released
from hapg_protocol.recovery import Progress
from tests.unit.operate.conftest import GIVEN_BACK, HELD, NOW, FakeCluster, config, importing, job_pod, lease, pod, pods, said

GONE = replace(HELD, holder=Holder("pg-0", "another"))
FREE = replace(HELD, release=GIVEN_BACK)
RECOVERING = replace(HELD, recovery=Progress(0, 1_200_000_000, 3_000_000_000, 45_000_000))
SHUT_DOWN = replace(HELD, release=Released("switchover", True, Position(4, 0x1000100), "pg-1"))


def test_a_healthy_release_as_a_table() -> None:
    assert status.table(FakeCluster(lease=lease(replace(HELD, position=Position(4, 100)))).read()) == (
        "release   pg in namespace demo, 3 replicas\n"
        "lease     held by pg-0 since term 7, renewed 1.0 s ago (TTL 6 s)\n"
        "eligible  pg-1, pg-2\n"
        "WAL       timeline 4, 4:0/64 at the last renewal\n"
        "\n"
        "POD   ROLE     STATE    NODE   TIMELINE  POSITION  LAG  ELIGIBLE\n"
        "pg-0  primary  Running  node1  -         -         -    -\n"
        "pg-1  replica  Running  node2  -         -         -    yes\n"
        "pg-2  replica  Running  node3  -         -         -    yes"
    )


def test_a_release_that_waits_shows_positions_and_what_each_lacks() -> None:
    cluster = FakeCluster(
        [pod(0, "primary", ready=False), pod(1, position_report=said(1, 0x1000040)), pod(2, position_report=said(2, 0x1000000))],
        lease(SHUT_DOWN, 20.0),
    )
    text = status.table(cluster.read())
    assert "lease     released by pg-0 after term 7: switchover\n" in text
    assert "pg-1  replica  Running             node2  4         4:0/1000040  192  yes\n" in text
    assert "pg-0  primary  Running, not ready  node1  -         -            -    -\n" in text
    document = status.document(cluster.read())
    assert (document["primary"], document["lease"]["held"]) == (None, False)
    assert document["lease"]["release"] == {"reason": "switchover", "position": "4:0/1000100", "successor": "pg-1"}
    assert [each["lagBytes"] for each in document["pods"]] == [None, 192, 256]


def test_a_healthy_release_for_programs() -> None:
    document = status.document(FakeCluster().read())
    assert (document["release"], document["primary"], document["warnings"]) == ("pg", "pg-0", [])
    assert document["lease"]["renewedSecondsAgo"] == 1.0
    assert document["pods"][1] == {
        "name": "pg-1",
        "role": "replica",
        "phase": "Running",
        "ready": True,
        "deleting": False,
        "node": "node2",
        "timeline": None,
        "position": None,
        "lagBytes": None,
        "eligible": True,
    }


@pytest.mark.parametrize(
    ("cluster", "words"),
    [
        (FakeCluster(lease=None), "nobody can write: there is no Lease"),
        (FakeCluster(lease=lease(RECOVERING)), "nobody can write: pg-0 is recovering, 1.2 of 3.0 GB, about 40 s left"),
        (FakeCluster(lease=lease(age=9.0)), "no holder: pg-0 has not renewed the Lease for 9 s; its TTL is 6 s"),
        (FakeCluster(lease=lease(FREE, 2.0)), "no holder: pg-0 released the Lease 2 s ago (the server died), nobody has claimed it"),
        (FakeCluster(lease=lease(FREE)), "waiting: pg-1 has not reported its WAL position"),
        (
            FakeCluster([*pods(0), pod(1, position_report=said(1, 200)), pod(2, position_report=said(2, 100))], lease(FREE)),
            "waiting: maxLagBytes 60: pg-2 lacks 100 bytes of WAL; `hapg failover pg --namespace demo --force --to pg-2` promotes it",
        ),
        (
            FakeCluster([*pods(0), pod(1, position_report=said(1, 200))], lease(replace(FREE, position=Position(5, 300)))),
            "waiting: maxLagBytes 60: pg-1 lacks 100 bytes of WAL",
        ),
        (
            FakeCluster([*pods(0), pod(1, position_report=said(1, 200, volume="new"))], lease(FREE)),
            "waiting: pg-1 is not an eligible replica and may lack acknowledged rows; `hapg failover pg",
        ),
        (
            FakeCluster([*pods(0), pod(1, position_report=said(1, 200, volume="new"))], lease(age=9.0)),
            "waiting: pg-1 is not an eligible replica, and pg-0 may still write: a forced failover to it is not possible",
        ),
        (
            FakeCluster([*pods(0), pod(1, position_report=said(1, 200)), pod(2, position_report=said(2, 900, 3))], lease(FREE)),
            "waiting: pg-2 is on timeline 3, older than 4",
        ),
        (
            FakeCluster(
                [*pods(0), pod(1, position_report=said(1, 200)), pod(2, position_report=said(2, 900, 5, foreign=True))], lease(FREE)
            ),
            "waiting: the server of pg-2 was promoted outside the Lease; `hapg failover pg",
        ),
        (FakeCluster([pod(0, "primary"), pod(1, "primary"), pod(2)]), "2 pods are labelled primary: pg-0, pg-1"),
        (FakeCluster([pod(0), pod(1), pod(2)]), "nobody can write: no pod is labelled primary, so the Service has no endpoint"),
        (FakeCluster([pod(0), pod(1, "primary"), pod(2)]), "pg-1 is labelled primary, but pg-0 holds the Lease"),
        (FakeCluster(lease=lease(GONE)), "the Lease's holder, pod pg-0, no longer exists"),
        (FakeCluster(lease=lease(replace(HELD, eligible=()))), "the Lease has no eligible replicas: nobody could take over"),
        (FakeCluster(lease=lease(replace(HELD, eligible=HELD.eligible[:1]))), "pg-2 is not an eligible replica: it does not stream"),
        (FakeCluster(pods(0, 1)), "missing: pg-2"),
        (FakeCluster([*pods(0, 1), pod(2, ready=False)]), "pg-2 is not ready: its Events say why"),
        (FakeCluster([*pods(0, 1), pod(2, switchover="{}")]), "pg-2 has not answered a request: {}"),
        (FakeCluster([*pods(0, 1), pod(2, refused="no such value")]), "pg-2 refuses its configuration: no such value"),
        (
            FakeCluster([*pods(0, 1), pod(2, start_settings="0123456789abcdef fedcba9876543210")]),
            "pg-2 runs with settings that have changed: its server has yet to restart, in its turn",
        ),
        (
            FakeCluster([pod(0, ready=False, not_created="seed failed: no route")]),
            "pg-0 could not make the first server, and tries again: seed failed: no route",
        ),
        (FakeCluster([pod(0, ready=False, not_upgraded="no room")]), "pg-0 keeps its data as it is, of another major: no room"),
        (FakeCluster([pod(0, "primary", not_applied="role a: no"), *pods(1, 2)]), "roles and databases are not as declared: role a: no"),
        (FakeCluster([*pods(0, 1), pod(2, not_following="no route")]), "pg-2 does not stream from the primary: no route"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_said(cluster: FakeCluster, words: str) -> None:
    assert [text for text in status.warnings(cluster.read()) if words in text] != []


def test_what_a_former_primary_said_of_roles_counts_for_nothing() -> None:
    assert status.warnings(FakeCluster([*pods(0, 1), pod(2, not_applied="role a: no")]).read()) == []


def test_one_server_alone_is_well() -> None:
    alone = FakeCluster(pods(0), lease(replace(HELD, eligible=())), config(replicas=1))
    assert status.warnings(alone.read()) == []


def test_a_position_holds_under_the_leases_present_version_only() -> None:
    old = FakeCluster([*pods(0, 1), pod(2, position_report=said(2, 100, lease_version="49"))]).read()
    assert status.current_position(old, old.pods[2]) is None


def test_an_unreadable_annotation_is_none() -> None:
    seen = FakeCluster([pod(0, "primary"), pod(1, position_report="{", answer="[]")]).read()
    assert (seen.pods[1].report, seen.answers) == (None, {})


def test_other_pods_of_the_selection_are_left_out() -> None:
    stranger = pod(1)
    stranger["metadata"]["name"] = "pg-backup-1"
    assert [each.name for each in FakeCluster([pod(0), stranger]).read().pods] == ["pg-0"]


def test_a_release_that_is_not_there() -> None:
    with pytest.raises(OperateError, match="release pg not found in namespace demo: no ConfigMap pg-config"):
        FakeCluster(config=None).read()


def test_a_lease_of_somebody_else() -> None:
    strange = lease()
    strange["metadata"]["annotations"] = {}
    with pytest.raises(
        OperateError, match="release pg: its objects in the cluster can't be read: Lease pg has no annotation ha-postgres/state"
    ):
        release.read(FakeCluster(lease=strange), "pg", NOW)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"metadata": {"annotations": {"ha-postgres/state": "{}"}}}, "ha-postgres/state.holder: missing"),
        ({"spec": None}, "spec.renewTime: missing"),
        ({"spec": {"renewTime": "soon"}}, "spec.renewTime: Invalid isoformat string: 'soon'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_unreadable_lease_is_an_error_with_the_fields_name(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(OperateError) as caught:
        release.read(FakeCluster(lease=lease() | wrong), "pg", NOW)
    assert str(caught.value) == f"release pg: its objects in the cluster can't be read: {words}"


def test_a_volume_without_data_is_shown_without_a_position() -> None:
    empty = FakeCluster([*pods(0), pod(1, position_report=said(1, 0, state=VolumeState.EMPTY, position=None, volume=None))]).read()
    assert status.document_of(empty, empty.pods[1])["position"] is None


def test_a_recovery_is_shown_to_people_and_programs() -> None:
    seen = FakeCluster(lease=lease(RECOVERING)).read()
    assert "recovery  recovering, 1.2 of 3.0 GB, about 40 s left\n" in status.table(seen)
    document = status.document(seen)
    assert (document["writable"], document["primary"]) == (False, "pg-0")
    assert document["lease"]["recovery"]["replayed"] == 1_200_000_000


def test_a_primary_that_waits_for_slow_volumes_is_told() -> None:
    slow = FakeCluster(lease=lease(replace(HELD, hangs=2))).read()
    sentence = "volumes seem to hang: 2 in a row cost a primary the Lease, so pg-0 waits longer for its own than usual; commits wait too"
    assert sentence in status.warnings(slow)
    assert sentence not in status.warnings(FakeCluster(lease=lease(HELD)).read())


@pytest.mark.parametrize("state", [HELD, FREE])
def test_a_pod_whose_agent_does_not_know_the_leases_protocol(state: LeaseState) -> None:
    """Shown while the Lease is held too: such a replica can't take over, and a forced failover to
    it is not offered.
    """
    cluster = FakeCluster(
        [pod(0, "primary"), pod(1, position_report=said(1, 100)), pod(2, position_report=said(2, 100, protocol=2))],
        lease(replace(state, protocol=2)),
    )
    told = [text for text in status.warnings(cluster.read()) if "pg-1" in text]
    assert told == [
        "the Lease has protocol 2, the agent of pg-1 knows 1: it can't take over, not even by force, until its failover image is upgraded"
    ]


WAITING = {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}
JOB = "job-2026-01-02T03:00:00Z"


@pytest.mark.parametrize(
    ("pods_of_the_job", "logs", "state"),
    [
        ([], {}, "its Job has no pod; see `kubectl describe job`"),
        ([job_pod("Running")], {JOB: "import: app: restored objects 3 of 9\n"}, "running: app: restored objects 3 of 9"),
        ([job_pod("Running")], {}, f"running: `kubectl logs {JOB}` says more"),
        ([job_pod("Pending", status=WAITING)], {}, "pending: no such image"),
        ([job_pod("Failed", "2026-01-01T03:00:00Z"), job_pod("Succeeded")], {}, "done"),
    ],
)
def test_the_progress_of_an_import_is_shown(pods_of_the_job: list[dict[str, Any]], logs: dict[str, str], state: str) -> None:
    seen = FakeCluster(config=importing(), imports=pods_of_the_job, logs=logs).read()
    assert f"import    {state}" in status.table(seen)
    assert status.document(seen)["import"] == state


def test_a_release_that_imports_nothing_shows_nothing() -> None:
    seen = FakeCluster().read()
    assert "import" not in status.table(seen)
    assert status.document(seen)["import"] is None
