"""What `helm uninstall` keeps of a release: its claims, the Secrets of its pods, and its Lease, all by name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

MOST_SERVERS = 9
"""The highest number of servers that a chart allows."""

_CLAIM = re.compile(rf"(data|wal)-([a-z][-a-z0-9]*)-([0-{MOST_SERVERS - 1}])")


@dataclass(frozen=True)
class Claim:
    """A server's claim, taken apart. volume: the claim template's name; release: the release's name."""

    volume: Literal["data", "wal"]
    release: str
    ordinal: int


def claim(name: str) -> Claim | None:
    """Return the parts of a claim's name, or None if no release names a claim so."""
    match = _CLAIM.fullmatch(name)
    return None if match is None else Claim("wal" if match[1] == "wal" else "data", match[2], int(match[3]))


def pods(release: str) -> tuple[str, ...]:
    """Return the names of all pods that a release may have."""
    return tuple(f"{release}-{ordinal}" for ordinal in range(MOST_SERVERS))


def claims(release: str) -> tuple[str, ...]:
    """Return the names of all claims that a release may have."""
    return tuple(f"{volume}-{pod}" for volume in ("data", "wal") for pod in pods(release))


def secrets(release: str) -> tuple[str, ...]:
    """Return the names of the Secrets that the pods of a release create."""
    return tuple(f"{release}-{word}" for word in ("auth", "replication", "backup", "app"))
