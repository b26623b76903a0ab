"""The passwords of a release as files: kubelet projects the Secrets, and a copy in memory bridges the times at which it doesn't.

A Secret that a pod makes itself isn't there yet when its volumes are mounted, and kubelet empties the files of one that is deleted.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..credentials.secret_entries import REPLICATION_KEY, SUPERUSER_KEY, Passwords, read
from . import beneath

PROJECTED = Path("/etc/hapg/secret")
KEYS = (SUPERUSER_KEY, REPLICATION_KEY)
_COPY = "passwords"
_LONGEST = 1 << 20


def projected(directory: Path, key: str) -> bytes:
    """Return the entry `key` as kubelet projects it, b'' if it doesn't."""
    try:
        return (directory / key).read_bytes()
    except OSError:
        return b""


class SecretFiles:
    """The passwords, read again when kubelet has changed the files."""

    def __init__(self, directory: Path, run: Path, secrets: tuple[str, str]) -> None:
        """directory: where kubelet projects; run: the memory volume; secrets: the names, of the superuser's and of the members'.

        Raise ValueError if neither has a password that can be used.
        """
        self._directory = directory
        self._run = run
        self._where = dict(zip(KEYS, secrets, strict=True))
        self._stamp: tuple[tuple[int, int], ...] | None = None
        self._kept = _read_copy(run)
        self.passwords = Passwords("", "")
        self.complaints: tuple[str, ...] = ()
        self.look()
        missing = [self._name(key) for key in KEYS if not self._kept.get(key)]
        if missing:
            raise ValueError("; ".join((*self.complaints, *(f"{name}: no usable password" for name in missing))))

    def look(self) -> bool:
        """Read again; True if a password is another one. What can't be used leaves the last one in force and is a complaint."""
        stamp = self._look()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        complaints = []
        for key in KEYS:
            if raw := projected(self._directory, key):
                try:
                    found = read(raw, self._name(key))
                except ValueError as error:
                    complaints.append(f"{error}; the previous one stays in effect")
                    continue
                self._kept[key] = found.password
                if found.complaint:
                    complaints.append(found.complaint)
        self.complaints = tuple(complaints)
        before, self.passwords = self.passwords, Passwords(self._kept.get(SUPERUSER_KEY, ""), self._kept.get(REPLICATION_KEY, ""))
        if before != self.passwords:
            write_copy(self._run, self.passwords)
        return before != self.passwords

    def _name(self, key: str) -> str:
        return f"Secret {self._where[key]}, key {key}"

    def _look(self) -> tuple[tuple[int, int], ...]:
        found = []
        for key in KEYS:
            try:
                status = (self._directory / key).stat()
                found.append((status.st_ino, status.st_mtime_ns))
            except OSError:
                found.append((0, 0))
        return tuple(found)


def write_copy(run: Path, passwords: Passwords) -> None:
    """Leave the passwords for the next process that has no other. Raise OSError."""
    kept = dict(zip(KEYS, (passwords.superuser, passwords.replication), strict=True))
    with beneath.directory(str(run)) as parent:
        beneath.write(parent, _COPY, json.dumps(kept).encode())


def _read_copy(run: Path) -> dict[str, str]:
    """Return what an earlier process has left."""
    try:
        content = json.loads(beneath.read(str(run), _COPY, most=_LONGEST) or b"{}")
    except (OSError, ValueError):
        return {}
    found = content if isinstance(content, dict) else {}
    return {key: found[key] for key in KEYS if isinstance(found.get(key), str)}
