"""Looks at archive and backups as a whole: what is there, and whether a restore to the end would find all of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from . import verifications
from .adapters.pod import Pod
from .archive import Archive, Unavailable
from .core.backups import Backup
from .core.continuity import Hole, holes
from .core.listing import Listing
from .core.state import KINDS
from .core.wal_names import Segment, is_segment, parse_segment
from .knowledge import Knowledge


@dataclass(frozen=True)
class Findings:
    """backups: of this major, oldest first; former: of earlier majors; listing: of the archive; holes: of its newest timeline, from the
    oldest backup on; size: of a segment.
    """

    backups: tuple[Backup, ...]
    former: tuple[Backup, ...]
    listing: Listing
    holes: tuple[Hole, ...]
    size: int

    @property
    def words(self) -> tuple[str, ...]:
        """The holes in words."""
        return tuple(hole.words(self.size) for hole in self.holes)


class Inspector:
    """Keeps its findings in the container's knowledge."""

    def __init__(self, pod: Pod, knowledge: Knowledge) -> None:
        self._pod = pod
        self._knowledge = knowledge

    def inspect(self, archive: Archive) -> Findings:
        """Look now. Raise Misconfigured, Unavailable, OSError, ValueError."""
        size = self._pod.segment_size()
        # First what waits: a file that is archived meanwhile is then known as one or the other.
        coming = [parse_segment(name, size) for name in self._pod.waiting() if is_segment(name)]
        there, listing = archive.backups(), archive.listing()
        backups = tuple(each for each in there if each.version in ("", archive.major))
        found: list[Hole] = []
        if backups:
            first = min((parse_segment(each.first, size) for each in backups), key=lambda each: each.number)
            found = holes(archive.lineage(listing.timeline), first, listing.segments(size), size, coming)
        findings = Findings(backups, tuple(each for each in there if each not in backups), listing, tuple(found), size)
        self._look_up(archive, listing)
        self._knowledge.set(
            holes=findings.words,
            missing=sum(hole.segments for hole in found),
            checked_at=time.time(),
            backups={kind: max((each.ended for each in backups if each.kind == kind), default=0) for kind in KINDS},
        )
        return findings

    def _look_up(self, archive: Archive, listing: Listing) -> None:
        """Find out what an earlier primary has done: the last archived segment, the last verified restore."""
        newest = max(listing.sums, key=lambda name: name[8:], default="")
        archived_at = archive.archived_at(newest) if newest else 0.0
        if archived_at > self._knowledge.state.archived_at:
            self._knowledge.set(archived=newest, archived_at=archived_at)
        self._knowledge.set(record=verifications.record(archive))

    def document(self, archive: Archive) -> dict[str, Any]:
        """Return all that is known, as `hapg-backup request info` shows it. Raise Misconfigured, OSError, ValueError.

        If the repository can't be read, `problem` says why, and `backups` is None.
        """
        findings, problem, is_read = None, "", True
        try:
            findings = self.inspect(archive) if archive.exists() else None
        except Unavailable as error:
            problem, is_read = f"the repository can't be read: {error}", False
        state = self._knowledge.state
        document: dict[str, Any] = {
            "stanza": archive.stanza,
            "major": archive.major,
            "role": self._pod.role(),
            "problem": state.misconfigured or problem,
            "archiving": {
                "lastArchived": state.archived,
                "lastArchivedAt": state.archived_at or None,
                "failing": state.failing,
                "failingSince": state.failing_since or None,
                "waiting": state.waiting,
                "oldestWaitingSeconds": round(state.oldest_s, 1),
            },
            "backups": [] if is_read else None,
            "archive": None,
            "continuity": None,
            "verification": state.record.document,
        }
        if findings is not None:
            document["backups"] = [each.document for each in (*findings.former, *findings.backups)]
            document |= self._extent(findings)
        return document

    @staticmethod
    def _extent(findings: Findings) -> dict[str, Any]:
        listing, size = findings.listing, findings.size
        last: Segment | None = listing.last(listing.timeline, size)
        first = min(listing.sums, key=lambda name: name[8:], default=None)
        start = min((each.first for each in findings.backups), key=lambda name: name[8:], default=None)
        end = last.name(size) if last is not None else None
        return {
            "archive": {"timeline": listing.timeline, "first": first, "last": end},
            "continuity": {"checkedAt": time.time(), "from": start, "to": end, "holes": list(findings.words)},
        }
