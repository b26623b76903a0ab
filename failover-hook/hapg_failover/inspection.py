"""Contents of our own volume: control file and end of WAL, read with the image's programs or, if they are missing, parsed here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.wal_files import segment_name

from .adapters.volume import Volume
from .pgdata.control_file import SHUT_DOWN, ControlData, parse_control_file, parse_controldata
from .pgdata.wal import (
    PAGE,
    end_before_segment,
    end_by_reading,
    ends_in_shutdown,
    first_lsn,
    last_lsn,
    newest_segment_timeline,
    parse_lastrecord,
    parse_waldump_end,
    record_end,
    segment_timelines,
)

NEAR = 8 * PAGE

INSTEAD: Mapping[str, str] = {
    "pg_basebackup": "a replica can't be cloned",
    "pg_controldata": "the agent reads the control file itself",
    "pg_rewind": "a replica that has diverged is cloned",
    "pg_waldump": "the agent reads WAL itself",
    "pg_xlogdump": "the agent reads WAL itself",
}
"""The fallback when a program is missing."""


class Inspection:
    """Inspects the volume for one incarnation of the supervisor."""

    def __init__(self, run: Callable[..., str], volume: Volume, missing: frozenset[str]) -> None:
        """run: runs a command with its arguments and returns its output; missing: programs that the image lacks."""
        self._run = run
        self._volume = volume
        self._missing = missing

    def control(self) -> ControlData:
        """Return the contents of the control file. Raise ValueError, OSError, and whatever `run` raises."""
        if "pg_controldata" in self._missing:
            return parse_control_file(self._volume.read_control())
        return parse_controldata(self._run("controldata"))

    def end_of_wal(self, hint: int | None, known: Position | None = None) -> Position | None:
        """Return the end of the last valid record; None if the server isn't consistent there. Raise ValueError if there is no valid record.

        hint: an LSN known to be flushed. known: a position that this server flushed as a primary, used only while its timeline is the
        newest. Without either, the search starts at the redo point of the last checkpoint.
        """
        control = self.control()
        names = self._reachable(self._volume.wal_segments(), control.checkpoint.timeline)
        newest = newest_segment_timeline(names)
        if newest is None:
            raise ValueError("no WAL segment found")
        if hint is None and known is not None and known.timeline == newest:
            hint = known.lsn
        for timeline in sorted({newest, control.checkpoint.timeline}, reverse=True):
            for start in _search_starts(timeline, hint, control, names):
                end = self.search_end(timeline, start, names, control.segment_size)
                if end is not None:
                    position = Position(timeline, end)
                    return position if position >= control.min_recovery and control.backup_start == 0 else None
        raise ValueError("no valid WAL record was found")

    def _reachable(self, names: list[str], timeline: int) -> list[str]:
        """Return the segments that recovery may read: those of the last checkpoint's timeline, and of timelines with a history file.

        pg_rewind leaves behind segments of the timeline that it rewound from (src/bin/pg_rewind/filemap.c, keepwal).
        """
        ours = {each for each in segment_timelines(names) if each == timeline or self._volume.read_history(each) is not None}
        return [name for name in names if int(name[:8], 16) in ours]

    def ends_in_shutdown(self, end: Position) -> bool:
        """True if our WAL, which ends at `end`, ends with a shutdown checkpoint. Raise OSError."""
        return ends_in_shutdown(self._volume.read_wal, end.timeline, end.lsn, self._volume.segment_size())

    def is_shut_down(self) -> bool:
        """True if the control file says that a primary was shut down; reads the file without a program. Raise OSError, ValueError."""
        return parse_control_file(self._volume.read_control()).cluster_state == SHUT_DOWN

    def end_of_shutdown(self) -> Position:
        """Return the end of the shutdown checkpoint named in the control file. Raise ValueError, OSError, and whatever `run` raises."""
        control = self.control()
        if control.cluster_state != SHUT_DOWN:
            raise ValueError(f"the server wasn't shut down cleanly: {control.cluster_state}")
        names = self._volume.wal_segments()
        end = self.search_end(control.checkpoint.timeline, control.checkpoint.lsn, names, control.segment_size)
        if end is None:
            raise ValueError("the shutdown checkpoint can't be read")
        return Position(control.checkpoint.timeline, end)

    def search_end(self, timeline: int, start: int, names: list[str], segment_size: int) -> int | None:
        """Return the end of valid WAL on `timeline`; None if there is no record from `start` on. names: files in the WAL directory."""
        if self._missing & {"pg_waldump", "pg_xlogdump"}:
            return end_by_reading(self._volume.read_wal, timeline, start, segment_size)
        last = last_lsn(timeline, start, names, segment_size)
        upto = segment_name(timeline, last - 1, segment_size), format_lsn(last)
        text = self._run("waldump", segment_name(timeline, start, segment_size), format_lsn(start), *upto)
        if "error:" not in text and "fatal:" not in text.lower():
            return end_before_segment(self._volume.read_wal, segment_name(timeline, last, segment_size), segment_size)
        try:
            found = parse_waldump_end(text, segment_size)
        except ValueError:
            return None
        if found.end is not None:
            return found.end
        if found.last_record is None:
            return None
        name = segment_name(timeline, found.last_record, segment_size)
        record = parse_lastrecord(self._run("lastrecord", name, format_lsn(found.last_record), *upto))
        return record_end(record, segment_size)


def _search_starts(timeline: int, hint: int | None, control: ControlData, names: list[str]) -> list[int]:
    """Return LSNs from which to search for the end of WAL, the best guess first."""
    lowest = first_lsn(timeline, names, control.segment_size)
    if lowest is None:
        return []
    starts = [] if hint is None else [hint - hint % PAGE - NEAR, hint - hint % control.segment_size]
    starts.append(control.redo if control.checkpoint.timeline == timeline else lowest)
    return [start for start in starts if start >= lowest]
