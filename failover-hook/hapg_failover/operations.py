"""Operations on the local server: each is a short sequence of commands, SQL and file access; they run one at a time.

`core` decides which operation to run; this module only knows how. A kill makes a running operation fail at its next command.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import floor
from typing import assert_never

from hapg_protocol.lsn import Position, format_lsn, parse_lsn
from hapg_protocol.model import VolumeState
from hapg_protocol.wal_files import History, parse_history, segment_name, segment_start

from .adapters.ports import (
    Archive,
    ArchiveError,
    Disk,
    Heartbeat,
    Inspector,
    Marker,
    NotArchived,
    NotNow,
    PeerError,
    Runtime,
    SegmentRefused,
    SourceError,
    SourceFacts,
    Sql,
    SqlError,
    Supervisor,
)
from .configuration import DataRefused, configure
from .core import catching_up, disk_space, major_upgrade, rejoin, write_quorum
from .core.rejoin import Plan, Way
from .core.startup import was_killed
from .core.state.actions import (
    Adopt,
    CatchUp,
    Clone,
    DeadHolder,
    Follow,
    Initdb,
    Look,
    Order,
    Prepare,
    Promote,
    Restore,
    Rewind,
    Run,
    Seal,
    Seed,
    SetStandbys,
    ShutDown,
    Start,
    Stop,
    Upgrade,
)
from .core.state.results import Fetched, OpResult, Outcome
from .core.timing import Timing
from .core.unreplicated_wal import MOST, WalRequest
from .replay_progress import parse as parse_replay
from .supervisor_commands import OperationFailed, SupervisorCommands

QUICK_S = 10.0
STOP_S = 600.0
COPY_STALL_S = 3600.0
PROMOTE_OFTEN_S = 2.0
PROMOTE_POLL_S = 0.01
PROMOTE_SELDOM_POLL_S = 0.1
SOURCE_CHECKPOINT_S = 30.0
CHECKPOINT_LOOK_S = 0.2
REMOTE_S = 5.0
SHORT_CHECKPOINT_S = 0.25
CHECKPOINTS = 4
SIZE_S = 60.0
CLONE_SEGMENTS = 3
NEAR_BYTES = 16 * 1024 * 1024
FRESH_S = 0.5
STANDBYS_S = 4.0
STATUS_S = 2.0
FETCH_S = 1.5
FETCH_PATIENCE_S = 0.4
FETCH_AGAIN_S = 0.05
LOT_S = 5.0
FETCH_SEGMENT_S = 20.0
VERIFIED_S = 600.0
CONTINUED_SEGMENTS = 2
END_TRIES = 3
PAUSED = "its replay is paused, and before it streams it replays what it has: SELECT pg_wal_replay_resume()"
NOT_CONNECTED = re.compile("connection to server .*failed|could not connect to server")
EXIT_CODE = re.compile(r"ended with code ([0-9]{1,3})$")
TERM_TOO_LOW = re.compile(r"term [0-9]+ is below ([0-9]{1,18})$")


AskWal = Callable[[WalRequest, str, float], bytes]
FindSource = Callable[[], SourceFacts]
Inspect = Callable[[Callable[..., str]], Inspector]
"""Makes an inspector of the volume from a function that runs a command with its arguments and returns the output."""


@dataclass(frozen=True)
class Tools:
    """Everything that operations use.

    port: of PostgreSQL; grace: the pod's, in seconds; slot: our replication slot on a primary, None: slots are not used; missing: programs
    that the image lacks; reloads_conninfo: a standby can change its upstream without a restart; moved_at: CLOCK_BOOTTIME at which the
    server or a job last made visible progress; stall: longest time without progress, in seconds; ask_wal: asks the agent at an address for
    WAL that its dead server had not sent, with a time limit in seconds; raises PeerError; find_source: looks at the live server that the
    first server is to be a clone of; raises SourceError; archive: of the release, None without one.
    """

    runtime: Runtime
    commands: SupervisorCommands
    supervisor: Supervisor
    sql: Sql
    volume: Disk
    inspect: Inspect
    port: int
    grace: int
    slot: str | None = None
    missing: frozenset[str] = frozenset()
    reloads_conninfo: bool = True
    moved_at: Callable[[], float] = lambda: 0.0
    stall: float = Timing.stall
    ask_wal: AskWal | None = None
    find_source: FindSource | None = None
    archive: Archive | None = None


class Operation:
    """One operation, for one incarnation of the supervisor."""

    def __init__(self, tools: Tools, run: Run, nonce: str) -> None:
        """run: the operation to perform."""
        self._tools = tools
        self._run = run
        self._nonce = nonce
        self._inspector = tools.inspect(self._output)
        self._emergency_spaces: tuple[str, ...] = ()

    def perform(self) -> OpResult:
        """Run the operation; every failure becomes a result. On return, the supervisor's heartbeat already reflects it."""
        result = self._attempt()
        ended = floor(self._tools.runtime.now() * 100) / 100
        with suppress(OperationFailed):
            self._command("hello", timeout=FRESH_S)
            while self._heartbeat().uptime < ended and self._tools.runtime.now() < ended + FRESH_S:
                self._tools.runtime.sleep(0.002)
        return replace(result, ended=ended, emergency_spaces=self._emergency_spaces)

    def _attempt(self) -> OpResult:
        try:
            return self._carry_out(self._run.order)
        except OperationFailed as failure:
            return self._result(Outcome.FAILED, str(failure), failure.position)
        except (OSError, ValueError, SqlError) as error:
            return self._result(Outcome.FAILED, f"{type(error).__name__}: {error}")

    def _carry_out(self, order: Order) -> OpResult:  # noqa: C901 a case for each
        match order:
            case Start():
                return self._start(order)
            case Seal():
                return self._seal(order)
            case Follow():
                return self._follow(order)
            case Rewind():
                return self._rewind(order)
            case Clone():
                return self._clone(order)
            case Initdb():
                return self._initdb()
            case Restore():
                return self._restore()
            case Seed():
                return self._seed()
            case Look():
                return self._result(Outcome.OK)  # every operation ends with that
            case Upgrade():
                return self._upgrade(order)
            case Promote():
                return self._promote(order)
            case Prepare():
                return self._prepare(order)
            case ShutDown():
                return self._switch_over(order)
            case Stop():
                return self._stop()
            case SetStandbys():
                return self._standbys(order)
            case Adopt():
                return self._adopt()
            case CatchUp():
                return self._catch_up(order)
            case _:
                assert_never(order)

    def _result(self, outcome: Outcome, text: str = "", position: Position | None = None) -> OpResult:
        return OpResult(self._run.number, self._run.op, outcome, self._nonce, text, position)

    def _command(self, command: str, *args: str, timeout: float = QUICK_S) -> str:
        return self._call(command, *args, timeout=timeout)[0]

    def _long_command(self, command: str, *args: str, stall: float | None = None) -> str:
        """Send a command of unlimited duration: it fails only if it makes no progress for a while."""
        return self._call(command, *args, timeout=stall or self._tools.stall, moved_at=self._tools.moved_at)[0]

    def _output(self, command: str, *args: str, stall: float | None = None) -> str:
        answer = self._call(command, *args, timeout=stall or self._tools.stall, moved_at=self._tools.moved_at)
        return self._tools.supervisor.output(answer[1])

    def _steer(self, command: str, *args: str) -> str:
        """Point a standby at another upstream or at none; before PostgreSQL 13 this restarts it."""
        return self._command(command, *args) if self._tools.reloads_conninfo else self._long_command(command, *args)

    def _call(
        self,
        command: str,
        *args: str,
        timeout: float,
        moved_at: Callable[[], float] | None = None,
        is_over: Callable[[], bool] | None = None,
    ) -> tuple[str, str]:
        """Send a command, as SupervisorCommands.call does.

        If the supervisor has seen a higher term, from an earlier agent, adopt it for the next attempt.
        """
        try:
            return self._tools.commands.call(
                self._nonce, self._run.term, command, *args, timeout=timeout, moved_at=moved_at, is_over=is_over
            )
        except OperationFailed as failure:
            if newer := TERM_TOO_LOW.search(str(failure)):
                self._tools.volume.write_term(int(newer[1]))
            raise

    def _heartbeat(self) -> Heartbeat:
        heartbeat = self._tools.supervisor.heartbeat()
        if heartbeat is None:
            raise OperationFailed("the supervisor is not responding")
        return heartbeat

    def _wait_for_down(self) -> None:
        end = self._tools.runtime.now() + QUICK_S
        while self._heartbeat().state != "down":
            if self._tools.runtime.now() > end:
                raise OperationFailed("the server was stopped but the supervisor doesn't report it")
            self._tools.runtime.sleep(0.01)

    def _ensure_down(self, timeout: float) -> None:
        if self._heartbeat().state != "down":
            self._command("stop", "fast", timeout=timeout)
            self._wait_for_down()

    def _start(self, order: Start) -> OpResult:
        if self._tools.volume.dirty():
            raise OperationFailed("a rewind or clone was started and not finished: the volume must be cloned")
        self._ensure_down(STOP_S)
        if self._tools.volume.foreign():
            self._tools.volume.set_foreign()
        with suppress(OSError, ValueError):  # a volume with an unreadable marker is never started
            self._tools.volume.settle()
        refused = self._configure()
        if refused and not self._tools.volume.has_configuration():
            # there is no other to start with, and this one could use up all memory
            return replace(self._result(Outcome.REFUSED, refused), refused=refused)
        guard = (str(order.guard),) if order.guard else ()
        try:
            if order.emergency_space:
                self._release_emergency_spaces()
            self._tools.volume.write_term(self._run.term)
            self._long_command("start", order.mode, *guard)
            self._note_standby()
        except (OperationFailed, OSError) as error:
            return replace(self._start_failed(str(error)), refused=refused) if refused else self._start_failed(str(error))
        return replace(self._sealed(self._inspector.end_of_wal(None, order.known)), refused=refused)

    def _configure(self) -> str | None:
        """Have the release's files accepted, or keep those in effect; return why they are rejected, None if they couldn't be tested."""
        tools = self._tools
        with suppress(OperationFailed, DataRefused):
            return configure(tools.commands, tools.supervisor, self._nonce, self._run.term)
        return None

    def _note_standby(self) -> None:
        with suppress(OSError):
            self._tools.volume.note_standby()

    def _release_emergency_spaces(self) -> None:
        self._emergency_spaces = tuple(self._tools.volume.release_emergency_spaces())

    def _sealed(self, position: Position | None) -> OpResult:
        shutdown = position is not None and self._inspector.ends_in_shutdown(position)
        text = "at a shutdown checkpoint" if shutdown else ""
        return replace(self._result(Outcome.OK, text, position), shutdown=shutdown, replayed=self._replayed())

    def _replayed(self) -> int | None:
        """Return the LSN up to which the server has replayed: the start of the segment that it is reading, else its redo point."""
        with suppress(OperationFailed, OSError, ValueError):
            segment = parse_replay(self._command("progress", timeout=STATUS_S)).segment
            return self._inspector.control().redo if segment is None else segment_start(segment, self._tools.volume.segment_size())
        return None

    def _start_failed(self, text: str) -> OpResult:
        """Find out why the server doesn't start. Its data is to blame only if a server without data starts with the same configuration."""
        tools, volume = self._tools, self._tools.volume
        if disk_space.is_full(volume.scarcest()[1], volume.segment_size()):
            return self._result(Outcome.ROOM, text)
        if (ended := EXIT_CODE.search(text)) and was_killed(int(ended[1])):
            return self._result(Outcome.UNPROVEN, f"{text}: it was killed")
        try:
            refused = configure(tools.commands, tools.supervisor, self._nonce, self._run.term, "checkconfig")
        except DataRefused:
            refused = ""
        except OperationFailed as failure:
            return self._result(Outcome.UNPROVEN, f"{text}; could not check whether its configuration is the reason: {failure}")
        if refused:
            return replace(self._result(Outcome.REFUSED, refused), refused=refused)
        return self._result(Outcome.FAILED, text)

    def _seal(self, order: Seal) -> OpResult:
        # From now on the supervisor rejects lower terms, even from a later agent that finds no Lease to learn the term from.
        with suppress(OSError):
            self._tools.volume.write_term(self._run.term)
        position = self._sealed_position("slow" if order.slow else "fast", order.drain_s)
        self._note_standby()
        ask, dead = self._tools.ask_wal, order.dead
        if dead is None or ask is None or position is None or position.timeline != dead.timeline:
            return self._sealed(position)
        position, fetched = self._with_fetched_wal(ask, dead, position)
        result = self._sealed(position)
        return replace(result, text=f"{result.text} {fetched} bytes of unreplicated WAL fetched".lstrip()) if fetched else result

    def _with_fetched_wal(self, ask: AskWal, dead: DeadHolder, position: Position) -> tuple[Position, int]:
        """Fetch the dead server's WAL beyond `position`; return the new end of WAL, and the number of bytes fetched."""
        tools, fetched, end = self._tools, 0, self._tools.runtime.now() + FETCH_S
        while fetched < MOST and (left := end - self._tools.runtime.now()) > 0:
            place = position.lsn + fetched
            try:
                data = ask(WalRequest(dead.term, position.timeline, place), dead.host, left)
            except NotNow:
                if fetched or left < FETCH_S - FETCH_PATIENCE_S:
                    break
                self._tools.runtime.sleep(FETCH_AGAIN_S)  # it may not know yet that its release of the Lease was accepted
                continue
            except PeerError:
                break
            if not data:
                break
            tools.volume.add_wal(position.timeline, place, data)
            fetched += len(data)
        found = self._inspector.end_of_wal(position.lsn) if fetched else None
        return (position, 0) if found is None or found <= position else (found, found.lsn - position.lsn)

    def _sealed_position(self, how: str, drain_s: float | None = None) -> Position | None:
        title = self._steer("seal", how) if drain_s is None else self._command("seal", "drain", timeout=drain_s)
        return self._inspector.end_of_wal(None if title == "-" else parse_lsn(title))

    def _follow(self, order: Follow) -> OpResult:
        tools, host, timeline = self._tools, order.host, order.timeline
        position = order.own if order.own is not None else self._sealed_position("fast")
        try:
            own = position or self._least_position()
            plan, _ = self._plan(host, timeline, own)
            if plan.way is Way.CLONE:
                return self._result(Outcome.NEEDS_CLONE, plan.reason, position)
            if plan.way is Way.REWIND and "pg_rewind" in tools.missing:
                return self._result(Outcome.NEEDS_CLONE, f"{plan.reason}; the image has no pg_rewind", position)
            if plan.way is Way.REWIND:
                return self._result(Outcome.DIVERGED, plan.reason, position)
            size = tools.volume.segment_size()
            # At the very start of a segment, the primary may not have created it yet either; then the previous one decides.
            end = max(own.lsn, order.fetched_to or 0)
            places = [(t, lsn) for t in sorted({own.timeline, timeline}) for lsn in (end, end - 1)]
            names = [segment_name(each, lsn, size) for each, lsn in places]
            if not any(tools.sql.remote_has_segment(host, tools.port, name, REMOTE_S) for name in names):
                return self._result(Outcome.LACKS_WAL, f"the primary has removed {names[0]}, which we need", position)
            user = tools.sql.remote_user(host, tools.port, REMOTE_S)
        except SqlError as error:
            raise OperationFailed(f"the primary at {host} can't be queried: {error}", position) from error
        slot = self._own_slot(host)
        tools.volume.write_term(self._run.term)
        self._steer("follow", host, str(tools.port), user, *slot)
        self._note_standby()
        text = plan.reason if slot or tools.slot is None else f"{plan.reason}; without a replication slot"
        return replace(self._result(Outcome.OK, text), hindrance=self._hindrance(order))

    def _plan(self, host: str, timeline: int, own: Position) -> tuple[Plan, History]:
        """Return how to rejoin the primary at `host`, and the history of its timeline. Raise SqlError."""
        volume = self._tools.volume
        history = parse_history(self._tools.sql.remote_history(host, self._tools.port, timeline, REMOTE_S))
        known = volume.read_history(own.timeline) if own.timeline == timeline else None
        return rejoin.plan(own, timeline, history, parse_history(known) if known else None, volume.foreign()), history

    def _catch_up(self, order: CatchUp) -> OpResult:
        """Put WAL that the primary has removed into our WAL directory, from the archive. Our server is sealed, and replays it at once."""
        tools, own = self._tools, order.own
        size = tools.volume.segment_size()
        try:
            self._own_slot(order.host)  # retains the WAL from here on
            plan, history = self._plan(order.host, order.timeline, own)
            kept = tools.sql.remote_segments(order.host, tools.port, REMOTE_S)
        except SqlError as error:
            raise OperationFailed(f"the primary at {order.host} can't be queried: {error}", own) from error
        if plan.way is not Way.FOLLOW:
            return self._result(Outcome.NEEDS_CLONE, plan.reason, own)
        route = catching_up.route(own, order.fetched_to, order.timeline, history, kept, size)
        if route.refused:
            return self._result(Outcome.NEEDS_CLONE, route.refused, own)
        count, outcome, text = self._take(route.segments[: order.most], own)
        # One that failed may be there all the same.
        position = self._end_beside_restartpoints(own) if route.segments else own
        result = self._sealed(position)
        at = route.until - (len(route.segments) - count) * size
        if count and position.lsn < at - CONTINUED_SEGMENTS * size:
            text = f"our WAL, which ends at {position}, is not continued by what the archive has up to {format_lsn(at)}"
            return replace(result, outcome=Outcome.NEEDS_CLONE, text=text)
        return replace(result, outcome=outcome, text=text or f"{count} segments from the archive", fetched=Fetched(count, at, route.until))

    def _end_beside_restartpoints(self, own: Position) -> Position:
        """Return the new end of our WAL. A restartpoint may remove segments while they are read, and is seen in the control file then.

        own: the end before.
        """
        for _ in range(END_TRIES):
            with suppress(OperationFailed, OSError, ValueError):
                found = self._inspector.end_of_wal(own.lsn)
                if found is not None and found >= own:
                    return found
        raise OperationFailed(f"the end of our WAL isn't found beyond {own}")

    def _take(self, segments: Sequence[str], own: Position) -> tuple[int, Outcome, str]:
        """Put segments into our WAL directory, one after the other; return how many, and how and why that ended, '' if they are all there.

        Another one is begun for LOT_S seconds only: a failover may wait for our position.
        """
        tools, end = self._tools, self._tools.runtime.now() + LOT_S
        assert tools.archive is not None
        identifier = self._inspector.control().system_identifier
        for count, segment in enumerate(segments):
            if tools.runtime.now() > end:
                return count, Outcome.OK, ""
            try:
                tools.volume.add_segment(segment, own.lsn, identifier, tools.archive.fetch(segment, FETCH_SEGMENT_S))
            except (NotArchived, SegmentRefused) as error:
                return count, Outcome.NEEDS_CLONE, f"{error}"
            except (ArchiveError, OSError) as error:
                return count, Outcome.FAILED, f"{error}"
        return len(segments), Outcome.OK, ""

    def _hindrance(self, order: Follow) -> str:
        """Return the known reason why a server that followed before doesn't stream, '' if none is known."""
        with suppress(SqlError):
            if order.own is None and self._tools.sql.replay_paused(STATUS_S):
                return PAUSED
        return ""

    def _own_slot(self, host: str) -> tuple[str, ...]:
        """Return the name of our slot on the primary, created if needed; () if it can't be created: streaming works without one."""
        tools = self._tools
        if tools.slot is None:
            return ()
        with suppress(SqlError):
            if tools.sql.remote_slot(host, tools.port, tools.slot, REMOTE_S):
                return (tools.slot,)
        return ()

    def _least_position(self) -> Position:
        return self._inspector.control().min_recovery

    def _rewind(self, order: Rewind) -> OpResult:
        tools, host = self._tools, order.host
        try:
            self._wait_for_checkpoint(order)
            user = tools.sql.remote_user(host, tools.port, REMOTE_S, as_client=True)
        except SqlError as error:
            return self._result(Outcome.BUSY, f"the primary at {host} has no free connection for a rewind: {error}")
        on, room = tools.volume.scarcest()
        if disk_space.is_full(room, tools.volume.segment_size()):
            return self._result(Outcome.ROOM, f"the {on} has {disk_space.room_in_words(room)} free, too little for a rewind")
        self._ensure_down(STOP_S)
        tools.volume.set_dirty()
        try:
            self._long_command("rewind", host, str(tools.port), user, stall=COPY_STALL_S)
        except OperationFailed as failure:
            if not NOT_CONNECTED.search(str(failure)):
                raise
            tools.volume.clear_dirty()  # pg_rewind connects before it writes
            return self._result(Outcome.BUSY, f"the primary at {host} has no free connection for a rewind: {failure}")
        tools.volume.clear_foreign()
        tools.volume.clear_dirty()
        return self._result(Outcome.OK, f"rewound to {host}")

    def _wait_for_checkpoint(self, order: Rewind) -> None:
        """Wait for the primary's first checkpoint on its new timeline.

        pg_rewind takes the source's timeline from its last checkpoint; a primary makes one a second after its promotion.
        """
        end = self._tools.runtime.now() + SOURCE_CHECKPOINT_S
        while (timeline := self._tools.sql.remote_checkpoint(order.host, self._tools.port, REMOTE_S)) != order.timeline:
            if self._tools.runtime.now() > end:
                raise OperationFailed(f"the primary's last checkpoint is on timeline {timeline}, not yet on {order.timeline}")
            self._tools.runtime.sleep(CHECKPOINT_LOOK_S)

    def _clone(self, order: Clone) -> OpResult:
        tools = self._tools
        was_dirty = tools.volume.dirty()
        had_data = tools.volume.assess().state is not VolumeState.EMPTY
        primary, source = order.host, self._clone_source(order)
        if lack := self._lack_for_clone(tools.sql.remote_size(source, tools.port, SIZE_S)):
            return self._result(Outcome.ROOM, lack)
        user = tools.sql.remote_user(source, tools.port, REMOTE_S)
        self._own_slot(primary)  # retains the WAL written during the copy
        self._ensure_down(STOP_S)
        tools.volume.set_dirty()
        try:
            self._long_command("clone", source, str(tools.port), user, stall=COPY_STALL_S)
        except OperationFailed:
            if not was_dirty:
                tools.volume.clear_dirty()
            raise
        self._mark(self._tools.runtime.unique_id())
        tools.volume.clear_dirty()
        origin = "the primary" if source == primary else f"the standby at {source}"
        return self._result(Outcome.OK, f"a clone of {origin}" + (" has replaced the old data" if had_data else ""))

    def _lack_for_clone(self, size: int) -> str:
        """Return which volume is too small for a clone, '' if none is. size: of the source's databases, in bytes."""
        volume = self._tools.volume
        rooms = volume.room_for_clone()
        for on, needed in disk_space.clone_needs(size, CLONE_SEGMENTS * volume.segment_size(), rooms).items():
            if needed > rooms[on]:
                has = disk_space.room_in_words(rooms[on])
                return f"a clone needs {disk_space.room_in_words(needed)} besides the existing data, the {on} has {has}"
        return ""

    def _clone_source(self, order: Clone) -> str:
        """Return the address to clone from: the proposed standby's if it currently streams from the primary, else the primary's."""
        tools = self._tools
        if order.source is not None:
            with suppress(SqlError):
                if tools.sql.remote_streams(order.source, tools.port, order.timeline, REMOTE_S):
                    return order.source
        return order.host

    def _mark(self, uuid: str) -> None:
        self._tools.volume.write_marker(Marker(uuid, self._inspector.control().system_identifier))

    def _initdb(self) -> OpResult:
        self._command("stop", "immediate")  # ends an initdb that an earlier agent started
        self._long_command("initdb", stall=COPY_STALL_S)  # runs scripts, which may load a lot of data
        self._mark(self._tools.runtime.unique_id())
        return self._result(Outcome.OK, "the first server's directory is created")

    def _restore(self) -> OpResult:
        """Restore the first server's directory. A failure leaves nothing, as one of initdb does."""
        self._command("stop", "immediate")  # ends a restore that an earlier agent started
        said = self._output("restore", stall=COPY_STALL_S).strip().splitlines()
        self._mark(self._tools.runtime.unique_id())
        return self._result(Outcome.OK, said[-1] if said else "restored")

    def _seed(self) -> OpResult:
        """Make the first server's directory a clone of a live server. A failure leaves nothing, as one of initdb does."""
        tools = self._tools
        self._command("stop", "immediate")  # ends a seed that an earlier agent started
        if tools.find_source is None:
            return self._result(Outcome.FAILED, "there is no source to clone: clone.from is not set")
        try:
            source = tools.find_source()
        except SourceError as error:
            return self._result(Outcome.FAILED, str(error))
        if lack := self._lack_for_clone(source.size):
            return self._result(Outcome.FAILED, f"{lack}: grow it")
        self._long_command("seed", *source.address, stall=COPY_STALL_S)
        self._mark(tools.runtime.unique_id())
        host, port, *_ = source.address
        return self._result(Outcome.OK, f"a clone of the live server {host}:{port}")

    def _upgrade(self, order: Upgrade) -> OpResult:
        """Upgrade the data from another major. A failure leaves the former data, as does anything that ends this agent or the server."""
        self._command("stop", "immediate")  # ends an upgrade that an earlier agent started
        if order.verified_s is not None and (why := self._unverified(order.major, order.verified_s)):
            return self._result(Outcome.FAILED, f"{why}: {major_upgrade.VERIFY_FIRST}")
        self._tools.volume.begin_upgrade(*order.begun)
        self._output("upgrade", order.major, str(order.timeline), order.system_identifier, stall=COPY_STALL_S)
        self._tools.volume.end_upgrade()
        return self._result(Outcome.OK, f"the data of PostgreSQL {order.major} is upgraded")

    def _unverified(self, major: str, within_s: float) -> str:
        tools = self._tools
        try:
            found = None if tools.archive is None else tools.archive.verified(major, VERIFIED_S)
        except ArchiveError as error:
            return f"no backup can be relied on: {error}"
        return major_upgrade.unverified(found, tools.runtime.wall_clock(), within_s)

    def _promote(self, order: Promote) -> OpResult:
        tools, timeline = self._tools, order.timeline
        if order.own is None:
            raise OperationFailed("no position is known to promote from")
        tools.volume.write_term(self._run.term)
        try:
            self._command("promote", str(timeline), str(order.own.timeline), *_words(order.setting))
        except OperationFailed as failure:
            return replace(self._result(Outcome.FAILED, str(failure)), unbegun=failure.refused)
        position = self._await_writable(timeline)
        if position.timeline != timeline:
            tools.volume.set_foreign()
            raise OperationFailed(f"promoted onto timeline {position.timeline}, {timeline} was reserved")
        tools.volume.clear_foreign()
        return self._result(Outcome.OK, f"term {self._run.term}, timeline {timeline}", position)

    def _await_writable(self, timeline: int) -> Position:
        """Wait until the server is writable on `timeline`, however much WAL it has to replay first; return its end of WAL."""
        tools, begun = self._tools, self._tools.runtime.now()
        while True:
            position, problem = self._is_writable(timeline)
            if position is not None:
                return position
            if self._heartbeat().state == "down":
                raise OperationFailed(f"the server died: {problem}")
            now = self._tools.runtime.now()
            if now - max(begun, tools.moved_at()) > tools.stall:
                raise OperationFailed(f"not writable, and no progress for {tools.stall:g} s: {problem}")
            self._tools.runtime.sleep(PROMOTE_POLL_S if now - begun < PROMOTE_OFTEN_S else PROMOTE_SELDOM_POLL_S)

    def _is_writable(self, timeline: int) -> tuple[Position | None, str]:
        """Return the server's write position, or None and the reason why it isn't writable.

        A server without a free connection slot can't be queried. Then the control file shows whether recovery has ended, on `timeline`.
        """
        try:
            status = self._tools.sql.status(1.0)
            return (None, "it is still in recovery") if status.in_recovery else (status.position, "")
        except SqlError as error:
            position = self._tools.volume.production()
            return position if position is not None and position.timeline == timeline else None, str(error)

    def _prepare(self, order: Prepare) -> OpResult:
        """Checkpoint while serving, so that the shutdown checkpoint is short; repeat if the checkpoint itself took long."""
        end = self._tools.runtime.now() + order.seconds
        for _ in range(CHECKPOINTS):
            begun = self._tools.runtime.now()
            self._tools.sql.checkpoint(order.seconds)
            if self._tools.runtime.now() - begun <= SHORT_CHECKPOINT_S or self._tools.runtime.now() >= end:
                break
        return self._result(Outcome.OK, "a checkpoint is made")

    def _switch_over(self, order: ShutDown) -> OpResult:
        tools = self._tools
        self._release_emergency_spaces()
        with suppress(SqlError):
            tools.sql.end_laggards(order.keep or "", NEAR_BYTES, STATUS_S)
        self._shut_down(order.seconds)
        return self._result(Outcome.OK, "shut down", self._inspector.end_of_shutdown())

    def _shut_down(self, patience_s: float) -> None:
        """Shut the server down.

        PostgreSQL waits until each standby has received the last record. Once that record is written, standbys get `patience_s` seconds
        more; then the server is killed.
        """
        written_at: list[float] = []

        def is_over() -> bool:
            with suppress(OSError, ValueError):
                if not written_at and self._inspector.is_shut_down():
                    written_at.append(self._tools.runtime.now())
            return bool(written_at) and self._tools.runtime.now() - written_at[0] > patience_s

        try:
            self._call("stop", "fast", timeout=max(10.0, self._tools.grace - 20.0), is_over=is_over)
        except OperationFailed:
            if not written_at:
                raise
            self._command("kill")
        self._wait_for_down()

    def _standbys(self, order: SetStandbys) -> OpResult:
        """Change synchronous_standby_names and verify that every process uses it; the position is the end of WAL after that."""
        sql, setting = self._tools.sql, order.setting
        self._command("standbys", *(_words(setting) or ("0",)))
        end = self._tools.runtime.now() + STANDBYS_S
        while True:
            seen = sql.standby_names(STATUS_S)
            problem = write_quorum.not_in_force(setting, seen.shown, seen.priorities)
            if problem is None:
                break
            if self._tools.runtime.now() > end:
                raise OperationFailed(problem)
            self._tools.runtime.sleep(0.02)
        if setting.k and not order.waited:
            sql.checkpoint(SOURCE_CHECKPOINT_S)
        return self._result(Outcome.OK, str(setting), sql.status(STATUS_S).position)

    def _adopt(self) -> OpResult:
        uuid = self._tools.runtime.unique_id()
        self._tools.volume.adopt(uuid)
        return self._result(Outcome.OK, f"it is volume {uuid} from now on")

    def _stop(self) -> OpResult:
        self._ensure_down(max(10.0, self._tools.grace - 20.0))
        return self._result(Outcome.OK, "stopped")


def _words(setting: write_quorum.Setting) -> tuple[str, ...]:
    """Return the setting as command arguments: K and the names; none if a COMMIT waits for no standby."""
    return (str(setting.k), *setting.names) if setting.k else ()
