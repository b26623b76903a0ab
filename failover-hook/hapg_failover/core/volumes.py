"""Whether a pod's volumes are its own: made for its claim (rule 13), with data and WAL that belong together (docs/contract.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .state.lease_view import LeaseView
from .state.volume import Origin


class Link(Enum):
    """Where the data directory's WAL is. NONE: there is no data directory; INSIDE: in the data directory itself; THERE: in a directory on
    the WAL volume; LOST: in a directory that doesn't exist.
    """

    NONE = "none"
    INSIDE = "inside"
    THERE = "there"
    LOST = "lost"


@dataclass(frozen=True)
class Pair:
    """The markers and probes on two volumes. data, wal: the UUIDs in their markers, None without one; data_probe, wal_probe: the numbers of
    the last probes written; a probe is written to the WAL volume first.
    """

    data: str | None
    wal: str | None
    link: Link
    data_probe: int
    wal_probe: int


def mismatch(pair: Pair) -> str | None:
    """Return why neither volume may be touched, because they may hold someone's only copy; None if both are this pod's."""
    if pair.link is Link.INSIDE:
        return "the data directory holds its WAL itself, as it was made without walVolume: nothing is touched"
    if pair.wal not in (None, pair.data) and pair.link is not Link.THERE:
        data = "empty" if pair.data is None else f"volume {pair.data}"
        return f"the WAL volume belongs to volume {pair.wal}, the data volume is {data}: nothing is touched"
    return None


def damage(pair: Pair) -> str | None:
    """Return what is wrong with the WAL of an initialised pair that isn't mismatched, or None if nothing is."""
    if pair.link is Link.LOST:
        return "the WAL volume doesn't hold the data directory's WAL: it was lost"
    if pair.wal != pair.data:
        return f"the WAL volume is not marked as that of volume {pair.data}"
    if pair.wal_probe < pair.data_probe:
        return f"the WAL volume is older than the data volume: its last probe is {pair.wal_probe}, the data volume's {pair.data_probe}"
    return None


def foreign_link(link: Link) -> str | None:
    """Return why a data directory can't be used without a WAL volume, or None if it contains its WAL itself. link: as in `Pair`."""
    if link in (Link.THERE, Link.LOST):
        return "the data directory's WAL is on a WAL volume, and the release has none (walVolume): nothing is touched"
    return None


def origin_of(made_for: str | None, claim: str | None, accepted: bool, system_identifier: str | None, lease: LeaseView | None) -> Origin:
    """Return the origin of a volume, comparing its marker with our claim.

    made_for: the claim in the marker; claim: ours; None: not known; accepted: an operator wants this data, wherever it comes from;
    system_identifier: the volume's cluster; lease: the Lease as seen.

    A volume of another claim of this release is a copy, whose original may be in use. A volume of another release is a restore while this
    release has no Lease; otherwise it is a copy too, because the release already has the data. Data of another cluster than the Lease's is
    not treated as a copy.
    """
    if made_for is None or claim is None or made_for == claim:
        return Origin.OWN
    if accepted:
        return Origin.ADOPTABLE
    state = lease.state if lease is not None else None
    if state is not None and state.system_identifier not in (None, system_identifier):
        return Origin.OWN
    return Origin.COPIED if state is not None or _release(made_for) == _release(claim) else Origin.ADOPTABLE


def _release(claim: str) -> str:
    return claim.rpartition("-")[0]


def copy_in_words(made_for: str | None, claim: str | None) -> str:
    """Return a description of a volume that is a copy."""
    return f"the volume was made for {made_for}, this pod is {claim}: it is a copy, for example of a VolumeSnapshot, or was moved by hand"
