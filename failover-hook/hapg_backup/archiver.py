"""Archives what PostgreSQL hands over. The primary pushes; a standby confirms that the archive has the content of its own copy.

So a standby keeps its WAL until it is archived, and pushes exactly what is missing if it is promoted: no failover leaves a hole.
"""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from .adapters import files
from .adapters.hand_over import Client
from .adapters.pod import Pod
from .archive import Unavailable
from .core.errors import Misconfigured
from .core.lineage import needless
from .core.wal_names import is_segment, parse_segment
from .knowledge import Knowledge
from .opening import NotReady, Opening

PUSH_S = 50.0
CONFIRM_S = 45.0
"""Both end before the client's patience, 60 s, so that it gets a reason."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0


class Archiver:
    """Answers `push NAME`, and archives what a server that was shut down has left."""

    def __init__(self, pod: Pod, opening: Opening, knowledge: Knowledge, log: Callable[[str], None]) -> None:
        self._pod = pod
        self._opening = opening
        self._knowledge = knowledge
        self._log = log
        self._sums: dict[str, str] = {}

    def push(self, name: str, is_unwanted: Callable[[], bool]) -> str:
        """Return `ok` once the file is in the archive or is not part of it, else `error` and why. is_unwanted: the client is gone."""
        try:
            answer = self._push(name, is_unwanted)
        except (Misconfigured, NotReady, Unavailable, OSError, ValueError) as error:
            answer = f"error {error}"
        if self._pod.role() == "primary":
            if answer == "ok":
                self._knowledge.succeeded()
            elif not is_unwanted():
                self._knowledge.failed(answer.removeprefix("error "), time.time())
        return answer

    def finish(self, client: Client) -> str:
        """Archive what the last primary's server, which will not run again, has not archived; return '' or why that fails.

        Its last segment, which is not full, stays out: a former server that is started after all goes on writing to it. What an earlier
        attempt has archived still waits, as only a server would note it, and is skipped, so that each attempt gets further.

        Raise Misconfigured, NotReady, Unavailable, OSError.
        """
        sums = self._opening.archive().listing().sums
        for name in sorted(self._pod.waiting()):
            client.wait(f"archiving {name}")
            if name in sums and sums[name] == files.sha1(self._pod.wal() / name):
                continue
            try:
                answer = self._push(name, client.is_gone, is_writer=True)
            except (Misconfigured, NotReady, Unavailable, OSError, ValueError) as error:
                answer = f"error {error}"
            if answer != "ok":
                return f"{name} can't be archived: {answer.removeprefix('error ')}"
        return ""

    def _push(self, name: str, is_unwanted: Callable[[], bool], is_writer: bool = False) -> str:
        path = self._pod.wal() / name
        size = files.size(path)
        if not size:
            return (
                self._skip(name, "it holds the place of a timeline that was skipped") if name.endswith(".history") else "error it is empty"
            )
        segment = parse_segment(name, size) if is_segment(name) else None
        if why := needless(name, self._pod.lineage(), segment, size):
            return self._skip(name, why)
        end, pause = time.monotonic() + CONFIRM_S, _FIRST_PAUSE_S
        while not is_writer and self._pod.role() != "primary":
            if why := self._confirm(name):
                if time.monotonic() > end or is_unwanted():
                    return f"error {why}"
                time.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
            else:
                return "ok"
        archive = self._opening.open()
        done = archive.run("archive-push", str(path), seconds=PUSH_S, unwanted=is_unwanted)
        if done.code != 0:
            return f"error {done.words}"
        if segment is not None:
            self._knowledge.set(archived=name, archived_at=time.time())
        return "ok"

    def _skip(self, name: str, why: str) -> str:
        self._log(f"{name} is not archived: {why}")
        return "ok"

    def _confirm(self, name: str) -> str:
        """Return why the archive is not known to have this file, '' if it has. Raise Misconfigured, NotReady, Unavailable, OSError."""
        archive = self._opening.archive()
        if not is_segment(name):
            return "" if int(name[:8], 16) in archive.histories() else "the primary has not archived it yet"
        if name not in self._sums:
            if not archive.exists():
                return "the primary has not created the archive yet"
            self._sums = archive.sums(name)
        if name not in self._sums:
            return "the primary has not archived it yet"
        if self._sums[name] != files.sha1(self._pod.wal() / name):
            del self._sums[name]
            raise OSError(errno.EEXIST, f"the archive has {name} with different content")
        return ""
