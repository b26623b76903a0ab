"""The Lease and the position report as JSON: reading returns what was written, and unreadable values are rejected by name."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hapg_protocol import lease, pods, position_report
from hapg_protocol.lsn import Position
from hapg_protocol.model import EligibleReplica, Holder, LeaseState, Pod, PodPatch, PositionReport, Release, SyncRecord, VolumeState
from hapg_protocol.recovery import Progress

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)
texts = st.text(max_size=20)
maybe = st.none() | texts
seconds = st.floats(0, 1e6)
lsns = st.integers(0, 2**64 - 1)
positions = st.none() | st.builds(Position, st.integers(1, 2**32 - 1), lsns)
states = st.builds(
    LeaseState,
    holder=st.builds(Holder, texts, texts),
    term=st.integers(0, 2**31 - 1),
    ttl_s=seconds,
    system_identifier=maybe,
    volume=maybe,
    address=maybe,
    timeline=st.integers(0, 2**32 - 1),
    eligible=st.lists(st.builds(EligibleReplica, texts, texts), max_size=4).map(tuple),
    release=st.none() | st.builds(Release, texts, st.booleans(), positions, maybe, seconds),
    sync=st.none() | st.lists(texts, min_size=2, max_size=4).map(lambda volumes: SyncRecord(2, tuple(volumes))),
    recovery=st.none() | st.builds(Progress, lsns, lsns, lsns, st.integers(0, 2**63 - 1)),
    protocol=st.integers(1, 9),
)
reports = st.builds(
    PositionReport,
    texts,
    texts,
    st.sampled_from(VolumeState),
    maybe,
    maybe,
    positions,
    st.booleans(),
    st.integers(0, 2**31),
    st.booleans(),
    foreign=st.booleans(),
)


@given(states)
def test_every_state_is_read_as_it_was_written(state: LeaseState) -> None:
    assert lease.decode(lease.encode(state)) == state


@given(reports)
def test_every_report_is_read_as_it_was_written(said: PositionReport) -> None:
    assert position_report.decode(position_report.encode(said)) == said


GOOD: dict[str, Any] = {
    "protocol": 1,
    "holder": {"pod": "db-0", "uid": "u"},
    "term": 3,
    "ttlSeconds": 6,
    "eligibleReplicas": [{"pod": "db-0", "volume": "v"}],
    "release": {"reason": "r", "position": {"timeline": 1, "lsn": "0/5"}},
}


def test_fields_of_a_newer_version_are_passed_over() -> None:
    state = lease.decode(json.dumps(GOOD | {"lease_extensions": {"seconds": 1.6}}))
    assert state.release == Release("r", False, Position(1, 5))


def test_a_lease_of_an_older_version_has_no_synchronous_set() -> None:
    assert lease.decode(json.dumps(GOOD)).sync is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"holder": None}, "ha-postgres/state.holder: missing"),
        ({"holder": {"pod": "db-0"}}, "ha-postgres/state.holder.uid: missing"),
        ({"holder": "db-0"}, "ha-postgres/state.holder: expected an object, found str"),
        ({"term": "3"}, "ha-postgres/state.term: expected a whole number from 0, found '3'"),
        ({"term": -1}, "ha-postgres/state.term: expected a whole number from 0, found -1"),
        ({"term": True}, "ha-postgres/state.term: expected a whole number from 0, found True"),
        ({"ttlSeconds": "6"}, "ha-postgres/state.ttlSeconds: expected a number of seconds, found '6'"),
        ({"eligibleReplicas": {}}, "ha-postgres/state.eligibleReplicas: expected a list, found {}"),
        ({"eligibleReplicas": [{"pod": "db-0"}]}, r"ha-postgres/state.eligibleReplicas\[0\].volume: missing"),
        ({"address": 7}, "ha-postgres/state.address: expected a string, found 7"),
        ({"sync": {"k": 1, "volumes": "v1"}}, "ha-postgres/state.sync.volumes: expected a list of strings, found 'v1'"),
        ({"sync": {"k": 2, "volumes": ["v1"]}}, "ha-postgres/state.sync: 1 volumes can't hold 2 copies"),
        ({"sync": {"k": 0, "volumes": ["v1"]}}, "ha-postgres/state.sync: 1 volumes can't hold 0 copies"),
        ({"release": {"reason": "r", "clean": 1}}, "ha-postgres/state.release.clean: expected true or false, found 1"),
        ({"release": {"reason": "r", "position": {"timeline": 1, "lsn": "5"}}}, "not an LSN: '5'"),
    ],
)
def test_what_cant_be_read_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lease.decode(json.dumps(GOOD | change))


@pytest.mark.parametrize("text", ["", "[]", "null", "{", '{"protocol": 1'])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ha-postgres/state: "):
        lease.decode(text)


def test_the_spec_repeats_what_kubernetes_has_fields_for() -> None:
    state = LeaseState(Holder("db-0", "u"), 3, 5.2)
    made = lease.to_object(state, "db", {"app": "db"}, NOW, None)
    assert made["spec"] == {
        "holderIdentity": "db-0/u",
        "leaseDurationSeconds": 6,
        "leaseTransitions": 3,
        "acquireTime": "2026-01-02T03:04:05.678901Z",
        "renewTime": "2026-01-02T03:04:05.678901Z",
    }
    later = lease.to_object(state, "db", {}, NOW.replace(microsecond=678902), made)
    assert later["spec"]["acquireTime"] == made["spec"]["acquireTime"]
    assert later["spec"]["renewTime"] == "2026-01-02T03:04:05.678902Z"
    claimed = lease.to_object(LeaseState(Holder("db-1", "w"), 4, 6), "db", {}, NOW.replace(year=2027), made)
    assert claimed["spec"]["acquireTime"] == "2027-01-02T03:04:05.678901Z"
    assert claimed["metadata"]["labels"] == {"app": "db"}


@given(states, states)
def test_an_object_carries_the_last_state_whatever_came_before(first: LeaseState, second: LeaseState) -> None:
    before = lease.to_object(first, "db", {}, NOW, None)
    after = lease.to_object(second, "db", {}, NOW, before)
    assert lease.from_object(after).state == second


def test_a_pod_is_read() -> None:
    said = PositionReport("7", "nonce", VolumeState.EMPTY)
    pod = {
        "metadata": {
            "name": "my-db-12",
            "uid": "u",
            "resourceVersion": "9",
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"role": "primary"},
            "annotations": {position_report.ANNOTATION: position_report.encode(said)},
        },
        "spec": {"nodeName": "node1"},
        "status": {"podIP": "10.0.0.1", "conditions": [{"type": "Initialized", "status": "False"}, {"type": "Ready", "status": "True"}]},
    }
    assert pods.from_object(pod, "my-db", "role") == Pod("my-db-12", "u", "9", 12, "10.0.0.1", "node1", "primary", True, True, said)
    assert pods.from_object(pod, "my", "role") is None


@pytest.mark.parametrize("text", ["", "{}", '{"leaseVersion": "1", "nonce": "n", "state": "odd"}'])
def test_an_unreadable_report_counts_as_none(text: str) -> None:
    pod = pods.from_object({"metadata": {"name": "db-0", "annotations": {position_report.ANNOTATION: text}}}, "db", "role")
    assert pod is not None
    assert pod.report is None


def test_a_patch_holds_only_what_changes() -> None:
    assert pods.merge_patch(PodPatch("db-0", "u", labels={"role": None})) == {"metadata": {"uid": "u", "labels": {"role": None}}}
