"""Which replication slots the primary keeps."""

from __future__ import annotations

import pytest

from hapg_failover.core import replication_slots
from hapg_failover.core.replication_slots import Change
from hapg_failover.core.state.observation import Slot
from hapg_failover.core.state.streaming import Streaming
from hapg_protocol.model import EligibleReplica

ONE, TWO = Slot("pg_1", True), Slot("pg_2", False)


@pytest.mark.parametrize(
    ("pod", "name"),
    [("ha-postgres-0", "ha_postgres_0"), ("a-b-12", "a_b_12"), ("A.b-3", "a_b_3"), ("x1-0", "x1_0")],
)
def test_a_slot_is_named_after_its_pod(pod: str, name: str) -> None:
    assert replication_slots.name_of(pod) == name


@pytest.mark.parametrize(
    ("why", "replicas", "members", "streaming", "existing", "change"),
    [
        ("after a promotion: all others at once", 3, ["pg-1"], [], [], Change(make=("pg_1", "pg_2"))),
        ("a copy that streams has none", 2, ["pg-1"], [Streaming("clone.pg-1", 1.0, 1.0, 0)], [ONE], Change()),
        ("all there", 3, ["pg-1", "pg-2"], [], [ONE, TWO], Change()),
        ("never one for ourselves", 1, [], [], [], Change()),
        ("one that was made for us elsewhere goes", 2, [], [], [Slot("pg_0", False), ONE], Change(drop=("pg_0",))),
        ("a member that is away keeps its slot", 3, ["pg-1"], [], [ONE, TWO], Change()),
        ("scaled down, still a member", 1, ["pg-1"], [], [ONE], Change()),
        ("scaled down, still streaming", 1, [], [Streaming("pg-1", 1.0, 1.0, 5)], [], Change(make=("pg_1",))),
        ("scaled down and gone", 2, ["pg-1"], [Streaming("pg-2", None, 1.0, 5)], [ONE, TWO], Change(drop=("pg_2",))),
        ("scaled down, but the slot is in use", 2, ["pg-1"], [], [ONE, Slot("pg_2", True)], Change()),
        ("others' slots aren't ours", 2, [], [], [ONE, Slot("backup", False), Slot("pg_1_copy", False), Slot("xpg_7", False)], Change()),
    ],
)
def test_plan(why: str, replicas: int, members: list[str], streaming: list[Streaming], existing: list[Slot], change: Change) -> None:
    listed = [EligibleReplica(pod, f"volume of {pod}") for pod in members]
    assert replication_slots.plan("pg-0", replicas, listed, streaming, existing) == change, why
