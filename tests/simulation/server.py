"""A data volume, and the supervisor with its PostgreSQL server."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hapg_failover.core.write_quorum import OFF, Setting
from hapg_protocol.model import VolumeState

from . import settings, synchronous
from .redo import Redo
from .senders import Senders
from .wal import Branch, Wal

if TYPE_CHECKING:
    from .world import World

LOOP_S = 0.2
KILL_S = 0.5
RECONNECT_S = 1.5


@dataclass
class Volume:
    """The contents of a member's disk. dirty: a rewind was begun but not finished; redo: LSN at which the next start begins replay;
    foreign: something else promoted its server; the supervisor has seen it, or the next start will; accepted: postgresql.conf; limit: the
    max_connections in the control file.
    """

    uuid: str | None = None
    system_identifier: str | None = None
    wal: Wal | None = None
    max_term: int = 0
    dirty: bool = False
    redo: int = 0
    foreign: bool = False
    accepted: str | None = None
    limit: int | None = None

    @property
    def state(self) -> VolumeState:
        """The volume's state as the agent reads it."""
        if self.wal is None:
            return VolumeState.EMPTY
        return VolumeState.DAMAGED if self.dirty or self.unmarked else VolumeState.DATA

    @property
    def unmarked(self) -> bool:
        """True if there is a data directory, and no marker that says it was finished."""
        return self.wal is not None and self.uuid is None


@dataclass(frozen=True)
class Deadline:
    """The deadline file. at: CLOCK_BOOTTIME, None for no fence."""

    at: float | None
    term: int
    nonce: str


class Server:
    """One run of the postgres container: its supervisor, and the server it runs.

    state: as the supervisor reports it (down, standby, primary); writable: transactions can commit; upstream: the address it streams
    from; recovering: a primary in crash recovery in place after a backend's crash; rogue: promoted by something else, and not yet
    noticed.
    """

    def __init__(self, world: World, member: int, uid: str, nonce: str, volume: Volume) -> None:
        self.world = world
        self.member = member
        self.uid = uid
        self.nonce = nonce
        self.volume = volume
        self.alive = True
        self.state = "down"
        self.writable = False
        self.stopping = False
        self.clean = False
        self.recovering = False
        self.rogue = False
        self.idle_until = 0.0
        self.upstream: str | None = None
        self.redo = Redo(self)
        self.senders = Senders(self)
        self.guard = 0
        self.hot = False
        self.started: str | None = None
        self.standbys = synchronous.started(self, 0)
        self.deadline: Deadline | None = None
        self.terminating = False
        self.term = 0
        self.run = 0
        self.silent_run = -1
        self.promised_term = 0
        self.heartbeat_at = world.clock(member).now
        self.heartbeat_state = "down"
        self.frozen = False
        self.thawed_at = -1000.0
        self._waiting: deque[Callable[[], None]] = deque()
        self.fifo_free = 0.0
        self.sealing = 0
        self.job_steps = 0
        self.deaths: list[Callable[[], None]] = []
        self._unsaid = ""
        self._loop()

    @property
    def now(self) -> float:
        """CLOCK_BOOTTIME."""
        return self.world.clock(self.member).now

    # --- running, frozen ---

    def later(self, delay: float, do: Callable[[], None]) -> None:
        """Continue after `delay`, or once thawed."""

        def resume() -> None:
            if self.frozen or self._waiting:
                self._waiting.append(do)
            else:
                do()

        self.world.engine.after(delay, resume)

    def freeze(self) -> None:
        """Freeze every process of the container."""
        self.redo.advance()
        self.frozen = True

    def thaw(self) -> None:
        """Thaw them."""
        if not self.frozen:
            return
        self.frozen = False
        self.redo.pause()
        self.thawed_at = self.world.engine.now
        while self._waiting and not self.frozen:
            self._waiting.popleft()()

    @property
    def overdrawn(self) -> bool:
        """Its processes were frozen past the deadline, and the supervisor has not yet run since (rule 15 of the known rules)."""
        return self.frozen or self.world.engine.now - self.thawed_at <= self.world.timings[self.member].fence

    @property
    def silent(self) -> bool:
        """The postmaster of this run accepts no more connections."""
        return self.silent_run == self.run

    # --- the supervisor's loop ---

    def _loop(self) -> None:
        if not self.alive:
            return
        self.beat()
        self._say()
        if self.rogue:
            self.world.note(self.member, "promoted by another: killed")
            self.kill()
        self._fence()
        if self.state != "down":
            self.redo.advance()
            self._replicate()
            self.senders.send()
        self.later(self.world.uniform(0.1, LOOP_S), self._loop)

    def beat(self) -> None:
        """Send a heartbeat."""
        self.heartbeat_at = self.now
        self.heartbeat_state = self.state

    def _say(self) -> None:
        """Send the agent of this pod an unsolicited message."""
        if self._unsaid:
            self.world.agent[self.member].hear(self.nonce, self._unsaid)
            self._unsaid = ""

    def _fence(self) -> None:
        if self.state != "primary":
            return
        deadline = self.deadline
        valid = deadline is not None and deadline.nonce == self.nonce
        if valid and deadline is not None and (deadline.at is None or self.now <= deadline.at):
            return
        run = self.run
        delay = self.world.uniform(0.0, KILL_S) if self.world.chance(0.5) else KILL_S
        self.later(delay, lambda: self._fenced(run))

    def _fenced(self, run: int) -> None:
        if self.alive and self.state == "primary" and self.run == run:
            self.world.note(self.member, "fenced at the deadline")
            self.kill("fenced")

    def _replicate(self) -> None:
        if self.writable and not self.stopping and self.world.engine.now >= self.idle_until:
            self.commit()
        if self.upstream is None or self.state != "standby":
            return
        stall = self.world.stream_stall[self.member]
        receives = not self.world.chance(stall)
        source = self.source() if stall < 1.0 else None
        if source is not None:
            source.senders.heard(self.member)
        if source is not None and receives:
            self.receive(source, self.world.chance(0.8))

    def commit(self) -> None:
        """Commit and acknowledge a transaction."""
        if self.volume.wal is None or self.world.disk_hung[self.member] or self.silent:
            return
        if self.world.disk_full[self.member]:
            left = self.world.segments[self.member]
            if left and not self.world.is_routed(self.member):
                return
            if not self.world.chance(0.1):
                if not left:
                    return
            elif left:
                self.world.segments[self.member] -= 1
            else:
                self.world.note(self.member, "the server dies for want of room")
                self._down()
                return
        self.volume.wal = self.volume.wal.grown(self.world.randint(1, 20))
        self.world.invariants.writing(self)
        self.standbys.release()

    def source(self) -> Server | None:
        """Return the upstream server, if it is reachable and sending."""
        if self.upstream is None:
            return None
        server = self.world.network.server_at(self.upstream, self.member)
        if server is None or server.state == "down" or server.recovering or server.volume.wal is None or self.volume.wal is None:
            return None
        return server if self.volume.wal.seems_prefix_of(server.volume.wal) else None

    def receive(self, source: Server, everything: bool) -> None:
        """Copy the WAL that the upstream server has."""
        assert self.volume.wal is not None
        assert source.volume.wal is not None
        own, theirs = self.volume.wal, source.volume.wal
        self.volume.limit = source.volume.limit
        if self.hot and settings.lacks(self.started, self.volume.limit):
            self.world.note(self.member, "replay ends at a higher max_connections")
            self.kill()
            return
        if not own.is_prefix_of(theirs):
            self.world.violation(f"member {self.member} streams onto a history that isn't its own: {own} from {theirs}")
            return
        missing = theirs.end - own.end
        most = self.world.stream_rate[self.member] * LOOP_S
        self.volume.wal = theirs.up_to(own.end + int(min(missing if everything else self.world.randint(0, missing), most)))
        source.standbys.release()

    # --- commands ---

    def start(self, guard: int = 0, *, hot: bool = False) -> str | None:
        """Start the server with its WAL receiver stopped."""
        if self.state != "down":
            self._down()
        if self.volume.wal is None:
            return "there is no data"
        if hot and settings.lacks(self.volume.accepted, self.volume.limit):
            return "max_connections is lower than on the primary"
        self.hot, self.started = hot, self.volume.accepted
        self.state = "standby"
        self.guard = guard
        self.standbys = synchronous.started(self, guard)
        self.clean = False
        self.upstream = None
        self.redo, self.senders = Redo(self), Senders(self)
        self.run += 1
        return None

    def seal(self) -> str | None:
        """Stop the WAL receiver."""
        if self.state != "standby":
            return f"the server is {self.state}"
        self.upstream = None
        return None

    def follow(self, address: str) -> str | None:
        """Stream from `address`."""
        if self.state != "standby":
            return f"the server is {self.state}"
        self.upstream = address
        return None

    def promote(self, timeline: int, term: int, setting: Setting = OFF) -> str | None:
        """Promote; the server becomes writable after a while, without further commands."""
        d = self.deadline
        if self.state != "standby":
            return f"the server is {self.state}"
        if d is None or d.nonce != self.nonce or d.term != term or (d.at is not None and d.at <= self.now):
            return f"no unexpired deadline of term {term}"
        if setting.k and not self.guard:
            return "the server was started without a guard"
        self.standbys.write(setting)
        self.state = "primary"
        self.upstream = None
        self.promised_term = term
        run = self.run
        if not self.world.chance(self.world.op_failure):
            self.later(self.world.uniform(0.05, 1.5), lambda: self._writable(run, timeline))
        return None

    def _writable(self, run: int, timeline: int) -> None:
        """A promotion completes once all WAL on the volume is replayed."""
        if not self.alive or self.state != "primary" or self.run != run or self.volume.wal is None:
            return
        self.redo.advance()
        if self.redo.left:
            self.later(LOOP_S, lambda: self._writable(run, timeline))
            return
        before = self.volume.wal
        self.volume.wal = before.promoted(Branch(self.world.next_serial(), timeline, before.end)).grown(1)
        self.volume.limit = settings.limit_of(self.started)
        self.writable = True
        self.world.promoted(self, before)

    @property
    def is_foreign(self) -> bool:
        """True if someone has called pg_promote() on it, and it was not rewound or cloned since."""
        return self.rogue or self.volume.foreign

    def promote_by_hand(self) -> None:
        """Someone calls pg_promote() on a hot standby: it writes on the next timeline until the supervisor notices."""
        if self.state != "standby" or self.volume.wal is None:
            return
        before = self.volume.wal
        branch = Branch(self.world.next_serial(), before.position.timeline + 1, before.end)
        self.world.rogues.add(branch.serial)
        self.volume.wal = before.promoted(branch).grown(self.world.randint(1, 20))
        self.upstream, self.rogue = None, True

    def crash(self) -> None:
        """A backend crashes: the postmaster exits or, with restart_after_crash on, recovers in place and stays primary."""
        if not self.world.restart_after_crash or self.state == "down":
            self.kill()
            return
        self.recovering, self.writable = self.state == "primary", False
        self.redo, self.senders = Redo(self), Senders(self)
        if self.recovering:
            run = self.run
            self.later(self.world.uniform(0.05, 0.5), lambda: self._recovered(run))

    def _recovered(self, run: int) -> None:
        """Crash recovery in place ends with a shutdown checkpoint on the same timeline (CHECKPOINT_END_OF_RECOVERY in xlog.c)."""
        if not self.alive or not self.recovering or self.run != run or self.volume.wal is None:
            return
        self.redo.advance()
        if self.redo.left:
            self.later(LOOP_S, lambda: self._recovered(run))
            return
        self._checkpoint_shutdown(self.volume.wal)
        self.recovering, self.writable = False, True
        self.idle_until = self.world.engine.now + self.world.uniform(0.0, RECONNECT_S)

    def _checkpoint_shutdown(self, wal: Wal) -> None:
        self.volume.wal = wal.grown(3)
        self.volume.redo = self.volume.wal.end
        self.world.invariants.writing(self)
        self.world.shutdowns.add(self.volume.wal.last_record)

    def set_standbys(self, setting: Setting) -> str | None:
        """Change which standbys a primary's commits wait for."""
        if self.state != "primary":
            return f"the server is {self.state}"
        self.standbys.write(setting)
        return None

    def stop_fast(self, done: Callable[[], None]) -> None:
        """Shut down: the end of WAL is a checkpoint, sent to every streaming client. Shutdown completes once all have received it."""
        if self.state == "down" or self.volume.wal is None:
            done()
            return
        wrote = self.writable
        if wrote:
            self._checkpoint_shutdown(self.volume.wal)
            self.redo.advance()  # what it wrote itself is never replayed
        elif self.state == "standby":
            self.redo.checkpoint()
        self.stopping, self.writable = True, False
        run = self.run

        def wait() -> None:
            if not self.alive or self.run != run or self.state == "down":
                done()
                return
            if wrote and self.senders.unfinished():
                self.later(LOOP_S, wait)
                return
            self._down()
            self.clean = True
            done()

        self.later(self.world.uniform(0.05, 0.4), wait)

    def followers(self) -> list[Server]:
        """Return the servers that currently stream from this one."""
        others = [s for s in self.world.server if s.alive and s.state == "standby" and s.upstream is not None]
        return [s for s in others if s.source() is self]

    def _down(self) -> None:
        if self.rogue:
            self._mark()
        self.clean = False
        self.state = "down"
        self.writable = False
        self.stopping = False
        self.recovering = False
        self.rogue = False
        self.upstream = None
        self.run += 1

    def _mark(self) -> None:
        self.volume.foreign = True

    def kill(self, said: str = "died") -> None:
        """Every process but the supervisor dies. said: its message to the agent about that, '' for none."""
        if self.writable and self.world.chance(0.5):
            self.commit()
        if self.state != "down":
            self._unsaid = said
        self._down()

    def die(self) -> None:
        """The whole container dies."""
        self.kill("")
        self.alive = False
        for tell in self.deaths:
            tell()
        self.deaths.clear()
