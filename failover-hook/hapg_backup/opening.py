"""The release's own archive: found from settings, credentials and birth, created by the first primary, upgraded with the database."""

from __future__ import annotations

import threading
from collections.abc import Callable

from . import archive
from .adapters.pod import Pod
from .adapters.program import PgBackRest
from .archive import Archive, Unavailable
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

    def archive(self, major: str | None = None) -> Archive:
        """Return the release's archive, which may not exist yet. major: by default that of the data. Raise Misconfigured, NotReady."""
        settings = self._pod.settings()
        birth = self._pod.birth()
        if not birth:
            raise NotReady("the failover container has not said which database this is yet")
        wanted = self._pod.major() if major is None else major
        found = archive.own(self._pod, self._program, settings, stanza_of(settings.name, birth), wanted)
        if not found.is_same(self._known):
            self._known = found
        assert self._known is not None
        return self._known

    def open(self) -> Archive:
        """Return the release's archive, created if it does not exist. Only for a primary.

        Raise Misconfigured, NotReady, OSError, ValueError.

        `stanza-create` changes nothing if the archive is there and belongs to the same database. It needs no connection to the server.
        After a major upgrade `stanza-upgrade` adds a part for the new major, and touches nothing of the former one's.
        """
        with self._lock:
            found = self.archive()
            if found is not self._opened:
                done = found.run("stanza-create", "--no-online", seconds=CREATE_S)
                if done.code == OF_ANOTHER and self._was_upgraded(found):
                    done = found.run("stanza-upgrade", "--no-online", seconds=CREATE_S)
                    if done.code == 0:
                        self._log(f"the archive {found.stanza} goes on with PostgreSQL {found.major}")
                if done.code == OF_ANOTHER:
                    raise Misconfigured(
                        f"the archive {found.stanza} can't be created: there is one of another database or of a later major of PostgreSQL; "
                        "give the release another place in `archiver`"
                    )
                if done.code != 0:
                    raise Misconfigured(f"the archive {found.stanza} can't be created: {done.words}")
                self._log(f"the archive is {found.stanza}")
                self._opened = found
            return found

    def _was_upgraded(self, found: Archive) -> bool:
        """True if the archive is our database's, as it was before a major upgrade. Raise Misconfigured, NotReady, OSError, ValueError.

        Until the upgraded server is promoted, the former chart may come back and archive. Afterwards it never does, and only then the
        archive is changed. A timeline's history file is what tells a promotion here and for the supervisor (child_upgrade.sh).
        """
        try:
            last = found.parts()[-1]
        except Unavailable as error:
            raise Misconfigured(f"the archive {found.stanza} can't be read: {error}") from error
        if last.system_identifier != self._pod.system_identifier() or float(last.major) > float(found.major):
            return False
        if self._pod.lineage() is None:
            raise NotReady("the upgraded server is not promoted yet, and until then the archive is the former major's")
        return True
