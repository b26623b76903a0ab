"""A replica whose WAL the primary has removed takes it from the archive, a few segments at a time (docs/protocol.md, rule 10).

A sealed server replays segments that appear in its WAL directory. So they are put there only where it could just as well be told to follow:
while another pod holds the Lease and we have reported no position for its version. Each lot is one operation, whose result is the new end
of our WAL. Nothing is put there between operations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.model import LeaseState
from hapg_protocol.wal_files import SEGMENT_SIZE, History, segment_name

from ..pgdata.wal import fork_point, timelines_since
from . import disk_space
from .state.actions import Announce, CatchUp
from .state.decision import Step
from .state.memory_parts import CatchingUp
from .state.phases import Phase
from .state.recovery import moved_since
from .state.results import OpResult, Outcome
from .timing import ARCHIVE_AGAIN_S

LOT = 8
"""Segments in one operation: 128 MiB, some seconds."""
AHEAD = 16
"""How many segments may be there that are not yet replayed: the server can't remove those."""
SPARE = 4
"""How many segments stay free beside a lot: two for the stream that follows, and what the server makes meanwhile."""
FAILURES = 3


@dataclass(frozen=True)
class Route:
    """What our server lacks until the primary has WAL. segments: names, in order; until: the LSN at which the primary's WAL begins;
    refused: why the archive can't help, '' if it can.
    """

    segments: tuple[str, ...] = ()
    until: int = 0
    refused: str = ""


def route(own: Position, fetched_to: int | None, timeline: int, history: History, kept: tuple[str, ...], size: int = SEGMENT_SIZE) -> Route:
    """Return which segments of our own timeline have to come from the archive, up to the first that the primary has.

    own: our end of WAL, on the history of the primary; fetched_to: the LSN up to which our segments are known to be whole, None: not known;
    timeline, history: the primary's; kept: the segments that it has, some of them made in advance; size: of a segment, in bytes. Without
    a later `fetched_to` the first one is that with our last record, whether we have all of it or not: it shows that the archive is ours.
    """
    first = (fetched_to if fetched_to is not None and fetched_to >= own.lsn else own.lsn - 1) // size
    per_id = (1 << 32) // size
    ours = timelines_since(own.timeline, timeline, history)
    numbers = [int(name[8:16], 16) * per_id + int(name[16:], 16) for name in kept if int(name[:8], 16) in ours]
    until = min((number for number in numbers if number >= first), default=None)
    if until is None:
        return Route(refused="the primary has no WAL that comes after ours")
    fork = fork_point(history, own.timeline) if own.timeline != timeline else None
    if fork is not None and until > fork // size:
        end = f"our timeline {own.timeline} ends at {format_lsn(fork)}"
        return Route(refused=f"{end}, and the primary's WAL begins later, at {format_lsn(until * size)}")
    return Route(tuple(segment_name(own.timeline, number * size, size) for number in range(first, until)), until * size)


def begin(step: Step, result: OpResult) -> bool:
    """Have the WAL that the primary has removed taken from the archive; False if there is none, or it is known not to help.

    result: of the attempt to follow.
    """
    o, c = step.o, step.m.catching
    if not o.archives or result.position is None or c.unfit:
        return False
    step.keep(replace(c, is_due=True), replace(step.m.sealed, position=result.position), replace(step.m.upstream, follow_term=None))
    step.go(Phase.SEALED, f"{result.text}: ask the archive")
    return True


def attend(step: Step, s: LeaseState) -> bool:
    """Order the next segments if that is due, or wait for the replay of those that are there. False: nothing is due."""
    o, m = step.o, step.m
    if not m.catching.is_due or m.sealed.position is None:
        return False
    waits, lot = _lot(step, m.sealed.position)
    if lot > 0:
        assert s.address is not None
        order = CatchUp(s.address, s.timeline, m.sealed.position, m.catching.fetched_to, lot)
        step.run(order, f"{words(m.catching)}: take up to {lot} segments")
    elif o.now - moved_since(o.recovery, m.operation.op_ended) > o.timing.stall:
        give_up(step, f"{waits}, and nothing has moved for {o.timing.stall:g} s")
    else:
        step.because(f"{words(m.catching)}: {waits}")
    return True


def _lot(step: Step, own: Position) -> tuple[str, int]:
    """Return how many segments may be put beside those that are there, and what has to happen first if none may."""
    o, replayed = step.o, step.replayed
    end = max(own.lsn, step.m.catching.fetched_to or 0)
    ahead = (end - replayed) // o.segment if replayed is not None else 0
    room = LOT if o.room is None else o.room // o.segment - SPARE
    if room < 1:
        return f"the {o.room_on} has {disk_space.room_in_words(o.room)} left, until the server removes WAL", 0
    return "the server replays those that are there", min(LOT, room, AHEAD - ahead)


def answered(step: Step, result: OpResult) -> None:
    """Handle the result of an operation that took segments from the archive. Its position is the new end of our WAL."""
    o, c = step.o, step.m.catching
    found = result.fetched
    if result.position is None:
        step.keep(replace(c, is_due=False), replace(step.m.sealed, position=None))
        step.go(Phase.BOOT, f"the end of our WAL isn't known: {result.text}")
    else:
        shutdown = result.position if result.shutdown else None
        step.keep(replace(step.m.sealed, position=result.position, shutdown=shutdown, replayed=result.replayed))
    if found is not None:
        total = c.taken + found.count + (found.until - found.to) // o.segment
        if c.total == 0 and total > 0:
            message = f"the primary has removed WAL that this replica needs: {total} segments are taken from the archive"
            step.actions.append(Announce("Normal", "CatchingUp", message))
        c = replace(c, taken=c.taken + found.count, total=total, fetched_to=found.to, is_due=c.is_due and found.to < found.until)
    if result.outcome is Outcome.OK:
        step.keep(replace(c, failures=0))
        step.because(words(c))
    elif result.outcome is Outcome.NEEDS_CLONE or c.failures + 1 >= FAILURES:
        step.keep(c)
        give_up(step, result.text)
    else:
        step.keep(replace(c, failures=c.failures + 1), replace(step.m.retry, retry_at=o.now + ARCHIVE_AGAIN_S))
        step.because(f"the archive is asked again in {ARCHIVE_AGAIN_S:g} s: {result.text}")


def give_up(step: Step, why: str) -> None:
    """Go the old way, which is a clone unless the primary has that WAL after all. why: in words, for people."""
    step.keep(replace(step.m.catching, is_due=False, unfit=why))
    step.because(f"the archive doesn't help: {why}")


def ended(step: Step) -> None:
    """Handle that our server follows: forget what was taken from the archive."""
    if step.m.catching.taken:
        message = f"this replica has taken {step.m.catching.taken} segments from the archive, and follows the primary again"
        step.actions.append(Announce("Normal", "CaughtUp", message))
    step.keep(CatchingUp())


def words(c: CatchingUp) -> str:
    """Return the progress in words."""
    return f"catching up from the archive, {c.taken} of {c.total} segments" if c.total else "catching up from the archive"
