"""Files of the server that take force with a reload: settings, access rules, certificate. Kubelet replaces them while the pod runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from .adapters.ports import SqlError

FILES = tuple(Path("/etc/hapg") / name for name in ("config/postgresql.conf", "config/pg_hba.conf", "tls/tls.crt", "tls/tls.key"))

Stamp = tuple[tuple[int, int], ...]


class Reload:
    """Has the server read its files again when they have changed; once for each running server, as it may have read older ones."""

    def __init__(self, reload: Callable[[], None], tell: Callable[[str], None], files: Sequence[Path] = FILES) -> None:
        """reload: raises SqlError while the server takes no connection; tell: says what was done."""
        self._reload = reload
        self._tell = tell
        self._files = files
        self._read: Stamp | None = None

    def look(self, answers: bool) -> None:
        """Reload if the files aren't those that the server has read. answers: it takes connections; otherwise it reads them later."""
        stamp = self._look()
        if not answers:
            self._read = None
        elif stamp != self._read:
            try:
                self._reload()
            except SqlError:
                return
            if self._read is not None:
                self._tell("settings, access rules or certificate have changed; the server has been told to read them")
            self._read = stamp

    def _look(self) -> Stamp:
        found = []
        for file in self._files:
            try:
                status = file.stat()
                found.append((status.st_ino, status.st_mtime_ns))
            except OSError:
                found.append((0, 0))
        return tuple(found)
