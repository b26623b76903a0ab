"""Write-ahead logs as chains of branches, each written by one promotion."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.lsn import Position


@dataclass(frozen=True)
class Branch:
    """The part of the WAL that one promotion began. PostgreSQL knows only `timeline`; `serial` makes it unique. start: LSN where it
    begins."""

    serial: int
    timeline: int
    start: int


@dataclass(frozen=True)
class Wal:
    """The log on one volume, up to LSN `end`."""

    branches: tuple[Branch, ...]
    end: int

    @property
    def position(self) -> Position:
        """Timeline and end of WAL."""
        return Position(self.branches[-1].timeline, self.end)

    @property
    def last_record(self) -> tuple[int, int]:
        """Identifies the last record: the serial of its branch, and its end."""
        return self.branches[-1].serial, self.end

    @property
    def history(self) -> tuple[tuple[int, int], ...]:
        """The timeline history file: (timeline, LSN at which it was left)."""
        return tuple((old.timeline, new.start) for old, new in zip(self.branches, self.branches[1:], strict=False))

    def end_of(self, index: int) -> int:
        """LSN at which the branch of this index ends."""
        return self.branches[index + 1].start if index + 1 < len(self.branches) else self.end

    def contains(self, serial: int, lsn: int) -> bool:
        """True if this log has the record that ends at `lsn` of branch `serial`."""
        return any(b.serial == serial and lsn <= self.end_of(i) for i, b in enumerate(self.branches))

    def is_prefix_of(self, other: Wal) -> bool:
        """True if `other` continues this log."""
        count = len(self.branches)
        return self.branches == other.branches[:count] and self.end <= other.end_of(count - 1)

    def seems_prefix_of(self, other: Wal) -> bool:
        """The same as PostgreSQL sees it, which knows timelines only by number."""
        last = self.branches[-1].timeline
        return any(b.timeline == last and self.end <= other.end_of(i) for i, b in enumerate(other.branches))

    def common_with(self, other: Wal) -> int:
        """LSN up to which both logs are identical."""
        common = 0
        for index, (ours, theirs) in enumerate(zip(self.branches, other.branches, strict=False)):
            if ours != theirs:
                break
            common = min(self.end_of(index), other.end_of(index))
        return common

    def up_to(self, lsn: int) -> Wal:
        """Return the log truncated at `lsn`."""
        kept = tuple(b for b in self.branches if b.start <= lsn)
        return Wal(kept, min(lsn, self.end))

    def grown(self, size: int) -> Wal:
        """Return the log extended by `size` bytes."""
        return replace(self, end=self.end + size)

    def promoted(self, branch: Branch) -> Wal:
        """Return the log with a new branch appended."""
        return Wal((*self.branches, branch), self.end)
