"""The Lease as one agent sees it over time (docs/protocol.md, rule 4, last paragraph)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hapg_protocol.model import NO_LEASE, LeaseObject, LeaseState, Pod


@dataclass(frozen=True)
class LeaseView:
    """The Lease as this agent last read it.

    state None: a read showed that there is no Lease. version: its resourceVersion; first_seen: CLOCK_BOOTTIME at which this version was
    first seen, or at which reading resumed after a gap; last_read: CLOCK_BOOTTIME of the last successful read; missing_since: since when
    reads have shown that a known Lease is missing or rolled back, which counts as unchanged for a minute (rule 14); instead: what the API
    shows in its place, if it was rolled back.
    """

    version: str
    state: LeaseState | None
    first_seen: float
    last_read: float
    missing_since: float | None = None
    instead: LeaseObject | None = None


GONE = NO_LEASE + "@"


def is_older(version: str, than: str) -> bool:
    """True if resourceVersion `version` is older than `than`.

    Versions are decimal numbers that grow within a resource (Kubernetes API concepts, 'Resource versions'); anything else is never older.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def without_lease(view: LeaseView, pods: Iterable[Pod]) -> str:
    """Return the version to report for when there is no Lease: NO_LEASE plus the last version of it that any pod has seen.

    This way, a report made during an earlier absence of the Lease doesn't count now. view: our own; pods: with their position reports.
    """
    said = [p.report.lease_version.removeprefix(GONE) for p in pods if p.report and p.report.lease_version.startswith(GONE)]
    last = max((int(version) for version in (view.version, *said) if version.isdecimal()), default=None)
    return NO_LEASE if last is None else f"{GONE}{last}"


def see(
    view: LeaseView | None, lease: LeaseObject | None, asked: float, now: float, gap: float, *, watched: bool = False, floor: int = 0
) -> LeaseView:
    """Return the view after a read that was sent at `asked` and answered at `now` (CLOCK_BOOTTIME; the same instant for a watch event).

    view: the previous view; lease: as read, None: there is none (404); gap: the longest time between two reads, in seconds, across which
    the age keeps counting; watched: it comes from a watch, so it may be older than an earlier read; floor: the highest term that our volume
    has obeyed in the Lease's cluster.
    """
    if lease is None:
        if view is None or view.state is None:
            return LeaseView(NO_LEASE, None, now if view is None else view.first_seen, asked)
        return replace(view, missing_since=_missing_since(view, None, now), instead=None)
    if view is None or view.state is None:
        if lease.state.term < floor:
            return _gone_back(view or LeaseView(NO_LEASE, None, now, asked), lease, now)
        return LeaseView(lease.version, lease.state, now, asked)
    # A read sent after a state was known returns that state or a later one; otherwise etcd was rolled back (Kubernetes API concepts,
    # 'Semantics for get and list': a GET without a resourceVersion returns the most recent data). A watch may lag.
    late = watched or asked < view.first_seen
    if lease.state.precedes(view.state):
        return view if late and not is_older((view.instead or view).version, lease.version) else _gone_back(view, lease, now)
    is_same = not view.state.precedes(lease.state)
    if is_same and late and (view.instead is not None or is_older(lease.version, view.version)):
        return view
    if lease.version != view.version or asked - view.last_read > gap:
        return LeaseView(lease.version, lease.state, now, asked)
    return replace(view, last_read=max(view.last_read, asked), missing_since=None, instead=None)


def _gone_back(view: LeaseView, lease: LeaseObject, now: float) -> LeaseView:
    """Return the view when the API shows an older Lease, as after a restore of etcd from a snapshot: the known Lease counts as deleted."""
    return replace(view, missing_since=_missing_since(view, lease, now), instead=lease)


def _missing_since(view: LeaseView, instead: LeaseObject | None, now: float) -> float:
    """Return since when the API has shown `instead` in the Lease's place. A change restarts the time: the pod that writes is alive."""
    return now if view.missing_since is None or view.instead != instead else view.missing_since


def went_back(before: LeaseView, after: LeaseView) -> bool:
    """True if a read showed that etcd was rolled back: an older Lease, or a lower version."""
    return (before.instead is None and after.instead is not None) or is_older(after.version, before.version)
