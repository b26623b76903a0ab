"""The Lease as one member sees it over time (docs/protocol.md, rule 4, last paragraph)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hapg_protocol.model import NO_LEASE, LeaseObject, LeaseState, Pod


@dataclass(frozen=True)
class LeaseView:
    """The Lease as this member last read it.

    state None: a read said that there is none. version: its resourceVersion; first_seen: boot time at which this version was seen
    first, or at which reading began again after a gap; last_read: boot time of the last successful read; missing_since: since when
    reads say that a Lease that was there is gone, or has gone back, which counts as unchanged for a minute (rule 14); instead: what the
    API shows in its place, if it has gone back.
    """

    version: str
    state: LeaseState | None
    first_seen: float
    last_read: float
    missing_since: float | None = None
    instead: LeaseObject | None = None


GONE = NO_LEASE + "@"


def is_older(version: str, than: str) -> bool:
    """Tell whether resourceVersion `version` is older.

    They are decimal numbers that grow within a resource (Kubernetes API concepts, 'Resource versions'); anything else is never older.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def without_lease(view: LeaseView, pods: Iterable[Pod]) -> str:
    """Return the version to report under when there is no Lease: NO_LEASE and the last version that anybody here has seen of it.

    So what was said when another Lease was gone, longer ago, doesn't count as said now. pods: whose position reports are known.
    """
    said = [p.report.lease_version.removeprefix(GONE) for p in pods if p.report and p.report.lease_version.startswith(GONE)]
    last = max((int(version) for version in (view.version, *said) if version.isdecimal()), default=None)
    return NO_LEASE if last is None else f"{GONE}{last}"


def see(
    view: LeaseView | None, lease: LeaseObject | None, asked: float, now: float, gap: float, *, watched: bool = False, floor: int = 0
) -> LeaseView:
    """Return the view after a read that was sent at `asked` and answered at `now` (boot time; a watch event: both alike).

    lease None: there is none (404). gap: the longest time between two reads, in seconds, through which the age still counts. watched: it
    comes from a watch, so it may be older than what was read before. floor: the highest term that our volume has obeyed
    in the cluster of the Lease.
    """
    if lease is None:
        if view is None or view.state is None:
            return LeaseView(NO_LEASE, None, now if view is None else view.first_seen, asked)
        return replace(view, missing_since=_missing_since(view, None, now), instead=None)
    if view is None or view.state is None:
        if lease.state.term < floor:
            return _gone_back(view or LeaseView(NO_LEASE, None, now, asked), lease, now)
        return LeaseView(lease.version, lease.state, now, asked)
    # A read that was sent after something was known shows that or what came later; else etcd has gone back (Kubernetes API concepts,
    # 'Semantics for get and list': without a resourceVersion a GET answers what is there). A watch may lag.
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
    """The API shows an older Lease, as when etcd was restored from a snapshot: it is as good as deleted."""
    return replace(view, missing_since=_missing_since(view, lease, now), instead=lease)


def _missing_since(view: LeaseView, instead: LeaseObject | None, now: float) -> float:
    """Return since when there is this in the Lease's place: whoever writes there, lives."""
    return now if view.missing_since is None or view.instead != instead else view.missing_since


def went_back(before: LeaseView, after: LeaseView) -> bool:
    """Tell whether a read has shown that etcd has gone back: an older Lease, or a lower version."""
    return (before.instead is None and after.instead is not None) or is_older(after.version, before.version)
