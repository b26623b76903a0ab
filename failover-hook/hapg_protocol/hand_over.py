"""What an agent asks the backup container for (docs/contract.md): WAL segments that the primary has removed, and a verified backup.

A request goes over the hand-over on loopback, as one line after the token. The answer is one line too, followed by the segment's content.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

LISTENER = "listener"
"""The file in the common folder that says where the container listens: one line, the port and the token."""
MISSING = "missing"
WAIT = "wait"
"""How a line begins that says only that work goes on."""
_FETCH, _VERIFIED = "fetch", "verified"
_MAJOR = re.compile(r"[0-9]{1,2}(\.[0-9])?")
_BACKUP = re.compile(r"ok ([0-9]{1,12}) ([0-9A-Z_-]{1,40})")
_SEGMENT = re.compile(r"[0-9A-F]{24}")
_FETCHED = re.compile(r"ok ([0-9]{1,10}) ([0-9a-f]{40})")
_ERROR = "error "


class NotFetched(Exception):
    """The container can't deliver what was asked for now, or its answer is malformed; the message says why."""


@dataclass(frozen=True)
class Fetch:
    """A request for an archived WAL segment by its name."""

    segment: str

    @property
    def line(self) -> str:
        """The request without the token."""
        return f"{_FETCH} {self.segment}"


@dataclass(frozen=True)
class Fetched:
    """The answer when the archive has the segment: its content follows. size: in bytes; sha1: in hex, of the content, as archived."""

    size: int
    sha1: str

    @property
    def line(self) -> str:
        """The line before the content."""
        return f"ok {self.size} {self.sha1}"


def fetch(words: Sequence[str]) -> Fetch | None:
    """Return the request that consists of these words, None if it is another one, or malformed."""
    match words:
        case [verb, segment] if verb == _FETCH and _SEGMENT.fullmatch(segment):
            return Fetch(segment)
    return None


def fetched(line: str) -> Fetched | None:
    """Return the answer in a line that is not a sign of life; None: the archive lacks the segment. Raise NotFetched."""
    if line == MISSING:
        return None
    if found := _FETCHED.fullmatch(line):
        return Fetched(int(found[1]), found[2])
    raise _failure(line)


@dataclass(frozen=True)
class AskVerified:
    """A question, before a major upgrade: which backup of this major was verified last?"""

    major: str

    @property
    def line(self) -> str:
        """The request without the token."""
        return f"{_VERIFIED} {self.major}"


@dataclass(frozen=True)
class VerifiedBackup:
    """A backup that is in the repository, and whose last restore was verified. at: seconds since the epoch; backup: the label."""

    at: int
    backup: str

    @property
    def line(self) -> str:
        """The answer."""
        return f"ok {self.at} {self.backup}"


def ask_verified(words: Sequence[str]) -> AskVerified | None:
    """Return the question that consists of these words, None if it is another one, or malformed."""
    match words:
        case [verb, major] if verb == _VERIFIED and _MAJOR.fullmatch(major):
            return AskVerified(major)
    return None


def verified(line: str) -> VerifiedBackup | None:
    """Return the answer in a line that is not a sign of life; None: no restore was verified yet. Raise NotFetched."""
    if line == MISSING:
        return None
    if found := _BACKUP.fullmatch(line):
        return VerifiedBackup(int(found[1]), found[2])
    raise _failure(line)


def _failure(line: str) -> NotFetched:
    return NotFetched(line.removeprefix(_ERROR) if line.startswith(_ERROR) else f"a malformed answer of {len(line)} characters")
