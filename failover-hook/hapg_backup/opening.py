"""The release's own archive: found from settings, credentials and birth, and created by the first primary."""

from __future__ import annotations

import threading
from collections.abc import Callable

from . import archive
from .adapters.pod import Pod
from .adapters.program import PgBackRest
from .archive import Archive
from .core.errors import Misconfigured
from .core.stanza import stanza_of

CREATE_S = 120.0
OF_ANOTHER = 28
"""pgBackRest's exit code if the archive is of another database or major (FileInvalidError)."""


class NotReady(Exception):
    """Something that comes by itself is not there yet; the message says what."""


class Opening:
    """Hands out the release's archive, as the settings and credentials are now."""

    def __init__(self, pod: Pod, program: PgBackRest, log: Callable[[str], None]) -> None:
        self._pod = pod
        self._program = program
        self._log = log
        self._known: Archive | None = None
        self._opened: Archive | None = None
        self._lock = threading.Lock()

    def archive(self) -> Archive:
        """Return the release's archive, which may not exist yet. Raise Misconfigured, NotReady."""
        settings = self._pod.settings()
        birth = self._pod.birth()
        if not birth:
            raise NotReady("the failover container has not said which database this is yet")
        found = archive.own(self._pod, self._program, settings, stanza_of(settings.name, birth))
        if not found.is_same(self._known):
            self._known = found
        assert self._known is not None
        return self._known

    def open(self) -> Archive:
        """Return the release's archive, created if it does not exist. Only for a primary. Raise Misconfigured, NotReady.

        `stanza-create` changes nothing if the archive is there and belongs to the same database. It needs no connection to the server.
        """
        with self._lock:
            found = self.archive()
            if found is not self._opened:
                done = found.run("stanza-create", "--no-online", seconds=CREATE_S)
                if done.code == OF_ANOTHER:
                    raise Misconfigured(
                        f"the archive {found.stanza} can't be created: there is one of another database or of another major of PostgreSQL; "
                        "give the release another place in `archiver`"
                    )
                if done.code != 0:
                    raise Misconfigured(f"the archive {found.stanza} can't be created: {done.words}")
                self._log(f"the archive is {found.stanza}")
                self._opened = found
            return found
