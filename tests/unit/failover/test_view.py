"""What a member makes of its reads of the Lease."""

from __future__ import annotations

import pytest

from hapg_failover.core.model import NO_LEASE, Holder, LeaseObject, LeaseState, Pod, Publication, VolumeState
from hapg_failover.core.observation import LeaseView
from hapg_failover.core.view import is_older, see, without_lease

GAP = 3.2
STATE = LeaseState(Holder("pg-0", "u0"), 1, 6.0, "system")
OTHER = LeaseState(Holder("pg-1", "u1"), 2, 6.0, "system")


def read(version: str, state: LeaseState = STATE) -> LeaseObject:
    return LeaseObject(version, state)


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [("9", "10", True), ("10", "9", False), ("10", "10", False), ("a", "10", False), (NO_LEASE, "1", False)],
)
def test_versions_are_compared_as_numbers(version: str, than: str, older: bool) -> None:
    assert is_older(version, than) is older


BEFORE = LeaseView("10", STATE, 100.0, 101.0)


@pytest.mark.parametrize(
    ("why", "lease", "asked", "now", "expected"),
    [
        ("the same version within the gap ages on", read("10"), 103.0, 103.1, LeaseView("10", STATE, 100.0, 103.0)),
        ("an answer that was asked for earlier doesn't count as later", read("10"), 100.5, 103.1, BEFORE),
        ("another version begins anew", read("11", OTHER), 103.0, 103.1, LeaseView("11", OTHER, 103.1, 103.0)),
        ("an older version is ignored", read("9", OTHER), 103.0, 103.1, BEFORE),
        ("the first read after a gap begins anew", read("10"), 104.3, 104.4, LeaseView("10", STATE, 104.4, 104.3)),
        ("a Lease that is gone counts as unchanged", None, 103.0, 103.1, LeaseView("10", STATE, 100.0, 101.0, 103.1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_read(why: str, lease: LeaseObject | None, asked: float, now: float, expected: LeaseView) -> None:
    assert see(BEFORE, lease, asked, now, GAP) == expected


def test_the_first_read_begins_at_its_answer() -> None:
    assert see(None, read("10"), 5.0, 5.5, GAP) == LeaseView("10", STATE, 5.5, 5.0)


def test_no_lease_at_all_is_remembered_from_the_first_time() -> None:
    first = see(None, None, 5.0, 5.5, GAP)
    assert see(first, None, 7.0, 7.5, GAP) == LeaseView(NO_LEASE, None, 5.5, 7.0)


def test_it_remembers_since_when_the_lease_is_gone() -> None:
    gone = see(BEFORE, None, 102.0, 102.1, GAP)
    assert see(gone, None, 110.0, 110.1, GAP).missing_since == 102.1


def test_a_lease_that_is_back_is_not_missing() -> None:
    gone = see(BEFORE, None, 102.0, 102.1, GAP)
    assert see(gone, read("10"), 103.0, 103.1, GAP).missing_since is None


@pytest.mark.parametrize(
    ("seen", "said", "version"),
    [
        (LeaseView(NO_LEASE, None, 1.0, 1.0), (), "none"),
        (LeaseView("70", STATE, 1.0, 1.0, 2.0), (), "none@70"),
        (LeaseView("70", STATE, 1.0, 1.0, 2.0), ("none@50", "69", "none"), "none@70"),
        (LeaseView("9", STATE, 1.0, 1.0, 2.0), ("none@10",), "none@10"),
        (LeaseView(NO_LEASE, None, 1.0, 1.0), ("none@10", "none@x"), "none@10"),
    ],
)
def test_without_a_lease_the_last_one_that_anybody_has_seen_tells_this_time_from_others(
    seen: LeaseView, said: tuple[str, ...], version: str
) -> None:
    pods = tuple(Pod(f"pg-{n}", f"u{n}", "1", n, publication=Publication(v, "n", VolumeState.DATA)) for n, v in enumerate(said))
    assert without_lease(seen, (*pods, Pod("pg-9", "u9", "1", 9))) == version
