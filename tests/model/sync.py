"""A model of synchronous replication without clocks: every order of writing, streaming, sealing, claiming and changing the set of
standbys.

Three or four members, one of which writes and waits for k standbys. Time is unknown: an old primary may live forever, and anyone may
seal and claim at any time, so safety must come only from what is counted and promised. A log is a tuple of the terms in which its
entries were written. The acknowledged entries must be a prefix of the newest primary's log.
`Rules` are rules 3, 4 and 11 of docs/protocol.md; each can be left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

Log = tuple[int, ...]


class Member(NamedTuple):
    """role: P writes, S streams, Z is sealed. reported: (last term, length) under the Lease's current version; claiming: it has decided
    to claim that version; setting: the members that may acknowledge, as bits; base: length of the log when the setting took effect;
    volume: it is still the recorded one; bound: it may not unseal under the current version.
    """

    role: str
    term: int
    log: Log
    reported: tuple[int, int] | None = None
    claiming: bool = False
    setting: int = 0
    base: int = 0
    volume: bool = True
    bound: bool = False


class State(NamedTuple):
    """holder, term, record: the Lease's; acknowledged: the longest log that a client was told of; newest: (term, member) of the last
    promotion. The last four are how many renewals, restarts, lost volumes and changes of the set may still happen.
    """

    holder: int
    term: int
    record: int
    members: tuple[Member, ...]
    acknowledged: Log = ()
    newest: tuple[int, int] | None = None
    renewals: int = 1
    restarts: int = 1
    losses: int = 0
    changes: int = 2


@dataclass(frozen=True)
class Rules:
    """Each rule is kept (True) or left out.

    record_first: a volume is recorded before it may acknowledge. setting_first: a volume may no longer acknowledge before it leaves the
    record. barrier: another volume has everything acknowledged before one leaves the record. copied: a claim copies the record.
    all_read: a claim needs the positions of n - k + 1 of the n recorded volumes, or the last leader's; if left out, one fewer. exact:
    the position is the end of the log. bound: a member that has reported doesn't stream under the same version. sealed_start: members
    start sealed. by_volume: a replaced volume doesn't count under its pod's name.
    """

    record_first: bool = True
    setting_first: bool = True
    barrier: bool = True
    copied: bool = True
    all_read: bool = True
    exact: bool = True
    bound: bool = True
    sealed_start: bool = True
    by_volume: bool = True


@dataclass(frozen=True)
class Bounds:
    """Maximum length of logs and maximum term, and the number of standbys that a commit waits for."""

    length: int = 2
    term: int = 3
    k: int = 1


def is_prefix(short: Log, long: Log) -> bool:
    """True if `long` begins with `short`."""
    return long[: len(short)] == short


def common(one: Log, other: Log) -> int:
    """Return the number of entries that two logs have in common."""
    count = 0
    while count < min(len(one), len(other)) and one[count] == other[count]:
        count += 1
    return count


def key(log: Log) -> tuple[int, int]:
    """Return a position: the last entry's term, then the length."""
    return (log[-1] if log else 0, len(log))


class Model:
    """The moves from a state, by the rules."""

    def __init__(self, rules: Rules, bounds: Bounds) -> None:
        self.rules = rules
        self.bounds = bounds

    def steps(self, s: State) -> Iterator[tuple[str, State]]:
        """Return every move with its name."""
        for i, m in enumerate(s.members):
            match m.role:
                case "P":
                    yield from self._writes(s, i, m)
                    if s.holder == i and s.term == m.term:
                        yield from self._holds(s, i, m)
                case "S":
                    said = key(m.log) if self.rules.exact or not m.log else (m.log[-1], len(m.log) - 1)
                    yield f"{i} seals and reports", _with(s, i, m._replace(role="Z", reported=said, claiming=False, bound=True))
                case _:
                    yield from self._sealed(s, i, m)
            yield from self._faults(s, i, m)

    def _writes(self, s: State, i: int, m: Member) -> Iterator[tuple[str, State]]:
        if len(m.log) < self.bounds.length:
            yield f"{i} writes", _with(s, i, m._replace(log=(*m.log, m.term)))
        for j, other in enumerate(s.members):
            if j == i or other.role != "S" or other.term != m.term:
                continue
            same = common(other.log, m.log)
            if same < max(len(m.log), len(other.log)):
                yield f"{j} receives from {i}", _with(s, j, other._replace(log=m.log[: same + 1]))
        for told in (m.log[:length] for length in range(1, len(m.log) + 1)):
            having = sum(self._counts(m, j, other) and is_prefix(told, other.log) for j, other in enumerate(s.members) if j != i)
            news = len(told) > len(s.acknowledged) or not is_prefix(told, s.acknowledged)
            if having >= self.bounds.k and told[-1] == m.term and news:
                yield f"{i} acknowledges {len(told)}, which {having} have", s._replace(acknowledged=told)

    def _counts(self, m: Member, j: int, other: Member) -> bool:
        """True if member j's acknowledgements count for m."""
        return bool(m.setting >> j & 1) and other.role == "S" and other.term == m.term

    def _holds(self, s: State, i: int, m: Member) -> Iterator[tuple[str, State]]:
        if s.renewals:
            yield f"{i} renews", _new_version(s)._replace(renewals=s.renewals - 1)
        if not s.changes:
            return
        left = s._replace(changes=s.changes - 1)
        k = self.bounds.k
        for j in range(len(s.members)):
            bit = 1 << j
            if j != i:
                if not s.record & bit:
                    yield f"{i} records {j}", _new_version(left)._replace(record=s.record | bit)
                if not m.setting & bit and (s.record & bit or not self.rules.record_first):
                    yield f"{i} lets {j} acknowledge", _with(left, i, m._replace(setting=m.setting | bit))
                if m.setting & bit and m.setting.bit_count() > k and (not s.record & bit or self.rules.setting_first):
                    yield f"{i} lets {j} acknowledge no more", _with(left, i, m._replace(setting=m.setting & ~bit, base=len(m.log)))
            still = m.setting & bit and self.rules.setting_first
            if s.record & bit and s.record.bit_count() > k and not still and (not self.rules.barrier or self._passed(s, i, m, bit)):
                yield f"{i} takes {j} off the record", _new_version(left)._replace(record=s.record & ~bit)

    def _passed(self, s: State, i: int, m: Member, leaving: int) -> bool:
        """True if k members that stay and may acknowledge have everything that was acknowledged under earlier settings."""
        kept = m._replace(setting=m.setting & ~leaving)
        return (
            sum(self._counts(kept, q, x) and is_prefix(m.log[: m.base], x.log) for q, x in enumerate(s.members) if q != i) >= self.bounds.k
        )

    def _sealed(self, s: State, i: int, m: Member) -> Iterator[tuple[str, State]]:
        if m.reported is None:
            yield f"{i} reports", _with(s, i, m._replace(reported=key(m.log), claiming=False, bound=True))
        if s.holder != i and (not m.bound or not self.rules.bound):
            kept = None if self.rules.bound else m.reported
            yield f"{i} follows term {s.term}", _with(s, i, Member("S", s.term, m.log, kept, volume=m.volume))
        undecided = m.reported is not None and not m.claiming and s.term < self.bounds.term and s.holder != i
        if undecided and self._may_claim(s, m):
            yield f"{i} decides to claim", _with(s, i, m._replace(claiming=True))
        if m.claiming:
            yield f"{i} claims term {s.term + 1} with {len(m.log)} entries", self._claimed(s, i, m)

    def _may_claim(self, s: State, m: Member) -> bool:
        seen = [other.reported if other.volume or not self.rules.by_volume else None for other in s.members]
        recorded = [said for j, said in enumerate(seen) if s.record >> j & 1]
        needed = len(recorded) - self.bounds.k + (1 if self.rules.all_read else 0)
        enough = sum(said is not None for said in recorded) >= max(needed, 1) or seen[s.holder] is not None
        return enough and all(said is None or key(m.log) >= said for said in seen)

    def _claimed(self, s: State, i: int, m: Member) -> State:
        setting = s.record & ~(1 << i)
        record = s.record if self.rules.copied else setting
        if setting.bit_count() < self.bounds.k:
            # Too few are left to acknowledge: the others are recorded before anything is written.
            setting = (1 << len(s.members)) - 1 & ~(1 << i)
            record = s.record | setting
        after = _new_version(s)._replace(holder=i, term=s.term + 1, record=record, newest=(s.term + 1, i))
        return _with(after, i, Member("P", s.term + 1, m.log, None, False, setting, len(m.log), m.volume))

    def _faults(self, s: State, i: int, m: Member) -> Iterator[tuple[str, State]]:
        if s.restarts:
            left = s._replace(restarts=s.restarts - 1)
            said = None if m.role == "P" else m.reported
            if m.role == "P" or self.rules.sealed_start or s.holder == i:
                yield f"{i} restarts", _with(left, i, Member("Z", m.term, m.log, said, volume=m.volume, bound=True))
            else:
                yield f"{i} restarts and follows", _with(left, i, Member("S", s.term, m.log, said, volume=m.volume))
        if s.losses:
            left = s._replace(losses=s.losses - 1)
            yield f"{i} loses its volume", _with(left, i, Member("Z", m.term, (), volume=False, bound=True))


def _with(s: State, i: int, m: Member) -> State:
    return State(s.holder, s.term, s.record, (*s.members[:i], m, *s.members[i + 1 :]), *s[4:])


def _new_version(s: State) -> State:
    """The Lease has changed: position reports and claims under the previous version no longer count."""
    return State(s.holder, s.term, s.record, tuple(map(_unreported, s.members)), *s[4:])


@cache
def _unreported(m: Member) -> Member:
    return m._replace(reported=None, claiming=False, bound=False)


def renamed(s: State, order: tuple[int, ...]) -> State:
    """Return the state with other numbers for the members. order: the number that each had before."""
    masks = _masks(order)
    members = tuple(s.members[old]._replace(setting=masks[s.members[old].setting]) for old in order)
    newest = None if s.newest is None else (s.newest[0], order.index(s.newest[1]))
    return s._replace(holder=order.index(s.holder), record=masks[s.record], members=members, newest=newest)


@cache
def _masks(order: tuple[int, ...]) -> list[int]:
    """Return every set of members, as bits, after they are renamed."""
    return [sum((mask >> old & 1) << new for new, old in enumerate(order)) for mask in range(1 << len(order))]


_ranks: dict[Member, int] = {}


@cache
def _rank(m: Member, itself: int) -> int:
    """Return a number for what can be said of a member without another's number. itself: it is in its own setting."""
    return _ranks.setdefault(m._replace(setting=itself + 2 * m.setting.bit_count()), len(_ranks))


def alike(s: State) -> State:
    """Return one of the states that differ from this one only in the members' numbers: no rule depends on them.

    Members are sorted by what can be said of them without another's number, and by the terms of the leaders that let them acknowledge.
    """
    members, holder, record = s.members, s.holder, s.record
    newest = -1 if s.newest is None else s.newest[1]
    keys = []
    for i, m in enumerate(members):
        rank = _rank(m, m.setting >> i & 1)
        counted = sum((other.setting >> i & 1) << other.term for other in members if other.setting)
        keys.append((rank << 7 | counted << 3 | (record >> i & 1) << 2 | (i == holder) << 1 | (i == newest)) << 2 | i)
    order = tuple(key & 3 for key in sorted(keys))
    return s if order == (0, 1, 2, 3)[: len(order)] else renamed(s, order)


def lost(s: State) -> bool:
    """True if the newest primary lacks acknowledged entries."""
    if s.newest is None:
        return False
    term, member = s.newest
    m = s.members[member]
    return m.role == "P" and m.term == term and not is_prefix(s.acknowledged, m.log)


def begin(losses: int = 0, record: int = 0b110, members: int = 3) -> State:
    """Member 0 writes in term 1; the record's members stream and may acknowledge."""
    others = (Member("S", 1, ()),) * (members - 1)
    return State(0, 1, record, (Member("P", 1, (), setting=record), *others), losses=losses)


def search(rules: Rules, bounds: Bounds, start: State) -> tuple[int, list[str] | None]:
    """Search all states; return their number and, if one loses something acknowledged, the trace to it.

    States that differ only in the members' numbers count as one (`alike`), so in a trace the numbers may change from move to move.
    """
    model = Model(rules, bounds)
    came: dict[State, tuple[State, str] | None] = {start: None}
    met = {start}
    left = deque([start])
    while left:
        s = left.popleft()
        for label, reached in model.steps(s):
            if reached in met:
                continue
            met.add(reached)
            after = alike(reached)
            if after in came:
                continue
            came[after] = (s, label)
            if lost(after):
                return len(came), _trace(came, after)
            left.append(after)
    return len(came), None


def _trace(came: dict[State, tuple[State, str] | None], s: State) -> list[str]:
    steps = []
    while (before := came[s]) is not None:
        s, label = before
        steps.append(label)
    return steps[::-1]
