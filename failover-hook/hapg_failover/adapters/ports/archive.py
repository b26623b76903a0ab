"""The port to the archive's WAL, and its errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from hapg_protocol.hand_over import VerifiedBackup


class SegmentRefused(Exception):
    """An archived segment does not continue our WAL; with its name and the reason."""


class ArchiveError(Exception):
    """The archive can't be asked now, or doesn't answer; with the reason."""


class NotArchived(ArchiveError):
    """The archive lacks a segment; with its name."""


class Archive(Protocol):
    """The release's archive, by way of the pod's backup container."""

    def fetch(self, segment: str, timeout: float) -> Iterator[bytes]:
        """Return the content of a segment, part by part, within `timeout` seconds. Raise NotArchived, ArchiveError.

        Only the end of the iteration says that the parts are the whole segment, as it was archived.
        """

    def verified(self, major: str, timeout: float) -> VerifiedBackup | None:
        """Return the backup of this major whose restore was verified last, None if none was, within `timeout` seconds. Raise ArchiveError.

        All WAL of the server that was shut down is archived then, except for its last segment.
        """
