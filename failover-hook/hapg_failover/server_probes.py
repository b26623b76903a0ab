"""Periodic probes: of the local server, its volume, and its configuration files."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress

from .adapters.greeting import NOT_NOW, TOO_MANY
from .adapters.ports.runtime import Logger, Runtime
from .adapters.ports.sql import Sql, SqlError
from .adapters.ports.volume import Disk
from .configuration import Watch
from .core import disk_space
from .core.state import connections
from .core.state.connections import Greeting
from .core.state.phases import Phase
from .core.state.start_settings import StartSettings
from .core.timing import (
    EMERGENCY_SPACE_EVERY_S,
    FILES_EVERY_S,
    GREET_EVERY_S,
    KEEP_ANSWER_S,
    KEEP_EVERY_S,
    PROBE_EVERY_S,
    READS_EVERY_S,
    READS_FRESH_S,
    SEGMENT_EVERY_S,
    SILENT_S,
    SLOTS_EVERY_S,
    STATUS_EVERY_S,
    STEADY_STATUS_EVERY_S,
)
from .events import ConfigurationTried, DiskProbed, Event, Greeted, ReadsAnswered, ServerLooked, StartSettingsSeen
from .settings import Settings
from .workers import Due, every

WRITING = (Phase.PRIMARY, Phase.PROMOTING)
STANDING_BY = (Phase.SEALED, Phase.FOLLOW, Phase.CLAIMING)
STEADY = (Phase.PRIMARY, Phase.FOLLOW)


class ServerProbes:
    """The probe threads. Each finding is reported as an event, with a flag that says whether it is news."""

    def __init__(
        self,
        runtime: Runtime,
        settings: Callable[[], Settings],
        phase: Callable[[], Phase],
        sql: Sql,
        volume: Disk,
        configuration: Watch,
        start_settings: Callable[[], StartSettings | None],
        report: Callable[[Event, bool], None],
        log: Logger,
    ) -> None:
        """report: takes an event, and whether it must wake the deciding thread at once."""
        self._runtime = runtime
        self._settings = settings
        self._phase = phase
        self._sql = sql
        self._volume = volume
        self._report = report
        self._log = log
        self._told: dict[str, object] = {}
        self._is_steady = False
        self._troubles: dict[str, str] = {}
        self._slots = Due(runtime, SLOTS_EVERY_S)
        self._segment = Due(runtime, SEGMENT_EVERY_S)
        self._keep = Due(runtime, KEEP_EVERY_S)
        self._reads = Due(runtime, READS_EVERY_S)
        self._read_at = float("-inf")
        self._refusing = 0.0
        self._configuration = configuration
        self._start_settings = start_settings
        self._known_settings: StartSettings | None = None
        self._files_changed = runtime.mailbox()

    def begin(self) -> None:
        """Start the threads."""
        every(self._runtime, lambda: STEADY_STATUS_EVERY_S if self._is_steady else STATUS_EVERY_S, "status", self._look_at_server)
        every(self._runtime, lambda: PROBE_EVERY_S, "probe", self._probe_disk)
        every(self._runtime, lambda: GREET_EVERY_S, "greet", self._greet)
        self._runtime.spawn("configuration", self._watch_files)
        every(self._runtime, lambda: EMERGENCY_SPACE_EVERY_S, "emergency_space", self._make_emergency_spaces)

    def _look_at_server(self) -> None:
        self._is_steady = False
        if self._phase() not in WRITING:
            self._told = {}
            self._keep_session()
            self._try_reads()
            return
        with_slots = self._slots.is_due()
        try:
            status = self._sql.status(2.0)
            kept = self._sql.slots(2.0) if with_slots and self._settings().profile.bounds_slots and not status.in_recovery else None
        except SqlError:
            return
        if status.in_recovery:
            return
        now = self._runtime.now()
        if with_slots:
            self._slots.done()
        rows = tuple((s.application_name, s.flushed) for s in status.senders if s.state == "streaming")
        states = tuple((s.application_name, s.state, s.flushed is not None) for s in status.senders)
        told = {"names": status.standby_names, "states": states} | ({"slots": kept} if with_slots else {})
        is_news = not told.items() <= self._told.items()
        self._told |= told
        self._is_steady = not is_news
        self._report(ServerLooked(rows, status.position, status.standby_names, kept, with_slots, now), is_news)

    def _keep_session(self) -> None:
        """Open a session to a hot standby before clients take all connection slots; it survives the promotion."""
        if self._phase() in STANDING_BY and self._settings().standby_mode == "hot" and self._keep.is_due():
            self._keep.done()
            with suppress(SqlError):
                self._sql.keep(KEEP_ANSWER_S)

    def _try_reads(self) -> None:
        """Ask a hot standby that follows whether it answers queries."""
        if self._phase() is not Phase.FOLLOW or self._settings().standby_mode != "hot" or not self._reads.is_due():
            return
        self._reads.done()
        now = self._runtime.now()
        with suppress(SqlError):
            if self._sql.reads(KEEP_ANSWER_S):
                is_news, self._read_at = now - self._read_at >= READS_FRESH_S, now
                self._report(ReadsAnswered(now), is_news)

    def _greet(self) -> None:
        """Check whether a primary answers a new connection."""
        if self._phase() is not Phase.PRIMARY:
            self._refusing = 0.0
            return
        begun = self._runtime.now()

        def tell(greeting: Greeting) -> None:
            self._report(Greeted(greeting), connections.trouble(greeting, begun) is not None)

        answer = self._sql.greet(SILENT_S, lambda silent: tell(Greeting(begun, silent=silent)))
        self._refusing = self._refusing + GREET_EVERY_S if answer == NOT_NOW else 0.0
        if answer is not None:
            crowded = answer == TOO_MANY and self._volume.production() is not None
            tell(Greeting(begun, refusing=self._refusing, crowded=crowded))

    def look_at_files(self) -> None:
        """Check the configuration files now, because they have changed."""
        self._files_changed.put(None)

    def _watch_files(self) -> None:
        while True:
            begun = self._runtime.now()
            self._look_at_files()
            with suppress(queue.Empty):
                self._files_changed.get(timeout=max(0.01, FILES_EVERY_S - (self._runtime.now() - begun)))

    def _look_at_files(self) -> None:
        """Check the configuration files, but only in a steady phase: otherwise the start has checked them, or the next one will."""
        if self._phase() not in STEADY:
            return
        refused = self._configuration.look()
        if refused is not None:
            self._log("warning" if refused else "info", "configuration", refused or "the configuration is accepted; the server reloads it")
            self._report(ConfigurationTried(refused), True)
        now = self._runtime.now()
        found = self._start_settings()
        if found is not None:
            self._report(StartSettingsSeen(found, now), found != self._known_settings)
            self._known_settings = found

    def _probe_disk(self) -> None:
        now = self._runtime.now()
        try:
            on, room = self._volume.scarcest()
            segment = self._volume.segment_size() if self._segment.is_due() else None
            tablespaces = self._volume.tablespaces() if segment is not None else None
            probed = self._phase() in WRITING
            if probed:
                self._volume.probe()
        except OSError as error:
            self._say_once("error", "disk", str(error))
            return
        self._troubles.pop("disk", None)
        if segment is not None:
            self._segment.done()

        self._report(DiskProbed(on, room, segment, tablespaces, now if probed else None, now), False)

    def _make_emergency_spaces(self) -> None:
        try:
            for name in self._volume.make_emergency_spaces():
                self._log("info", "emergency_space", f"space for {disk_space.EMERGENCY_SEGMENTS} WAL segments is reserved on the {name}")
        except OSError as error:
            self._say_once("warning", "emergency_space", f"can't reserve emergency WAL space: {error}")

    def _say_once(self, level: str, event: str, trouble: str) -> None:
        if self._troubles.get(event) != trouble:
            self._troubles[event] = trouble
            self._log(level, event, trouble)
