"""What an archive contains, from the output of `pgbackrest repo-ls` and from archive.info.

It has a part for each major of PostgreSQL that the database had: a directory with that major's WAL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .wal_names import Segment, parse_segment

_ARCHIVED = re.compile(r"(?:.*/)?([0-9A-F]{24})-([0-9a-f]{40})(\.[a-z0-9]+)?")
_HISTORY = re.compile(r"(?:.*/)?([0-9A-F]{8})\.history")
_PART = re.compile(r"^([0-9]+)=(\{.*\})$", re.MULTILINE)


@dataclass(frozen=True)
class Listing:
    """The content of one archive. sums: the SHA-1 of each segment's content, by name; histories: the timelines with a history file."""

    sums: Mapping[str, str] = field(default_factory=dict)
    histories: frozenset[int] = frozenset()

    @property
    def timeline(self) -> int:
        """The newest timeline; 1 if there is no history file."""
        return max(self.histories, default=1)

    def segments(self, size: int) -> dict[int, set[int]]:
        """Return the numbers of the segments, by timeline. size: of a segment, in bytes; names that it rules out are ignored."""
        found: dict[int, set[int]] = {}
        for name in self.sums:
            try:
                segment = parse_segment(name, size)
            except ValueError:
                continue
            found.setdefault(segment.timeline, set()).add(segment.number)
        return found

    def last(self, timeline: int, size: int) -> Segment | None:
        """Return the last segment of a timeline, None if it has none. size: of a segment, in bytes."""
        numbers = self.segments(size).get(timeline)
        return Segment(timeline, max(numbers)) if numbers else None


def parse_listing(lines: Iterable[str]) -> Listing:
    """Return the archive with these files, each the path of one, as repo-ls prints them; others are ignored."""
    sums, histories = {}, set()
    for path in lines:
        if match := _ARCHIVED.fullmatch(path):
            sums[match[1]] = match[2]
        elif match := _HISTORY.fullmatch(path):
            histories.add(int(match[1], 16))
    return Listing(sums, frozenset(histories))


@dataclass(frozen=True)
class Part:
    """What an archive has of one major. number: of the part, from 1 on; system_identifier: of the database."""

    number: int
    major: str
    system_identifier: int

    @property
    def directory(self) -> str:
        """Its name, such as '15-1'."""
        return f"{self.major}-{self.number}"


def parse_parts(text: str) -> tuple[Part, ...]:
    """Return the parts of an archive, the one that is written to last, from the content of archive.info. Raise ValueError without any."""
    found = []
    for number, fields in _PART.findall(text.partition("[db:history]")[2]):
        try:
            part = json.loads(fields)
            found.append(Part(int(number), str(part["db-version"]), int(part["db-id"])))
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"archive.info has a malformed line: {error!r}") from error
    if not found:
        raise ValueError("archive.info names no database")
    return tuple(sorted(found, key=lambda each: each.number))
