"""How a supervisor executes commands and answers them. Commands arrive through a FIFO; long ones run as jobs."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hapg_failover.core.write_quorum import Setting
from hapg_protocol.wal_files import SEGMENT_SIZE, segment_name

from .wal import Branch, Wal

if TYPE_CHECKING:
    from .server import Server

FIFO_S = 0.05
STEP_S = 0.1
COPY_STEPS = 4
FIRST_LSN = 1000
CLONE_NAME = "clone.{}"
RESTORED = ((1, 0), (2, 4000), (5, 9000))
"""The timelines of a backup and of the server that recovered from it, each with the LSN at which it begins."""
RESTORED_END = 9500


@dataclass(frozen=True)
class Answer:
    """result: ok, error or refused; text: the rest of the answer."""

    result: str
    text: str = ""


OK = Answer("ok")
Reply = Callable[[Answer], None]
Job = Generator[float, None, Answer]


def send(server: Server, nonce: str, term: int, command: str, args: tuple[str, ...], reply: Reply) -> None:
    """Put a command into the FIFO; `reply` receives the answer. If the supervisor has restarted meanwhile, there is no answer."""
    engine = server.world.engine
    start = max(engine.now, server.fifo_free)
    server.fifo_free = start + server.world.uniform(0.0, FIFO_S)

    def process() -> None:
        if not server.alive or nonce != server.nonce:
            return
        server.beat()
        if term < server.term:
            reply(Answer("refused", f"term {term} is below {server.term}"))
            return
        server.term = term
        begin(server, command, args, reply)

    server.later(server.fifo_free - engine.now, process)


def begin(server: Server, command: str, args: tuple[str, ...], reply: Reply) -> None:
    """Execute a command, at once or as a job."""

    def replied(answer: Answer) -> None:
        server.beat()
        reply(answer)

    if command in ("follow", "seal", "start", "stop", "kill"):
        server.sealing += 1
    match command:
        case "hello" | "checkconfig":
            replied(OK)
        case "configure":
            replied(OK if server.world.configure(server.member) else Answer("error", "exit code 1: it is refused"))
        case "progress":
            replied(Answer("ok", progress(server)))
        case "kill":
            server.kill("")
            replied(OK)
        case "exit":
            server.world.kubelet.container_may_end(server.member)
        case "follow":
            replied(_said(server.follow(args[0])))
        case "standbys":
            replied(_said(server.set_standbys(_setting(args))))
        case "promote":
            refused = server.promote(int(args[0]), server.term, _setting(args[2:] or ("0",)))
            replied(OK if refused is None else Answer("refused", refused))
        case "stop" if args[0] == "immediate" or (server.writable and not server.world.room(server.member)):
            server.kill("")  # without room for its checkpoint the server dies
            replied(OK)
        case "stop":
            server.stop_fast(lambda: replied(OK))
        case "start":
            run(server, start(server, args[0] == "hot", int(args[1]) if len(args) > 1 else 0), replied)
        case "seal":
            run(server, seal(server, args[0]), replied)
        case "rewind":
            run(server, rewind(server, args[0]), replied)
        case "clone":
            run(server, clone(server, args[0]), replied)
        case "initdb":
            run(server, initdb(server), replied)
        case "restore":
            run(server, restore(server), replied)
        case _:
            raise AssertionError(f"not a command: {command}")


def run(server: Server, job: Job, reply: Reply) -> None:
    """Advance a job while the container's processes run."""

    def step() -> None:
        if not server.alive:
            job.close()
            return
        server.job_steps += 1
        try:
            delay = next(job)
        except StopIteration as end:
            reply(end.value)
            return
        server.later(delay, step)

    step()


def _said(error: str | None) -> Answer:
    return OK if error is None else Answer("refused", error)


def _setting(args: tuple[str, ...]) -> Setting:
    return Setting(int(args[0]), tuple(args[1:]))


def _fails(server: Server) -> bool:
    return server.world.chance(server.world.op_failure)


def _source(server: Server, host: str) -> Server | None:
    """Return the primary at an address, if it can be reached and is writable."""
    source = server.world.network.server_at(host, server.member)
    usable = source is not None and source.writable and not source.stopping and not source.silent
    return source if usable else None


def progress(server: Server) -> str:
    """Return the segment that is being replayed, and the work done by the replay and by jobs."""
    server.redo.advance()
    wal, work = server.volume.wal, server.redo.work + server.job_steps
    if server.state == "down" or wal is None or server.writable:
        return f"- {work}"
    return f"{segment_name(wal.position.timeline, server.redo.segment, SEGMENT_SIZE)} {work}"


def start(server: Server, hot: bool, guard: int) -> Job:
    """Start with the WAL receiver stopped, and wait for the end of crash recovery."""
    error = server.start(guard, hot=hot)
    if error is not None:
        return Answer("error", error)
    this_run = server.run
    yield server.world.uniform(0.2, 2.0) + server.world.recovery_s[server.member]
    if server.run != this_run or server.state != "standby":
        return Answer("error", "it died")
    if _fails(server) or server.world.disk_hung[server.member]:
        server.kill("")
        return Answer("error", "the server didn't come up")
    return OK


def seal(server: Server, how: str) -> Job:
    """Stop the WAL receiver; with draining, only once the upstream server is down. A later command of this kind replaces an earlier one."""
    number = server.sealing
    while how == "drain" and server.source() is not None:
        yield STEP_S
        if server.sealing != number:
            return Answer("error", "superseded")
    error = server.seal()
    if error is not None:
        return Answer("refused", error)
    yield 0.5 if how == "slow" else 0.02
    return Answer("ok", "-")


def rewind(server: Server, host: str) -> Job:
    """Rewind the volume to the fork, then forward to the primary's position."""
    if _source(server, host) is None:
        return Answer("error", "connection to server failed")
    yield server.world.uniform(0.5, 3.0)
    source, volume = _source(server, host), server.volume
    if source is None or _fails(server) or source.volume.wal is None or volume.wal is None:
        return Answer("error", "the rewind broke off")
    volume.redo = server.world.checkpoints.latest(source.volume.wal, volume.wal.common_with(source.volume.wal))
    volume.wal, volume.limit = source.volume.wal, source.volume.limit
    return OK


def clone(server: Server, host: str) -> Job:
    """Replace our data with a copy of the primary's, and stream what it writes meanwhile."""
    source = _source(server, host)
    if source is None or source.volume.wal is None:
        return Answer("error", "the primary can't be reached")
    redo, this_run = source.volume.wal.end, source.run
    stream = source.senders.attach(CLONE_NAME.format(server.world.pod_name(server.member)))
    try:
        for _ in range(COPY_STEPS):
            yield server.world.uniform(1.0, 5.0) / COPY_STEPS
            if _source(server, host) is not source or source.run != this_run:
                return Answer("error", "the copy broke off")
    finally:
        source.senders.detach(stream)
    if _fails(server):
        return Answer("error", "the copy broke off")
    volume = server.volume
    volume.wal, volume.redo, volume.limit = source.volume.wal, redo, source.volume.limit
    volume.system_identifier = source.volume.system_identifier
    return OK


def initdb(server: Server) -> Job:
    """Initialise the first server's data directory."""
    server.world.invariants.creates(server, restores=False)
    yield server.world.uniform(0.5, 2.0)
    volume = server.volume
    if _fails(server) or volume.wal is not None:
        return Answer("error", "initdb broke off")
    volume.wal = Wal((Branch(server.world.next_serial(), 1, 0),), FIRST_LSN)
    volume.redo = FIRST_LSN
    volume.system_identifier = f"{server.world.next_serial()}"
    return OK


def restore(server: Server) -> Job:
    """Create the first server's data directory from a backup. It counts once it is renamed; a kill of all processes ends the job."""
    world, volume, this_run = server.world, server.volume, server.run
    world.invariants.creates(server, restores=True)
    for _ in range(COPY_STEPS):
        yield world.uniform(3.0, 12.0) / COPY_STEPS
        if server.run != this_run:
            return Answer("error", "it was killed")
    if _fails(server) or world.disk_hung[server.member]:
        return Answer("error", "recovery failed")
    branches = tuple(Branch(world.next_serial(), timeline, start) for timeline, start in RESTORED)
    volume.wal, volume.redo, volume.system_identifier = Wal(branches, RESTORED_END), RESTORED_END, "restored"
    world.invariants.timelines |= {timeline for timeline, _ in RESTORED}
    return OK
