"""The release's passwords as files: kubelet projects the Secrets, and a copy in memory bridges the times when it doesn't.

A Secret that the pod creates itself doesn't exist yet when its volumes are mounted, and kubelet empties the files of a deleted Secret.
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
    """Return the entry `key` as projected by kubelet, b'' if it isn't projected."""
    try:
        return (directory / key).read_bytes()
    except OSError:
        return b""


class SecretFiles:
    """The passwords, re-read when kubelet changes the files."""

    def __init__(self, directory: Path, run: Path, secrets: tuple[str, str]) -> None:
        """directory: where kubelet projects the Secrets; run: the memory volume; secrets: names of the superuser's and the replication
        Secret.

        Raise ValueError if either of them has no usable password.
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
        """Re-read the files; True if a password has changed.

        An unusable value leaves the previous password in effect and adds a complaint.
        """
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
    """Keep the passwords for the next process, which may have no other source. Raise OSError."""
    kept = dict(zip(KEYS, (passwords.superuser, passwords.replication), strict=True))
    with beneath.directory(str(run)) as parent:
        beneath.write(parent, _COPY, json.dumps(kept).encode())


def _read_copy(run: Path) -> dict[str, str]:
    """Return the passwords kept by an earlier process."""
    try:
        content = json.loads(beneath.read(str(run), _COPY, most=_LONGEST) or b"{}")
    except (OSError, ValueError):
        return {}
    found = content if isinstance(content, dict) else {}
    return {key: found[key] for key in KEYS if isinstance(found.get(key), str)}
