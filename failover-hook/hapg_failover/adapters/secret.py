"""The release's passwords as files: kubelet projects the Secrets, and a copy in memory bridges the times when it doesn't.

A Secret that the pod creates itself doesn't exist yet when its volumes are mounted, and kubelet empties the files of a deleted Secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..credentials.secret_entries import REPLICATION_KEY, SUPERUSER_KEY, Passwords, read
from . import beneath
from .projected import Stamps, stamps

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


class ProjectedPasswords:
    """Passwords by the name of their file, re-read when kubelet changes the files."""

    def __init__(self, directory: Path, run: Path, where: Mapping[str, str], copy: str) -> None:
        """directory: where kubelet projects the Secrets; run: the memory volume; where: the files, with their Secret and entry in words;
        copy: name of the copy in the memory volume.

        Raise ValueError if one of them has no usable password.
        """
        self._directory = directory
        self._run = run
        self._where = where
        self._copy = copy
        self._stamp: Stamps | None = None
        self.found = self._read_copy()
        self.complaints: tuple[str, ...] = ()
        self.look()
        missing = [words for file, words in where.items() if not self.found.get(file)]
        if missing:
            raise ValueError("; ".join((*self.complaints, *(f"{words}: no usable password" for words in missing))))

    def look(self) -> bool:
        """Re-read the files; True if a password has changed.

        An unusable value leaves the previous password in effect and adds a complaint.
        """
        stamp = stamps(self._directory / file for file in self._where)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        complaints, before = [], dict(self.found)
        for file, words in self._where.items():
            if raw := projected(self._directory, file):
                try:
                    found = read(raw, words)
                except ValueError as error:
                    complaints.append(f"{error}; the previous one stays in effect")
                    continue
                self.found[file] = found.password
                if found.complaint:
                    complaints.append(found.complaint)
        self.complaints = tuple(complaints)
        if before != self.found:
            keep(self._run, self._copy, self.found)
        return before != self.found

    def _read_copy(self) -> dict[str, str]:
        """Return the passwords kept by an earlier process."""
        try:
            content = json.loads(beneath.read(str(self._run), self._copy, most=_LONGEST) or b"{}")
        except (OSError, ValueError):
            return {}
        found = content if isinstance(content, dict) else {}
        return {file: found[file] for file in self._where if isinstance(found.get(file), str)}


class SecretFiles:
    """The passwords that the release itself needs."""

    def __init__(self, directory: Path, run: Path, secrets: tuple[str, str]) -> None:
        """directory, run: as for ProjectedPasswords; secrets: names of the superuser's and the replication Secret.

        Raise ValueError if either of them has no usable password.
        """
        where = {key: f"Secret {name}, key {key}" for key, name in zip(KEYS, secrets, strict=True)}
        self._projected = ProjectedPasswords(directory, run, where, _COPY)

    def look(self) -> bool:
        """Re-read the files, as ProjectedPasswords does."""
        return self._projected.look()

    @property
    def passwords(self) -> Passwords:
        """The passwords in effect."""
        return Passwords(*(self._projected.found[key] for key in KEYS))

    @property
    def complaints(self) -> tuple[str, ...]:
        """A sentence about each entry that is not as it should be."""
        return self._projected.complaints


def write_copy(run: Path, passwords: Passwords) -> None:
    """Keep the passwords that the release itself needs, as `keep` does."""
    keep(run, _COPY, dict(zip(KEYS, (passwords.superuser, passwords.replication), strict=True)))


def keep(run: Path, copy: str, passwords: Mapping[str, str]) -> None:
    """Keep the passwords for the next process, which may have no other source. Raise OSError.

    copy: name of the file in `run`, the memory volume; passwords: by the name of their projected file.
    """
    with beneath.directory(str(run)) as parent:
        beneath.write(parent, copy, json.dumps(dict(passwords)).encode())
