"""How a member interprets its reads of the Lease."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hapg_failover.core.state.lease_view import LeaseView, is_older, see, went_back, without_lease
from hapg_protocol.model import NO_LEASE, Holder, LeaseObject, LeaseState, Pod, PositionReport, VolumeState

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
        ("an older version that was asked for earlier is ignored", read("9", STATE), 99.9, 103.1, BEFORE),
        (
            "the same content under an older version: etcd has gone back, no harm",
            read("9"),
            103.0,
            103.1,
            LeaseView("9", STATE, 103.1, 103.0),
        ),
        ("a newer content under an older version", read("9", OTHER), 103.0, 103.1, LeaseView("9", OTHER, 103.1, 103.0)),
        ("the first read after a gap begins anew", read("10"), 104.3, 104.4, LeaseView("10", STATE, 104.4, 104.3)),
        ("a Lease that is gone counts as unchanged", None, 103.0, 103.1, LeaseView("10", STATE, 100.0, 101.0, 103.1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_read(why: str, lease: LeaseObject | None, asked: float, now: float, expected: LeaseView) -> None:
    assert see(BEFORE, lease, asked, now, GAP) == expected


LATER = LeaseState(Holder("pg-1", "u1"), 3, 6.0, "system", serial=8)
EARLIER = replace(LATER, serial=7)
RIVAL = replace(LATER, holder=Holder("pg-2", "u2"), serial=9)
KNOWN = LeaseView("10", LATER, 100.0, 101.0)


@pytest.mark.parametrize("older", [read("9", OTHER), read("9", EARLIER), read("11", OTHER), read("11", EARLIER), read("11", RIVAL)])
def test_a_lease_that_has_gone_back_is_as_good_as_deleted(older: LeaseObject) -> None:
    gone = see(KNOWN, older, 103.0, 103.1, GAP)
    assert gone == replace(KNOWN, missing_since=103.1, instead=older)
    assert went_back(KNOWN, gone)
    assert see(gone, older, 120.0, 120.1, GAP) == gone
    another = LeaseObject("12", older.state)
    assert see(gone, another, 130.0, 130.1, GAP) == replace(KNOWN, missing_since=130.1, instead=another)  # the writer is alive
    anew = LeaseObject("12", replace(LATER, term=4, serial=9))
    assert see(gone, anew, 140.0, 140.1, GAP, watched=True) == LeaseView("12", anew.state, 140.1, 140.0)


def test_a_watch_may_lag_but_a_version_that_is_newer_shows_what_is_there() -> None:
    assert see(KNOWN, read("9", EARLIER), 103.0, 103.1, GAP, watched=True) == KNOWN
    assert see(KNOWN, read("9", LATER), 103.0, 103.1, GAP, watched=True) == KNOWN
    assert see(KNOWN, read("11", EARLIER), 103.0, 103.1, GAP, watched=True).instead == read("11", EARLIER)
    gone = see(KNOWN, read("9", EARLIER), 103.0, 103.1, GAP)
    assert see(gone, read("10", LATER), 103.0, 103.2, GAP, watched=True) == gone  # an old event


def test_a_lease_below_the_term_that_our_volume_has_obeyed_is_over() -> None:
    """An agent that has just started remembers no Lease."""
    first = see(None, read("9", OTHER), 5.0, 5.5, GAP, floor=3)
    assert first == LeaseView(NO_LEASE, None, 5.5, 5.0, 5.5, read("9", OTHER))
    assert see(first, read("9", OTHER), 7.0, 7.5, GAP, floor=3) == first
    assert see(first, read("12", LATER), 7.0, 7.5, GAP, floor=3) == LeaseView("12", LATER, 7.5, 7.0)
    assert see(None, read("9", OTHER), 5.0, 5.5, GAP, floor=2) == LeaseView("9", OTHER, 5.5, 5.0)


def test_a_higher_version_alone_is_no_way_back() -> None:
    assert not went_back(KNOWN, see(KNOWN, read("11", LATER), 103.0, 103.1, GAP))
    assert went_back(KNOWN, see(KNOWN, read("9", LATER), 103.0, 103.1, GAP))


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
    pods = tuple(Pod(f"pg-{n}", f"u{n}", "1", n, report=PositionReport(v, "n", VolumeState.DATA)) for n, v in enumerate(said))
    assert without_lease(seen, (*pods, Pod("pg-9", "u9", "1", 9))) == version
