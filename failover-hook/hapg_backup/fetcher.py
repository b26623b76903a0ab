"""Hands archived WAL to the agent of a standby that lost it. Only the agent puts it where a server finds it (docs/protocol.md, rule 10)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hapg_protocol.hand_over import MISSING, Fetch, Fetched

from .adapters import files
from .adapters.hand_over import SENT, Client
from .adapters.pod import Pod
from .archive import Archive
from .opening import Opening

GET_S = 50.0
_NOT_FOUND = 1


class Fetcher:
    """Answers `fetch NAME`."""

    def __init__(self, pod: Pod, opening: Opening) -> None:
        self._pod = pod
        self._opening = opening
        self._sums: dict[str, str] = {}

    def fetch(self, wanted: Fetch, client: Client) -> str:
        """Send the segment and return SENT; or return `missing`, or `error` and why.

        Raise Misconfigured, NotReady, Unavailable, OSError.
        """
        if self._pod.role() != "standby":
            return "error the server is no standby"
        archive = self._opening.archive()
        known = self._sum(archive, wanted.segment)
        if known is None:
            return MISSING
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=self._pod.work) as folder:
            target = Path(folder) / wanted.segment
            words = "archive-get", f"--pg1-path={self._pod.pgdata}", wanted.segment, str(target)
            done = archive.run(*words, seconds=GET_S, unwanted=client.is_gone)
            if done.code == _NOT_FOUND:
                return MISSING
            if done.code != 0:
                return f"error {done.words}"
            client.send(Fetched(files.size(target), known).line, target)
        return SENT

    def _sum(self, archive: Archive, segment: str) -> str | None:
        """Return the SHA-1 under which the segment is archived, None if it isn't. The archive is listed only for news."""
        if segment not in self._sums:
            self._sums = archive.sums(segment) if archive.exists() else {}
        return self._sums.get(segment)
