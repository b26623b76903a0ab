"""What the container looks at by itself: the server's role, the files that wait, and from time to time the archive as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from .adapters import files
from .adapters.pod import Pod
from .archive import Unavailable
from .core.errors import Misconfigured
from .core.state import encode
from .inspector import Inspector
from .knowledge import Knowledge
from .opening import NotReady, Opening

LOOK_S = 2.0
INSPECT_S = 600.0
FILE = "state.json"


class Monitor:
    """Writes what it finds for the agent."""

    def __init__(self, pod: Pod, opening: Opening, inspector: Inspector, knowledge: Knowledge, log: Callable[[str], None]) -> None:
        self._pod = pod
        self._opening = opening
        self._inspector = inspector
        self._knowledge = knowledge
        self._log = log
        self._told: set[str] = set()
        self._said = ""
        self._inspected_at = float("-inf")

    def run(self) -> None:
        """Look for ever."""
        while True:
            self.look()
            time.sleep(LOOK_S)

    def look(self) -> None:
        """Look once, and write the state."""
        role, now = self._pod.role(), time.time()
        waiting = self._pod.waiting()
        oldest = now - min(waiting.values(), default=now)
        self._knowledge.set(
            role=role,
            waiting=len(waiting),
            oldest_s=max(0.0, oldest),
            misconfigured=self._trouble(role),
            timeout_s=self._pod.archive_timeout(),
        )
        if role != "primary":
            self._inspected_at = float("-inf")  # the next time, another pod may have written to the archive meanwhile
        elif time.monotonic() - self._inspected_at > INSPECT_S:
            self._inspect()
        self._write()

    def _write(self) -> None:
        state = self._knowledge.set(at=time.clock_gettime(time.CLOCK_BOOTTIME))
        with suppress(OSError):  # the memory volume is full: the agent sees that nothing new comes
            files.write(self._pod.folder / FILE, encode(state))

    def _trouble(self, role: str) -> str:
        """Return why the settings can't be used, '' if they can. A primary's archive is created with them."""
        trouble = ""
        try:
            settings = self._pod.settings()
            for sentence in settings.unknown:
                if sentence not in self._told:
                    self._told.add(sentence)
                    self._log(f"{sentence}; ignored, since a newer chart may have written it")
            if settings.repository is not None:
                archive = self._opening.open() if role == "primary" else self._opening.archive()
                self._knowledge.set(stanza=archive.stanza)
        except Misconfigured as error:
            trouble = str(error)
        except (NotReady, OSError, ValueError) as error:
            self._say(str(error))
            return ""
        self._say(trouble)
        return trouble

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self._log(text or "the settings are in order again")

    def _inspect(self) -> None:
        if self._knowledge.state.running or not self._knowledge.state.stanza:
            return
        self._inspected_at = time.monotonic()
        with suppress(Misconfigured, NotReady):
            try:
                self._inspector.inspect(self._opening.archive())
            except (Unavailable, OSError, ValueError) as error:
                self._log(f"the archive can't be inspected: {error}")
