"""Whether the volumes of a member are its own: made for its claim (rule 13), data and WAL belonging together (docs/contract.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from .state.lease_view import LeaseView
from .state.volume import Origin


class Link(Enum):
    """Where the data directory's WAL is: NONE: there is no data directory; INSIDE: in itself; THERE: in a directory of the WAL volume;
    LOST: in one that isn't there.
    """

    NONE = "none"
    INSIDE = "inside"
    THERE = "there"
    LOST = "lost"


@dataclass(frozen=True)
class Pair:
    """What two volumes show. data, wal: the UUIDs of their markers, None without one; data_probe, wal_probe: the numbers of the last
    probes that were written, of which the WAL volume's is written first.
    """

    data: str | None
    wal: str | None
    link: Link
    data_probe: int
    wal_probe: int


def mismatch(pair: Pair) -> str | None:
    """Return why neither volume may be touched, None if both are this member's: what is on them may be somebody's only copy."""
    if pair.link is Link.INSIDE:
        return "the data directory holds its WAL itself, as it was made without walVolume: nothing is touched"
    if pair.wal not in (None, pair.data) and pair.link is not Link.THERE:
        data = "empty" if pair.data is None else f"volume {pair.data}"
        return f"the WAL volume belongs to volume {pair.wal}, the data volume is {data}: nothing is touched"
    return None


def damage(pair: Pair) -> str | None:
    """Return what is wrong with the WAL of an initialised pair that isn't mismatched, None if nothing is."""
    if pair.link is Link.LOST:
        return "the WAL volume doesn't hold the data directory's WAL: it was lost"
    if pair.wal != pair.data:
        return f"the WAL volume is not marked as that of volume {pair.data}"
    if pair.wal_probe < pair.data_probe:
        return f"the WAL volume is older than the data volume: its last probe is {pair.wal_probe}, the data volume's {pair.data_probe}"
    return None


def foreign_link(link: Link) -> str | None:
    """Return why a data directory can't be used without a WAL volume, None if it holds its WAL itself. link: as of `Pair`."""
    if link in (Link.THERE, Link.LOST):
        return "the data directory's WAL is on a WAL volume, and the release has none (walVolume): nothing is touched"
    return None


def origin_of(made_for: str | None, claim: str | None, accepted: bool, system_identifier: str | None, lease: LeaseView | None) -> Origin:
    """Compare what a volume's marker says with our claim; None: not known. accepted: an operator wants this data, wherever it comes from.

    Another claim's volume of this release is a copy, whose original may be in use. One of another release is a restore while this
    release has no Lease; else a copy as well, for the members have the data. Data of another cluster than the Lease's is nobody's copy.
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
    """Say what a copy is."""
    return f"the volume was made for {made_for}, this pod is {claim}: it is a copy, for example of a VolumeSnapshot, or was moved by hand"
