"""The Lease, deadlines and lease extensions of two or three members, in discrete time, without an explicit network.

Only the supervisor's kill has to happen in time. An agent may act late or never; a call may be answered late or never, or be carried out
long after its timeout, as long as it is based on the Lease's current version. So the runs include every one-way or two-way partition,
every slow call and every frozen agent, without separate moves for them. Agents and servers die at any time, as often as they like.

A member knows whether the Lease is its own, another's or released, and whether that is still current: a version is a flag that a write
of the Lease clears in every view, call and stray write. Position reports have no time and are not modelled here (tests/model/sync.py).

Time passes in ticks. A slow clock skips one tick in three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

DEAD, STREAMING, SEALED, WRITING = range(4)
MINE, OTHERS, FREE, UNKNOWN = range(4)
NOTHING, RENEW, CLAIM, RELEASE = range(4)
UNDER_WAY, CARRIED_OUT, REFUSED = range(3)
NEVER = -1
WRITES = {RENEW: "renewal", CLAIM: "claim", RELEASE: "release"}
PHASES = 3


@dataclass(frozen=True)
class Times:
    """All in ticks: docs/protocol.md, section 1. patience: how long a claimer waits after its last promise."""

    lease: int = 2
    fence: int = 1
    ttl: int = 4
    call: int = 1
    overdue: int = 2
    extension: int = 1
    patience: int = 3


@dataclass(frozen=True)
class Rules:
    """The rules that can be left out of the protocol, one at a time."""

    deadline: bool = True
    from_sending: bool = True
    reads_prolong_nothing: bool = True
    only_answers_promote: bool = True
    promoted_in_time: bool = True
    released_when_dead: bool = True
    extensions_waited_out: bool = True
    extensions_from_asking: bool = True
    extensions_of_all: bool = True
    compare_and_swap: bool = True


class Peer(NamedTuple):
    """A leader's knowledge of one peer's promises: the ages of the request and answer in transit, and of the promise it has."""

    asked: int = NEVER
    answer: int = NEVER
    granted: int = NEVER


class Member(NamedTuple):
    """A member. Ages are in ticks of its own clock, capped where more makes no difference.

    left: until a writable server's deadline; current: its view of the Lease is still current; age: since it first read that; seen: who
    held the Lease; won: since it sent a claim that has succeeded; call, fresh, status, since: its write in progress, whether it is based
    on the current version, its status, and the time since it was sent; stray: a write past its timeout that may still arrive; promised:
    since its last promise; peers: in ring order.
    """

    slow: bool
    role: int
    left: int = 0
    current: bool = True
    age: int = 0
    seen: int = OTHERS
    won: int = NEVER
    call: int = NOTHING
    fresh: bool = False
    status: int = UNDER_WAY
    since: int = 0
    stray: int = NOTHING
    promised: int = 0
    peers: tuple[Peer, ...] = ()


Step = tuple[str, Member, int, bool]
"""A move of one member: its name, the member after it, whose the Lease is then (NOTHING: unchanged; RENEW: its own; RELEASE:
nobody's), whether it is a fault."""


def _older(age: int, cap: int) -> int:
    return age if age == NEVER else min(age + 1, cap)


class Timed:
    """The model. A state is one number; `moves` and `timely` lead from one to the next."""

    def __init__(
        self,
        members: int = 2,
        *,
        times: Times | None = None,
        rules: Rules | None = None,
        extensions: bool = True,
        slow: tuple[int, ...] = (),
        faults: int | None = None,
    ) -> None:
        """extensions: the leader may continue on its peers' promises; slow: the members with slow clocks; faults: how many there may be."""
        self.count = members
        self.times = times or Times()
        self.rules = rules or Rules()
        self.extensions = extensions
        self._slow = slow
        self._endless = faults is None
        self._kinds = PHASES * ((faults or 0) + 1)
        self._shifts = range(20 * (members - 1), -1, -20)
        self._members: list[Member] = []
        self._writing: list[bool] = []
        self._numbers: dict[Member, int] = {}
        self._steps: dict[int, list[tuple[str, int, int, bool]]] = {}
        self._ticks: dict[int, int] = {}
        self._touched: dict[int, int] = {}
        self._grants: dict[tuple[int, int, int], tuple[int, int] | None] = {}

    # --- states as numbers ---

    def _number(self, member: Member) -> int:
        member = self._plain(member)
        number = self._numbers.get(member)
        if number is None:
            number = self._numbers[member] = len(self._members)
            self._members.append(member)
            self._writing.append(member.role == WRITING)
        return number

    def _pack(self, holder: int, kind: int, numbers: tuple[int, ...]) -> int:
        """Return a state's number. kind: the phase of the slow clocks, and how many more faults there may be.

        Rotate the ring to the smallest of the states that differ only in the members' names.
        """
        count, kinds = self.count, self._kinds
        bits = 20 * count
        ring = 0
        for number in numbers:
            ring = ring << 20 | number
        least = (holder * kinds + kind) << bits | ring
        for turn in range(1, count):
            ring = (ring << 20 | numbers[turn - 1]) & (1 << bits) - 1
            state = ((holder if holder == count else (holder - turn) % count) * kinds + kind) << bits | ring
            if state < least:
                least = state
        return least

    def _unpack(self, state: int) -> tuple[int, int, tuple[int, ...]]:
        numbers = tuple([state >> shift & 0xFFFFF for shift in self._shifts])
        holder, kind = divmod(state >> 20 * self.count, self._kinds)
        return holder, kind, numbers

    def _plain(self, m: Member) -> Member:
        """Drop what makes no difference."""
        if m.role == WRITING:
            m = m._replace(age=0, promised=self.times.patience)
        if m.role != WRITING:
            m = m._replace(left=0, peers=(Peer(),) * (self.count - 1))
        if not self.extensions:
            m = m._replace(promised=self.times.patience)
        if m.call == NOTHING:
            m = m._replace(fresh=False, status=UNDER_WAY, since=0)
        elif m.status == REFUSED or (m.status == UNDER_WAY and not m.fresh):
            m = m._replace(call=CLAIM, fresh=False, status=REFUSED, since=min(m.since, self.times.call))
        if m.seen == UNKNOWN or not m.current:
            m = m._replace(age=0)
        return m

    @property
    def start(self) -> int:
        """The first member writes, the others stream."""
        peers = (Peer(),) * (self.count - 1)
        writing = Member(0 in self._slow, WRITING, self.times.lease, seen=MINE, peers=peers)
        others = (Member(i in self._slow, STREAMING, seen=OTHERS, promised=self.times.patience, peers=peers) for i in range(1, self.count))
        return self._pack(0, self._kinds - PHASES, tuple(self._number(m) for m in (writing, *others)))

    def members(self, state: int) -> tuple[Member, ...]:
        """Return the members of a state."""
        return tuple(self._members[n] for n in self._unpack(state)[2])

    def two_write(self, state: int) -> bool:
        """True if two servers can write."""
        return sum([self._writing[state >> shift & 0xFFFFF] for shift in self._shifts]) > 1

    def one_writes(self, state: int) -> bool:
        """True if any server can write."""
        return any(self._writing[state >> shift & 0xFFFFF] for shift in self._shifts)

    # --- moves ---

    def moves(self, state: int) -> Iterator[tuple[str, int]]:
        """All possible moves."""
        return ((label, reached) for label, reached, _ in self._moves(state))

    def timely(self, state: int) -> Iterator[tuple[str, int]]:
        """The moves if nothing fails and all act at once: time passes only when no other move is left."""
        idle = True
        tick = None
        for label, reached, fault in self._moves(state):
            if label == "tick":
                tick = reached
            elif not fault and reached != state:
                idle = False
                yield label, reached
        if idle and tick is not None:
            yield "tick", tick

    def _moves(self, state: int) -> Iterator[tuple[str, int, bool]]:
        holder, kind, numbers = self._unpack(state)
        left, phase = divmod(kind, PHASES)
        ticked = self._tick(phase, numbers)
        if ticked is not None:
            yield "tick", self._pack(holder, left * PHASES + (phase + 1) % PHASES if self._slow else kind, ticked), False
        for i, number in enumerate(numbers):
            relation = MINE if holder == i else FREE if holder == self.count else OTHERS
            key = number << 2 | relation
            steps = self._steps.get(key)
            if steps is None:
                found = self._of_one(self._members[number], relation)
                steps = self._steps[key] = [(label, self._number(m), lease, fault) for label, m, lease, fault in found]
            for label, after, lease, fault in steps:
                if fault and not self._endless and not left:
                    continue
                spent = kind - PHASES if fault and not self._endless else kind
                if lease == NOTHING:
                    changed, owner = numbers, holder
                else:
                    changed, owner = tuple(self._touch(n) for n in numbers), self.count if lease == RELEASE else i
                yield f"{i} {label}", self._pack(owner, spent, (*changed[:i], after, *changed[i + 1 :])), fault
            if self.extensions and self._writing[number]:
                yield from self._granted(holder, kind, numbers, i)

    def _granted(self, holder: int, kind: int, numbers: tuple[int, ...], i: int) -> Iterator[tuple[str, int, bool]]:
        """A peer answers the leader's request: it must be neither writable nor claiming; the state of its server doesn't matter."""
        for place in range(self.count - 1):
            j = (i + 1 + place) % self.count
            key = numbers[i], place, numbers[j]
            if key not in self._grants:
                self._grants[key] = self._grant(*key)
            granted = self._grants[key]
            if granted is not None:
                after = list(numbers)
                after[i], after[j] = granted
                yield f"{j} grants", self._pack(holder, kind, tuple(after)), False

    def _grant(self, leader: int, place: int, peer: int) -> tuple[int, int] | None:
        """Return the leader and its peer after the peer has granted an extension, None if it doesn't. place: its place among the peers."""
        m, other = self._members[leader], self._members[peer]
        asked, _, granted = m.peers[place]
        if asked == NEVER or other.role == WRITING or other.call != NOTHING or other.won != NEVER:
            return None
        return self._number(_with_peer(m, place, Peer(NEVER, asked, granted))), self._number(other._replace(promised=0))

    def _touch(self, number: int) -> int:
        """The Lease has a new version: all views and messages are now based on an old one."""
        after = self._touched.get(number)
        if after is None:
            m = self._members[number]
            keep = not self.rules.compare_and_swap
            after = self._number(m._replace(current=False, fresh=m.fresh and keep, stray=m.stray if keep else NOTHING))
            self._touched[number] = after
        return after

    # --- time ---

    def _tick(self, phase: int, numbers: tuple[int, ...]) -> tuple[int, ...] | None:
        """One tick later; None if a server is alive that the supervisor must have killed by now."""
        after = []
        for number in numbers:
            if phase == PHASES - 1 and self._members[number].slow:
                after.append(number)
                continue
            older = self._ticks.get(number)
            if older is None:
                older = self._ticks[number] = self._age(self._members[number])
            if older == NEVER:
                return None
            after.append(older)
        return tuple(after)

    def _age(self, m: Member) -> int:
        t = self.times
        if m.role == WRITING and m.left <= -t.fence and self.rules.deadline:
            return NEVER
        peers = tuple(Peer(*(_older(age, t.extension + 1) for age in peer)) for peer in m.peers)
        return self._number(
            m._replace(
                left=max(m.left - 1, -t.fence),
                age=_older(m.age, t.ttl),
                won=_older(m.won, t.lease + 1),
                since=_older(m.since, t.lease + 1),
                promised=_older(m.promised, t.patience),
                peers=peers,
            )
        )

    # --- one member ---

    def _of_one(self, m: Member, lease: int) -> list[Step]:
        """Return all moves of one member. lease: the leader from its point of view."""
        parts: tuple[Callable[[Member, int], Iterator[Step]], ...] = (_api, self._server, self._faults, self._agent, self._answers)
        return [step for part in parts for step in part(m, lease)]

    def _server(self, m: Member, lease: int) -> Iterator[Step]:
        if m.role == WRITING and m.left < 0 and self.rules.deadline:
            yield "is killed at the deadline", m._replace(role=DEAD), NOTHING, False
        if m.role == DEAD:
            yield "starts sealed", m._replace(role=SEALED), NOTHING, False

    def _faults(self, m: Member, lease: int) -> Iterator[Step]:
        if m.role != DEAD:
            yield "FAULT: its server dies", m._replace(role=DEAD), NOTHING, True
        stray = m.call if m.call and m.status == UNDER_WAY else m.stray
        peers = (Peer(),) * len(m.peers)
        unaware = m._replace(current=False, age=0, seen=UNKNOWN, won=NEVER, call=NOTHING, stray=stray, promised=0, peers=peers)
        yield "FAULT: its agent restarts", unaware, NOTHING, True

    def _agent(self, m: Member, lease: int) -> Iterator[Step]:
        t = self.times
        # A write based on an old version would be refused, so nobody sends one, unless this rule is the one left out.
        idle = m.call == NOTHING and m.stray == NOTHING and m.current
        if not m.current:
            yield from self._read(m, lease)
        if m.role == STREAMING and m.current and m.seen != MINE and (m.age >= t.overdue or m.seen == FREE):
            yield "seals", m._replace(role=SEALED), NOTHING, False
        if m.role == WRITING and m.seen == MINE and idle:
            yield "sends a renewal", _sends(m, RENEW), NOTHING, False
        dead = m.role == DEAD or (m.role == WRITING and not self.rules.released_when_dead)
        if dead and m.seen == MINE and idle and m.won == NEVER:
            yield "sends a release", _sends(m, RELEASE), NOTHING, False
        free = m.seen in (MINE, FREE)
        may = free or (m.age >= t.ttl and (m.promised >= t.patience or not self.rules.extensions_waited_out))
        if m.role == SEALED and idle and m.won == NEVER and m.seen != UNKNOWN and may:
            yield "sends a claim", _sends(m, CLAIM), NOTHING, False
        if m.won != NEVER:
            yield self._promotes(m)
        if m.role == WRITING and self.extensions:
            yield from self._asks(m)

    def _read(self, m: Member, lease: int) -> Iterator[Step]:
        after = m._replace(current=True, age=0, seen=lease)
        if m.role == WRITING and lease != MINE:
            after = after._replace(role=DEAD)
        if m.role == WRITING and lease == MINE and not self.rules.reads_prolong_nothing:
            after = after._replace(left=self.times.lease)
        if m.role == SEALED and lease == MINE and not self.rules.only_answers_promote:
            after = after._replace(won=0)
        yield "reads the Lease", after, NOTHING, False
        if m.role == SEALED and lease == OTHERS and m.seen != UNKNOWN and m.won == NEVER and m.call == NOTHING:
            yield "reads another version and follows", after._replace(role=STREAMING), NOTHING, False

    def _promotes(self, m: Member) -> Step:
        left = self.times.lease - m.won
        if m.role != SEALED or (left < 0 and self.rules.promoted_in_time):
            return "drops its claim", m._replace(won=NEVER), NOTHING, False
        return "is PROMOTED", m._replace(role=WRITING, left=max(left, 0), won=NEVER), NOTHING, False

    def _asks(self, m: Member) -> Iterator[Step]:
        """Lease extensions: the requests, the answers that arrive, and how long they count."""
        t = self.times
        for place, peer in enumerate(m.peers):
            if peer.asked != 0:
                yield "asks for an extension", _with_peer(m, place, peer._replace(asked=0)), NOTHING, False
            if peer.answer != NEVER:
                age = peer.answer if self.rules.extensions_from_asking else 0
                best = age if peer.granted == NEVER else min(age, peer.granted)
                yield "has an extension", _with_peer(m, place, Peer(peer.asked, NEVER, best)), NOTHING, False
        ages = [peer.granted if peer.granted != NEVER else t.extension + 1 for peer in m.peers]
        worst = max(ages) if self.rules.extensions_of_all else min(ages)
        if t.extension - worst > m.left and worst <= t.extension:
            yield "goes on by extensions", m._replace(left=t.extension - worst), NOTHING, False

    def _answers(self, m: Member, lease: int) -> Iterator[Step]:
        """The answer to a call arrives, or the call times out."""
        if m.call == NOTHING:
            return
        if m.since >= self.times.call:
            yield "gives a call up", m._replace(call=NOTHING, stray=m.call if m.status == UNDER_WAY else m.stray), NOTHING, False
        if m.status == REFUSED:
            yield "meets a conflict", m._replace(call=NOTHING, current=False), NOTHING, False
        if m.status != CARRIED_OUT:
            return
        after = m._replace(call=NOTHING, current=m.fresh, age=0, seen=FREE if m.call == RELEASE else MINE)
        if m.call == RENEW and m.role == WRITING:
            left = self.times.lease - (m.since if self.rules.from_sending else 0)
            after = after._replace(left=max(m.left, left))
        if m.call == CLAIM:
            after = after._replace(won=m.since)
        yield f"has the answer to its {WRITES[m.call]}", after, NOTHING, False


def _api(m: Member, lease: int) -> Iterator[Step]:
    """The API carries out a call or refuses it; a stray one is carried out late or never arrives."""
    if m.call != NOTHING and m.status == UNDER_WAY:
        after = m._replace(status=CARRIED_OUT, current=False, stray=NOTHING)
        yield f"'s {WRITES[m.call]} is carried out", after, m.call, False
    if m.stray != NOTHING:
        after = m._replace(stray=NOTHING, current=False, fresh=False)
        yield f"'s stray {WRITES[m.stray]} is carried out LATE", after, m.stray, False
        yield "'s stray call is lost", m._replace(stray=NOTHING), NOTHING, False


def _sends(m: Member, call: int) -> Member:
    return m._replace(call=call, fresh=m.current, status=UNDER_WAY, since=0)


def _with_peer(m: Member, place: int, peer: Peer) -> Member:
    return m._replace(peers=(*m.peers[:place], peer, *m.peers[place + 1 :]))
