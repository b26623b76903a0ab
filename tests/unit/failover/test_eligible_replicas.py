"""Which replicas are recorded as eligible."""

from __future__ import annotations

import pytest

from hapg_failover.core.eligible_replicas import next_eligible
from hapg_failover.core.state.streaming import Streaming
from hapg_protocol.model import EligibleReplica, Pod, PositionReport, VolumeState

NOW = 1000.0
HEAD = 4 << 30
FAR = HEAD - (1 << 30) - 1
SEGMENT = 16 << 20
ONE, TWO = EligibleReplica("pg-1", "v1"), EligibleReplica("pg-2", "v2")
SILENT = EligibleReplica("pg-1", "v1", streaming=False)


def pod(number: int, volume: str | None) -> Pod:
    said = None if volume is None else PositionReport("1", "n", VolumeState.DATA, volume)
    return Pod(f"pg-{number}", f"u{number}", "1", number, report=said)


def live(number: int, flushed: int | None = HEAD - 50) -> Streaming:
    return Streaming(f"pg-{number}", NOW - 5, NOW, flushed)


def gone(number: int, seconds: float) -> Streaming:
    return Streaming(f"pg-{number}", None, NOW - seconds, HEAD - 50)


PODS = (pod(1, "v1"), pod(2, "v2"))


@pytest.mark.parametrize(
    ("why", "current", "streaming", "pods", "held_for", "expected"),
    [
        ("one that streams is added", (), (live(1),), PODS, 5.0, (ONE,)),
        ("one a segment behind is, as under load", (), (live(1, HEAD - SEGMENT),), PODS, 5.0, (ONE,)),
        ("one as far behind as may be is", (), (live(1, FAR + 1),), PODS, 5.0, (ONE,)),
        ("one too far behind isn't", (), (live(1, FAR),), PODS, 5.0, ()),
        ("one of unknown position isn't", (), (live(1, None),), PODS, 5.0, ()),
        ("one of unknown volume isn't", (), (live(1),), (pod(1, None),), 5.0, ()),
        ("one that lags later stays", (ONE,), (live(1, FAR),), PODS, 500.0, (ONE,)),
        ("one that was silent for 29 s stays", (ONE,), (gone(1, 29.0),), PODS, 500.0, (SILENT,)),
        ("one that streams again is said to", (SILENT,), (live(1),), PODS, 500.0, (ONE,)),
        ("an old look tells nothing", (ONE,), (Streaming("pg-1", NOW - 50, NOW - 6, 100),), PODS, 500.0, (SILENT,)),
        ("a copy that streams has the name, not the data", (ONE,), (live(1),), (pod(1, None),), 500.0, (SILENT,)),
        ("one that was silent for 30 s goes", (ONE, TWO), (gone(1, 30.0), live(2)), PODS, 500.0, (TWO,)),
        ("silence counts from our own promotion at the earliest", (ONE,), (gone(1, 300.0),), PODS, 29.0, (SILENT,)),
        ("one never seen goes after 30 s", (ONE,), (), PODS, 30.0, ()),
        ("a new volume takes its pod's place", (ONE,), (live(1),), (pod(1, "new"),), 5.0, (EligibleReplica("pg-1", "new"),)),
        ("the list is sorted", (TWO,), (live(1), live(2)), PODS, 5.0, (ONE, TWO)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_eligible_replicas(
    why: str,
    current: tuple[EligibleReplica, ...],
    streaming: tuple[Streaming, ...],
    pods: tuple[Pod, ...],
    held_for: float,
    expected: tuple[EligibleReplica, ...],
) -> None:
    assert next_eligible(current, streaming, pods, HEAD, NOW, held_for) == expected


@pytest.mark.parametrize(("streaming", "expected"), [((), ()), ((live(1, FAR),), (ONE,)), ((gone(1, 1.0),), ())])
def test_the_holder_before_us_goes_at_once_unless_it_streams(
    streaming: tuple[Streaming, ...], expected: tuple[EligibleReplica, ...]
) -> None:
    silent = EligibleReplica("pg-2", "v2", streaming=False)
    assert next_eligible((ONE, TWO), streaming, PODS, HEAD, NOW, 0.1, "v1") == (*expected, silent)


def test_nobody_is_added_while_our_own_position_is_unknown() -> None:
    assert next_eligible((), (live(1),), PODS, None, NOW, 5.0) == ()
