"""The operations on the local server, as the shell carries them out: generators that yield how long each part takes."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

from hapg_failover.core import rejoin
from hapg_failover.core.actions import Op, Run
from hapg_failover.core.lsn import Position
from hapg_failover.core.model import DATA_VOLUME, Holder
from hapg_failover.core.results import Outcome
from hapg_failover.core.syncset import OFF
from hapg_failover.core.tail import TailRequest, may_give

from .server import Server
from .wal import Branch, Wal

if TYPE_CHECKING:
    from .agent import Agent

Result = tuple[Outcome, Position | None, str]
Operation = Generator[float, None, Result]
FIRST_LSN = 1000
VERB_LIMIT_S = 5.0
SHUTDOWN_LIMIT_S = 20.0
STANDBYS_LIMIT_S = 2.0
COPY_STEPS = 4
TAIL_TRIES = 4
HANGS_S = 60.0
CLONE_NAME = "clone.{}"
NO_ANSWER = "no answer"
REFUSED = "refused: "


class Driver:
    """One operation: the agent, the server it speaks to, and what was ordered."""

    def __init__(self, agent: Agent, run: Run, nonce: str | None) -> None:
        self.agent = agent
        self.world = agent.world
        self.server: Server = agent.server
        self.volume = agent.server.volume
        self.run = run
        self.nonce = nonce or ""

    def verb(self, do: Callable[[], str | None]) -> Generator[float, None, str]:
        """Send a verb and wait for its answer; 'no answer' after a while."""
        answers: list[str] = []
        self.server.send(self.nonce, self.run.term, do, answers.append)
        for _ in range(int(VERB_LIMIT_S / 0.05)):
            if answers:
                break
            yield 0.05
        answer = answers[0] if answers else NO_ANSWER
        if answer.startswith("term "):
            self.volume.max_term = max(self.volume.max_term, self.server.term)
        return answer

    def stop(self, limit: float = SHUTDOWN_LIMIT_S) -> Generator[float, None, bool]:
        """Shut the server down, if it runs; False if it isn't down in time, in seconds."""
        done: list[bool] = []

        def do() -> None:
            self.server.stop_fast(lambda: done.append(True))

        if (yield from self.verb(do)) != "ok":
            return False
        for _ in range(int(limit / 0.1)):
            if done:
                break
            yield 0.1
        return bool(done) and self.server.alive and self.server.state == "down"

    def source(self) -> Server | None:
        """Return the primary to rejoin, if it can be reached and writes."""
        if self.run.host is None:
            return None
        server = self.world.network.server_at(self.run.host, self.agent.member)
        usable = server is not None and server.writable and not server.stopping and not server.silent
        return server if usable else None

    def use_reserve(self) -> None:
        """Free what was set aside, if that is ordered and the volume is full."""
        if self.run.reserve and self.world.use_reserve(self.agent.member):
            self.agent.reserves = (DATA_VOLUME,)

    def fails(self) -> bool:
        """Tell whether this operation fails for a reason of its own."""
        return self.world.chance(self.world.op_failure)

    def remember_term(self) -> None:
        """Write the highest term to the volume."""
        self.volume.max_term = max(self.volume.max_term, self.run.term)


def begin(agent: Agent, run: Run, nonce: str | None) -> Operation:
    """Return the operation that `run` orders of the supervisor `nonce`."""
    table: dict[Op, Callable[[Driver], Operation]] = {
        Op.START: start,
        Op.SEAL: seal,
        Op.FOLLOW: follow,
        Op.REWIND: rewind,
        Op.CLONE: clone,
        Op.INITDB: initdb,
        Op.PROMOTE: promote,
        Op.PREPARE: prepare,
        Op.HAND_OVER: hand_over,
        Op.STOP: stop,
        Op.STANDBYS: standbys,
    }
    return table[run.op](Driver(agent, run, nonce))


def start(d: Driver) -> Operation:
    """Start sealed, wait for the end of crash recovery, find the end of WAL."""
    d.remember_term()
    if d.server.state != "down" and not (yield from d.stop()):
        return Outcome.FAILED, None, "the server doesn't stop"
    d.use_reserve()
    answer = yield from d.verb(lambda: d.server.start(d.run.guard))
    if answer != "ok":
        return Outcome.FAILED, None, answer
    yield d.world.uniform(0.2, 2.0) + d.world.recovery_s[d.agent.member]
    if d.fails() or d.world.disk_hung[d.agent.member]:
        yield from d.verb(d.server.kill)
        return Outcome.FAILED, None, "the server didn't come up"
    return sealed_at(d)


def sealed_at(d: Driver) -> Result:
    """Return the end of WAL of a server that is known to be sealed."""
    if d.server.state != "standby" or d.server.upstream is not None or d.volume.wal is None:
        return Outcome.FAILED, None, f"the server is {d.server.state}"
    return Outcome.OK, d.volume.wal.position, ""


def seal(d: Driver) -> Operation:
    """Stop the WAL receiver, find the end of WAL; when draining, once the upstream server is down."""
    d.remember_term()
    for _ in range(int(d.run.seconds / 0.1) if d.run.drain else 0):
        if d.server.source() is None:
            break
        yield 0.1
    if d.run.drain and d.server.source() is not None:
        return Outcome.FAILED, None, "the stream hasn't ended"
    answer = yield from d.verb(d.server.seal)
    if answer != "ok":
        return Outcome.FAILED, None, answer
    yield 0.5 if d.run.slow else 0.05
    if d.fails():
        return Outcome.FAILED, None, "the end of WAL can't be read"
    if d.run.host is not None:
        yield from fetch_tail(d, d.run.host)
    return sealed_at(d)


def fetch_tail(d: Driver, host: str) -> Generator[float, None, None]:
    """Have what a dead server had not sent, if its agent gives it and that arrives."""
    if d.world.tails_lost:
        return
    for _ in range(TAIL_TRIES):
        yield d.world.uniform(0.01, 0.1)
        given, own = d.world.network.agent_at(host, d.agent.member), d.volume.wal
        if given is None or own is None:
            return
        theirs, state = given.server.volume.wal, given.view.state if given.view is not None else None
        request = TailRequest(d.run.lease_term, d.run.timeline, own.end)
        silent_for = HANGS_S if d.world.disk_hung[given.member] else 0.0
        if theirs is None or not may_give(
            request, Holder(given.pod, given.uid), state, given.memory, silent_for, given.server.volume.foreign
        ):
            continue
        if own.branches == theirs.branches and own.end < theirs.end and own.position.timeline == d.run.timeline:
            d.volume.wal = own.grown(theirs.end - own.end)
        return


def follow(d: Driver) -> Operation:
    """Seal, compare with the primary, follow."""
    position = d.run.own
    if d.server.upstream is not None or position is None:
        answer = yield from d.verb(d.server.seal)
        if answer != "ok" or d.volume.wal is None:
            return Outcome.FAILED, None, answer
        position = d.volume.wal.position
    yield d.world.uniform(0.02, 0.6)
    source = d.source()
    if source is None or source.volume.wal is None or d.fails():
        return Outcome.FAILED, position, "the primary can't be reached"
    theirs = source.volume.wal
    known = d.volume.wal.history if d.volume.wal is not None and position.timeline == theirs.position.timeline else None
    plan = rejoin.plan(position, theirs.position.timeline, theirs.history, known, d.volume.foreign)
    if plan.way is rejoin.Way.REWIND:
        return Outcome.FORKED, position, plan.reason
    if plan.way is rejoin.Way.CLONE or d.world.chance(d.world.wal_gone):
        return Outcome.LOST, position, "the primary has no such WAL any more"
    host = d.run.host or ""
    d.remember_term()
    answer = yield from d.verb(lambda: d.server.follow(host))
    if answer != "ok" or d.fails():
        return Outcome.FAILED, None, "nothing is known of the verb follow"
    return Outcome.OK, None, plan.reason


def rewind(d: Driver) -> Operation:
    """Put the volume back to the fork, and on to where the primary is."""
    if not (yield from d.stop()):
        return Outcome.FAILED, None, "the server doesn't stop"
    if d.source() is None:
        return Outcome.FAILED, None, "the primary can't be reached"
    d.volume.dirty = True
    yield d.world.uniform(0.5, 3.0)
    source = d.source()
    if source is None or d.fails() or not d.server.alive or source.volume.wal is None or d.volume.wal is None:
        return Outcome.FAILED, None, "the rewind broke off"
    d.volume.redo = d.world.checkpoints.latest(source.volume.wal, d.volume.wal.common_with(source.volume.wal))
    d.volume.wal = source.volume.wal
    d.volume.foreign = d.volume.dirty = False
    return Outcome.OK, None, ""


def clone(d: Driver) -> Operation:
    """Copy the primary's data in place of ours, and stream meanwhile what it writes."""
    if not (yield from d.stop()):
        return Outcome.FAILED, None, "the server doesn't stop"
    source = d.source()
    if source is None or source.volume.wal is None:
        return Outcome.FAILED, None, "the primary can't be reached"
    redo, run = source.volume.wal.end, source.run
    stream = source.senders.attach(CLONE_NAME.format(d.agent.pod))
    try:
        for _ in range(COPY_STEPS):
            yield d.world.uniform(1.0, 5.0) / COPY_STEPS
            if d.source() is not source or source.run != run or not d.server.alive:
                return Outcome.FAILED, None, "the copy broke off"
    finally:
        source.senders.detach(stream)
    if d.fails():
        return Outcome.FAILED, None, "the copy broke off"
    d.volume.wal, d.volume.redo = source.volume.wal, redo
    d.volume.system_identifier = source.volume.system_identifier
    d.volume.uuid = d.agent.clone_uuid()
    d.volume.foreign = d.volume.dirty = False
    return Outcome.OK, None, ""


def initdb(d: Driver) -> Operation:
    """Make the first server's data."""
    yield d.world.uniform(0.5, 2.0)
    if d.fails() or not d.server.alive or d.volume.wal is not None:
        return Outcome.FAILED, None, "initdb broke off"
    d.volume.wal = Wal((Branch(d.world.next_serial(), 1, 0),), FIRST_LSN)
    d.volume.redo = FIRST_LSN
    d.volume.system_identifier = f"system-{d.world.next_serial()}"
    d.volume.uuid = d.agent.clone_uuid()
    return Outcome.OK, None, ""


def promote(d: Driver) -> Operation:
    """Send the verb, wait until the server writes, as long as its replay moves."""
    d.remember_term()
    yield 0.02
    answer = yield from d.verb(lambda: d.server.promote(d.run.timeline, d.run.term, d.run.setting or OFF))
    if answer != "ok":
        return Outcome.FAILED, None, answer if answer == NO_ANSWER else f"{REFUSED}{answer}"
    server, begun = d.server, d.server.now
    while not gives_up(server, begun, d.agent.timing.stall):
        if server.writable and d.volume.wal is not None:
            d.volume.foreign = False
            return Outcome.OK, d.volume.wal.position, ""
        if server.state != "primary":
            return Outcome.FAILED, None, "the server died"
        yield 0.1
    return Outcome.FAILED, None, "not writable, and no progress"


def gives_up(server: Server, begun: float, stall: float) -> bool:
    """Tell whether the promotion that was ordered at `begun` has made no progress for `stall` seconds. Boot time."""
    return server.now - max(begun, server.redo.moved_at) > stall


def standbys(d: Driver) -> Operation:
    """Change the setting, wait until every process acts by it, look how far WAL reaches."""
    setting = d.run.setting or OFF
    server = d.server
    answer = yield from d.verb(lambda: server.set_standbys(setting))
    if answer != "ok":
        return Outcome.FAILED, None, answer
    for _ in range(int(STANDBYS_LIMIT_S / 0.1)):
        if server.standbys.in_force():
            break
        yield 0.1
    wal = server.volume.wal
    if not server.writable or not server.standbys.in_force() or wal is None or d.fails():
        return Outcome.FAILED, None, "not every process has read the setting"
    yield 0.02
    return Outcome.OK, wal.position, str(setting)


def prepare(d: Driver) -> Operation:
    """Checkpoint."""
    yield d.world.uniform(0.05, 0.5)
    if d.fails() or not d.server.writable or d.server.silent:
        return Outcome.FAILED, None, "the checkpoint broke off"
    d.server.redo.checkpoint()
    return Outcome.OK, None, ""


def hand_over(d: Driver) -> Operation:
    """Shut the primary down; once its shutdown checkpoint is written, those that hang are not waited for."""
    wrote = d.server.writable
    d.use_reserve()
    if wrote and not d.world.room(d.agent.member):
        yield from d.verb(d.server.kill)
        return Outcome.FAILED, None, "it dies for want of room for its checkpoint"
    if not (yield from d.stop(d.run.seconds)):
        ended = wrote and d.server.stopping and d.server.state == "primary"
        if not ended or (yield from d.verb(d.server.kill)) != "ok":
            return Outcome.FAILED, None, "the server doesn't stop"
    elif d.server.clean is False:
        return Outcome.FAILED, None, "the server wasn't shut down cleanly"
    wal = d.volume.wal
    return Outcome.OK, wal.position if wrote and wal is not None and wal.last_record in d.world.shutdowns else None, ""


def stop(d: Driver) -> Operation:
    """Shut the server down."""
    if d.server.heartbeat_state == "down":
        return Outcome.OK, None, "it was down already"
    if not (yield from d.stop()):
        return Outcome.FAILED, None, "the server doesn't stop"
    return Outcome.OK, None, ""
