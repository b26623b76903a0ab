"""Replay progress while the server starts, is sealed or is promoted, asked from the supervisor because SQL isn't answered then."""

from __future__ import annotations

import re
from collections.abc import Callable

from hapg_protocol.wal_files import segment_start

from .adapters.ports.runtime import Runtime
from .adapters.ports.supervisor import Replay, StartupProcess
from .core.state.recovery import Recovery, update
from .events import Event, ReplaySeen
from .supervisor_commands import OperationFailed, SupervisorCommands
from .workers import every

LOOK_S = 1.0
IDLE_S = 3.0
ANSWER_S = 2.0
_ANSWER = re.compile(r"([0-9A-F]{24}|-) ([0-9]{1,15})(?: (receiver|-) ([A-Za-z]) ([0-9]{1,15}) (\S+) (.+))?")


class ReplayProgress:
    """Keeps the latest replay progress. The deciding thread gets it as an event; operations ask for the time of the last progress."""

    def __init__(
        self,
        runtime: Runtime,
        commands: SupervisorCommands,
        address: Callable[[], tuple[str, int] | None],
        active: Callable[[], bool],
        segment_size: Callable[[], int],
        report: Callable[[Event, bool], None],
        still: Callable[[float, Replay], None] = lambda *_: None,
    ) -> None:
        """address: nonce of the supervisor to ask and the term to ask under, None without one; active: true if there may be progress to
        observe; still: called at each look that sees no progress, with the CLOCK_BOOTTIME of the last one.
        """
        self._runtime = runtime
        self._commands = commands
        self._address = address
        self._active = active
        self._segment_size = segment_size
        self._report = report
        self._still = still
        self._seen: tuple[str, Recovery] | None = None
        self._latest: Replay | None = None

    def begin(self) -> None:
        """Start the thread."""
        every(self._runtime, lambda: LOOK_S if self._active() else IDLE_S, "recovery", self.look)

    def moved_at(self) -> float:
        """Return the CLOCK_BOOTTIME at which the server last made visible progress, 0 if it never did."""
        return self._seen[1].moved_at if self._seen is not None else 0.0

    def latest(self) -> Replay | None:
        """Return what the supervisor has answered last, None if nothing is known."""
        return self._latest

    def look(self) -> None:
        """Ask once, if there may be progress to observe."""
        address = self._address()
        if address is None or not self._active():
            self._forget()
            return
        nonce, term = address
        try:
            replay = parse(self._commands.call(nonce, term, "progress", timeout=ANSWER_S)[0])
        except OperationFailed:
            return
        replayed = None if replay.segment is None else segment_start(replay.segment, self._segment_size())
        known = self._seen[1] if self._seen is not None and self._seen[0] == nonce else None
        disk_waits = replay.startup.disk_waits if replay.startup is not None else None
        seen = update(known, replayed, replay.work, disk_waits, self._runtime.now())
        self._seen = nonce, seen
        self._latest = replay
        if seen != known:
            self._report(ReplaySeen(seen), False)
        else:
            self._still(seen.moved_at, replay)

    def _forget(self) -> None:
        self._latest = None
        if self._seen is not None:
            self._seen = None
            self._report(ReplaySeen(None), False)


def parse(text: str) -> Replay:
    """Parse the supervisor's answer. Raise OperationFailed if it is malformed."""
    match = _ANSWER.fullmatch(text)
    if match is None:
        raise OperationFailed(f"progress: not an answer: {text!r}")
    receiver, state, switches, place, title = match.group(3, 4, 5, 6, 7)
    startup = StartupProcess(state, int(switches), None if place == "0" else place, title.strip(), receiver != "-") if state else None
    return Replay(None if match[1] == "-" else match[1], int(match[2]), startup)
