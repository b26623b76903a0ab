"""A restore as the job `restore` of the supervisor sees it: the files, then WAL for recovery, then whether it has ended where it should."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from hapg_protocol.lsn import format_lsn
from hapg_protocol.wal_files import SEGMENT_SIZE

from . import archive
from .adapters import files
from .adapters.hand_over import Client
from .adapters.pod import Pod
from .adapters.program import GONE, PgBackRest
from .archive import Archive
from .core import restoring
from .core.backups import Backup
from .core.continuity import follows
from .core.errors import Misconfigured
from .core.lineage import Lineage
from .core.restoring import Plan
from .core.settings import Restore, Settings
from .core.stanza import source_stanza
from .core.wal_names import Segment, is_segment, parse_segment

GET_S = 50.0
ALIVE_S = 2.0
SPARE_SEGMENTS = 3
_PLAN = "restore.json"
_LONGEST = 1 << 22
_MISSING = 1
DESTINATIONS = ("RECOVERYXLOG", "RECOVERYHISTORY")


class Restorer:
    """Answers `restore MAJOR`, `get NAME DESTINATION` and `ended`. Its methods raise Misconfigured, Unavailable, OSError and ValueError."""

    def __init__(self, pod: Pod, program: PgBackRest, log: Callable[[str], None], settings: Callable[[], Settings] | None = None) -> None:
        """settings: by default those of the pod. `chosen` is the backup, `reached` the timeline and LSN in bytes, each once it is known."""
        self._pod = pod
        self._program = program
        self._log = log
        self._settings = settings or pod.settings
        self._missing: Segment | None = None
        self.chosen: Backup | None = None
        self.reached: tuple[int, int] | None = None

    def restore(self, major: str, client: Client) -> str:
        """Write the files of the server's new directory; return `ok` or `error` and why. major: the chart's."""
        settings, wanted = self._wanted()
        client.wait("looking for the backup")
        found = archive.source(self._pod, self._program, settings, "", major)
        stanza = source_stanza(wanted.stanza, found.stanzas())
        found = archive.source(self._pod, self._program, settings, stanza, major)
        backups = restoring.of_major(found.backups(), major, stanza, wanted.backup)
        lineage = found.lineage(wanted.timeline or max(found.histories(), default=1))
        backup = restoring.choose(wanted, backups, lineage)
        if wanted.type == "immediate":
            lineage = found.lineage(backup.timeline)
        needed, free = backup.size + SPARE_SEGMENTS * SEGMENT_SIZE, self._pod.free()
        if needed > free:
            raise Misconfigured(f"the restore needs {needed >> 20} MiB, the data volume has {free >> 20} MiB free")
        plan = Plan(stanza, backup.label, lineage)
        self._keep(plan)
        self.chosen, self._missing = backup, None
        self._log(f"restoring {stanza}, backup {backup.label}, to {wanted.words} on timeline {lineage.timeline}")
        said_at = time.monotonic()

        def is_unwanted() -> bool:
            nonlocal said_at
            if time.monotonic() - said_at > ALIVE_S:
                said_at = time.monotonic()
                client.wait()
            return client.is_gone()

        words = [f"--pg1-path={self._pod.new}", *restoring.arguments(wanted, plan, self._pod.restore_command)]
        done = found.run("restore", *words, unwanted=is_unwanted, tell=self._log)
        if done.code == GONE:
            return "error the client is gone"
        return "ok" if done.code == 0 else f"error {done.words}"

    def get(self, name: str, destination: str, is_unwanted: Callable[[], bool]) -> str:
        """Return `ok` once the file is in the new server's WAL directory, `missing` if the archive ends before it, or `error` and why.

        What is not part of the target timeline's history is missing, too: PostgreSQL would replay it. A file that is missing although later
        ones are there is an error, because PostgreSQL would take it for the end of the archive.
        """
        settings, _ = self._wanted()
        plan = self._plan()
        found = archive.source(self._pod, self._program, settings, plan.stanza, self._pod.major(self._pod.new))
        size = self._pod.segment_size(self._pod.new)
        if is_segment(name):
            is_part = plan.lineage.has(parse_segment(name, size), size)
        else:
            is_part = name.endswith(".history") and int(name[:8], 16) in plan.lineage.timelines
        if not is_part:
            return "missing"
        target = self._pod.wal(self._pod.new) / destination
        words = ("archive-get", f"--pg1-path={self._pod.new}", name, str(target))
        done = found.run(*words, seconds=GET_S, unwanted=is_unwanted)
        if done.code == _MISSING and is_segment(name):
            segment, archived = parse_segment(name, size), found.listing().segments(size)
            if segment.number in archived.get(segment.timeline, ()):  # it was archived after pgBackRest had looked
                done = found.run(*words, seconds=GET_S, unwanted=is_unwanted)
                if done.code == _MISSING:
                    return f"error the archive has {name}, but pgBackRest does not find it"
            elif (later := follows(segment, plan.lineage, archived, size)) is not None:
                return f"error the archive lacks {name}, although it has {later.name(size)}"
            else:
                self._missing = segment
        if done.code == 0:
            return "ok"
        return "missing" if done.code == _MISSING else f"error {done.words}"

    def ended(self) -> str:
        """Return `ok` and the place where recovery has ended if it is the right one, else `error` and why."""
        settings, wanted = self._wanted()
        plan, new = self._plan(), self._pod.new
        size, lineage = self._pod.segment_size(new), self._pod.lineage(new)
        if lineage is None or not lineage.parents:
            return "error recovery has begun no new timeline"
        parent, end = lineage.parents[-1]
        log = files.read(self._pod.restore_log, _LONGEST).decode("utf-8", "replace")
        last = None
        if wanted.type == "latest":
            found = archive.source(self._pod, self._program, settings, plan.stanza, self._pod.major(new))
            last = _last(found, plan.lineage, size)
            if last is not None and self._missing is not None and last.number >= self._missing.number:
                last = Segment(last.timeline, self._missing.number - 1)  # the source has archived more since recovery has seen the end
        if why := restoring.misses(wanted, plan, parent, end, log, last, size):
            return f"error {why}"
        self.reached = (parent, end)
        (self._pod.folder / _PLAN).unlink(missing_ok=True)
        return f"ok restored {plan.stanza} from {plan.backup} to {wanted.words}: timeline {parent}, LSN {format_lsn(end)}"

    def _wanted(self) -> tuple[Settings, Restore]:
        settings = self._settings()
        if settings.restore is None:
            raise Misconfigured("backup.json.restore: missing; there is nothing to restore")
        return settings, settings.restore

    def _keep(self, plan: Plan) -> None:
        """Keep the plan for the whole recovery, also if this container is restarted: the archive may get a newer timeline meanwhile."""
        content = {"stanza": plan.stanza, "backup": plan.backup, "timeline": plan.lineage.timeline, "parents": plan.lineage.parents}
        files.write(self._pod.folder / _PLAN, json.dumps(content).encode())

    def _plan(self) -> Plan:
        path: Path = self._pod.folder / _PLAN
        found = json.loads(files.read(path, _LONGEST))
        parents = tuple((int(timeline), int(fork)) for timeline, fork in found["parents"])
        return Plan(str(found["stanza"]), str(found["backup"]), Lineage(int(found["timeline"]), parents))


def _last(found: Archive, lineage: Lineage, size: int) -> Segment | None:
    """Return the last segment of a history that is archived. size: of a segment, in bytes."""
    segments = found.listing().segments(size)
    there = [each for timeline, numbers in segments.items() for number in numbers if lineage.has(each := Segment(timeline, number), size)]
    return max(there, key=lambda each: each.number, default=None)
