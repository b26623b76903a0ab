"""The Lease as one member sees it over time (docs/protocol.md, rule 4, last paragraph)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from .model import NO_LEASE, LeaseObject, Pod
from .observation import LeaseView

GONE = NO_LEASE + "@"


def is_older(version: str, than: str) -> bool:
    """Tell whether resourceVersion `version` is older.

    They are decimal numbers that grow within a resource (Kubernetes API concepts, 'Resource versions'); anything else is never older.
    """
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)


def without_lease(view: LeaseView, pods: Iterable[Pod]) -> str:
    """Return the version to publish under when there is no Lease: NO_LEASE and the last version that anybody here has seen of it.

    So what was said when another Lease was gone, longer ago, doesn't count as said now. pods: whose publications are known.
    """
    said = [p.publication.lease_version.removeprefix(GONE) for p in pods if p.publication and p.publication.lease_version.startswith(GONE)]
    last = max((int(version) for version in (view.version, *said) if version.isdecimal()), default=None)
    return NO_LEASE if last is None else f"{GONE}{last}"


def see(view: LeaseView | None, lease: LeaseObject | None, asked: float, now: float, gap: float) -> LeaseView:
    """Return the view after a read that was sent at `asked` and answered at `now` (boot time; a watch event: both alike).

    lease None: there is none (404). gap: the longest time between two reads, in seconds, through which the age still counts.
    """
    if lease is None:
        if view is None or view.state is None:
            return LeaseView(NO_LEASE, None, now if view is None else view.first_seen, asked)
        return replace(view, missing_since=now if view.missing_since is None else view.missing_since)
    if view is None or view.state is None:
        return LeaseView(lease.version, lease.state, now, asked)
    if is_older(lease.version, view.version):
        return view
    if lease.version != view.version or asked - view.last_read > gap:
        return LeaseView(lease.version, lease.state, now, asked)
    return replace(view, last_read=max(view.last_read, asked), missing_since=None)
