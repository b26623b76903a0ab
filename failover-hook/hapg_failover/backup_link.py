"""The agent's side of the backup container: says which database this is, records Events about the archive, and annotates the pod.

The container has no access to the API. It learns the birth of the database, the UID of the Lease, from a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hapg_protocol import archive_report
from hapg_protocol.archive_report import ArchiveReport

from .adapters import beneath
from .adapters.backup_container import FOLDER
from .adapters.ports.runtime import Runtime
from .core.archiving import SILENCE, Archiving, annotation, is_due, news, parse
from .core.timing import ARCHIVE_SILENT_S
from .workers import every

LOOK_S = 2.0
_BIRTH = "birth"
_STATE = "state.json"
_LONGEST = 1 << 16


class BackupLink:
    """Looks every two seconds, in a thread of its own."""

    def __init__(
        self,
        run: Path,
        runtime: Runtime,
        birth: Callable[[], str],
        leads: Callable[[], int | None],
        announce: Callable[[str, str, str], None],
        annotate: Callable[[Mapping[str, str | None]], None],
    ) -> None:
        """run: the memory volume; birth: returns the Lease's UID, '' while not known; leads: the term while this pod is the primary."""
        self._run = run
        self._runtime = runtime
        self._birth = birth
        self._leads = leads
        self._announce = announce
        self._annotate = annotate
        self._shown: ArchiveReport | None = None
        self._shown_at = 0.0
        self._written = ""
        self._told = Archiving()
        self._begun = runtime.now()

    def begin(self) -> None:
        """Start the thread."""
        every(self._runtime, lambda: LOOK_S, "backup", self.look)

    def look(self) -> None:
        """Look once."""
        with suppress(OSError):  # the memory volume is full: tried again
            self._write_birth()
        if self._leads() is None:
            self._told = Archiving()
            self._show_nothing()
            return
        found = self._found()
        for event in news(self._told, found):
            self._announce(event.kind, event.reason, event.message)
        self._told = found
        self._show(annotation(found))

    def _show(self, report: ArchiveReport) -> None:
        """Write the annotation of the pod, if it is due."""
        now = self._runtime.now()
        if is_due(self._shown, report, now - self._shown_at):
            self._annotate({archive_report.ANNOTATION: archive_report.encode(report)})
            self._shown, self._shown_at = report, now

    def _show_nothing(self) -> None:
        if self._shown is not None:
            self._annotate({archive_report.ANNOTATION: None})
            self._shown = None

    def _write_birth(self) -> None:
        birth = self._birth()
        if birth and birth != self._written:
            with suppress(FileExistsError):
                os.mkdir(self._run / FOLDER, 0o700)
            with beneath.directory(str(self._run), FOLDER) as folder:
                beneath.write(folder, _BIRTH, birth.encode())
            self._written = birth

    def _found(self) -> Archiving:
        now = self._runtime.now()
        try:
            text = beneath.read(str(self._run), FOLDER, _STATE, most=_LONGEST)
            if text is not None:
                return parse(text.decode("utf-8", "replace"), now, self._runtime.wall_clock())
        except (OSError, ValueError):
            pass
        return Archiving(SILENCE if now - self._begun > ARCHIVE_SILENT_S else "")
