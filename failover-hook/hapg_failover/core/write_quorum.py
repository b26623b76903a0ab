"""The synchronous set: whose acknowledgement a COMMIT waits for, and what the Lease says about it (docs/protocol.md, rule 11).

Two values must go together. The *setting* is `synchronous_standby_names = ANY k (names)` of the primary: a commit is acknowledged once
k of these standbys have it on disk. The *record* {k, volumes} stands in the Lease: a claimer must have seen the positions of
n - k + 1 of its n volumes, or that of the last holder's. They are changed apart and in small steps, any of which may be the last before
a crash, or may have happened or not. Why nothing acknowledged is lost all the same:

1. What is acknowledged under a setting is on k of its volumes. If these all stand in a record with the same k, any n - k + 1 volumes of the
   record hold one of the k, since k + (n - k + 1) > n. So the setting must be part of the record (I1), with the same k (I2), whenever
   something is acknowledged: growth writes the record first and the setting once that write was answered; a setting whose
   change is under way counts as both the old and the new one.
2. A volume leaves the record after it has left the setting, and after the *barrier*: k volumes of the new record, all of
   them in the setting, have flushed past the LSN at which the setting was found in force. What was acknowledged under earlier settings lies
   before that LSN and is on these k, what is acknowledged later is so by 1; both are met by every n - k + 1 volumes of the new record.
3. A setting is *in force* when no process acts by the one before. `synchronous_standby_names` is read by each process for itself: the
   postmaster signals its children after it has read the file, a walsender releases waiting commits by its own reading, and the
   checkpointer switches waiting as such on and off. So: a connection that was opened after the change shows the new value, hence
   all children have been signalled; every walsender's sync_priority in pg_stat_replication is the one that the new value gives it, hence
   none counts a standby that has left (k never changes, so that is all a walsender reads); and, if nobody waited before, a CHECKPOINT
   has been completed, which the checkpointer begins by reading its settings. Only then is the LSN taken.
4. A claim copies the record; the new holder's setting is the record without itself, set before its server can write. Its
   volume had everything when it was promoted, and is not counted by its own setting, so it leaves the record by 2.
5. A pod whose volume was cloned anew keeps its name, and so its place in the setting, with a volume that the record doesn't have yet.
   That hides nothing: for each such acknowledgement a volume of the record exists no more, and can't be counted by a claimer either.

A server is started with a setting that names nobody, as what is sealed must not acknowledge; a setting takes force later by being loosened,
which is safe however late a process reads it. `preferred` lets go of the set when fewer than k stream: the setting first, then
the record, so that what was acknowledged before is protected as long as possible. From then on replication is asynchronous.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hapg_protocol.model import SyncRecord

from .timing import LET_GO_AFTER_S, SHRINK_AFTER_S

NOBODY = "-"


@dataclass(frozen=True)
class Policy:
    """What the chart asks for. k: how many standbys must have a commit on disk, 0: asynchronous; strict: writes wait for them."""

    k: int = 0
    strict: bool = True


ASYNCHRONOUS = Policy()


@dataclass(frozen=True)
class Setting:
    """`synchronous_standby_names`. k 0: nobody is waited for; names () with k > 0: nobody can acknowledge, so writes wait."""

    k: int
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The parameter's value, as PostgreSQL shows it."""
        listed = ", ".join(f'"{name}"' for name in self.names or (NOBODY,))
        return f"ANY {self.k} ({listed})" if self.k else ""

    def __str__(self) -> str:
        if not self.k:
            return "commits wait for no standby"
        return f"{self.k} of {', '.join(self.names)}" if self.names else "writes wait until there are standbys"


OFF = Setting(0)


@dataclass(frozen=True)
class Standby:
    """A member as the primary sees it. volume: on its pod now; silent: seconds since it streamed last; flushed: in bytes, if known."""

    pod: str
    volume: str
    streams: bool
    silent: float
    flushed: int | None

    @property
    def live(self) -> bool:
        """It streams and says what it has on disk."""
        return self.streams and self.flushed is not None


@dataclass(frozen=True)
class Situation:
    """All that the next step depends on.

    own: our volume; record: as last written *and answered*; setting: found in force, None if that isn't known; base: the LSN at
    which it was found so, in bytes.
    """

    policy: Policy
    own: str
    record: SyncRecord | None
    setting: Setting | None
    base: int
    standbys: tuple[Standby, ...]


@dataclass(frozen=True)
class Stay:
    """Nothing is to be changed, for this reason."""

    reason: str


@dataclass(frozen=True)
class Record:
    """Write this record to the Lease."""

    record: SyncRecord | None
    reason: str


@dataclass(frozen=True)
class Set:
    """Bring this setting into force."""

    setting: Setting
    reason: str


Move = Stay | Record | Set


def next_move(s: Situation) -> Move:
    """Return the next single step."""
    if s.policy.k == 0:
        return _leave(s, "replication is asynchronous")
    if s.record is None:
        return _found(s)
    if not s.policy.strict and _too_few(s, s.record):
        return _leave(s, f"fewer than {s.record.k} standbys stream, and the policy is preferred")
    if s.setting is None or not s.setting.names:
        target = Setting(s.record.k, names_of(s.record, s.own, s.standbys))
        if target != s.setting:
            return Set(target, "commits wait for the recorded standbys")
    return _grow(s, s.record) or _shrink(s, s.record) or Stay(f"{s.setting}")


def _leave(s: Situation, why: str) -> Move:
    if s.setting != OFF:
        return Set(OFF, f"{why}: writes don't wait")
    if s.record is not None:
        return Record(None, f"{why}: the synchronous set is dropped")
    return Stay(why)


def _found(s: Situation) -> Move:
    """Without a record the first one takes in all at once: with fewer than k volumes it would promise nothing."""
    live = sorted(x.volume for x in s.standbys if x.live)
    if len(live) >= s.policy.k:
        return Record(SyncRecord(s.policy.k, tuple(live)), f"{len(live)} standbys stream: they are the synchronous set")
    idle = Setting(s.policy.k) if s.policy.strict else OFF
    short = f"{len(live)} of the {s.policy.k} standbys stream"
    return Set(idle, short) if s.setting != idle else Stay(f"{short}: {idle}")


def _too_few(s: Situation, record: SyncRecord) -> bool:
    there = [x for x in s.standbys if x.volume in record.volumes and (x.live or x.silent < LET_GO_AFTER_S)]
    return len(there) < record.k


def _grow(s: Situation, record: SyncRecord) -> Move | None:
    assert s.setting is not None
    for x in s.standbys:
        if x.live and x.volume not in record.volumes:
            return Record(replace(record, volumes=tuple(sorted({*record.volumes, x.volume}))), f"{x.pod} joins the synchronous set")
    for x in s.standbys:
        if x.live and x.pod not in s.setting.names:
            return Set(Setting(record.k, tuple(sorted({*s.setting.names, x.pod}))), f"{x.pod} is recorded and may acknowledge")
    return None


def _shrink(s: Situation, record: SyncRecord) -> Move | None:
    assert s.setting is not None
    live = {x.pod for x in s.standbys if x.live}
    lively = {x.pod for x in s.standbys if x.live or x.silent < SHRINK_AFTER_S}
    for name in s.setting.names:
        rest = tuple(other for other in s.setting.names if other != name)
        if name not in lively and len(live.intersection(rest)) >= record.k:
            return Set(Setting(record.k, rest), f"{name} hasn't streamed for {SHRINK_AFTER_S:g} s")
    counted = [x for x in s.standbys if x.pod in s.setting.names and x.volume in record.volumes]
    passed = [x for x in counted if x.live and x.flushed is not None and x.flushed >= s.base]
    leaving = sorted(set(record.volumes) - {x.volume for x in counted})
    if leaving and len(passed) >= record.k:
        kept = tuple(volume for volume in record.volumes if volume != leaving[0])
        return Record(replace(record, volumes=kept), f"{len(passed)} standbys have all that volume {leaving[0]} may have acknowledged")
    return None


def names_of(record: SyncRecord, own: str, standbys: Collection[Standby]) -> tuple[str, ...]:
    """Return the pods of the record's volumes but our own."""
    return tuple(sorted({x.pod for x in standbys if x.volume in record.volumes and x.volume != own}))


def not_in_force(setting: Setting, shown: str, priorities: Collection[tuple[str, int]]) -> str | None:
    """Return what shows that some process still acts by another setting, None if nothing does (point 3 above).

    shown: the parameter's value in a connection opened after the change; priorities: (application_name, sync_priority) of the walsenders.
    """
    # Before 10 there is no ANY: the first k of those that stream are waited for, which are k of them as well.
    if shown.removeprefix("ANY ") != setting.text.removeprefix("ANY "):
        return f"synchronous_standby_names is {shown!r}, not yet {setting.text!r}"
    late = sorted(name for name, priority in priorities if priority and name not in setting.names)
    return f"the walsender of {', '.join(late)} hasn't read the new setting yet" if late else None


def check_invariants(s: Situation, move: Move) -> list[str]:
    """Return what `move` would break, in words; empty if it is sound."""
    match move:
        case Record(record):
            return _record_problems(s, record)
        case Set(setting):
            return _setting_problems(s, setting)
        case _:
            return []


def _record_problems(s: Situation, record: SyncRecord | None) -> list[str]:
    before = s.record
    if record is None:
        return [] if s.setting == OFF else [f"the record is removed while {s.setting} is in effect"]
    found = []
    if len(record.volumes) < record.k:
        found.append(f"{len(record.volumes)} volumes can't hold {record.k} copies")
    if before is not None:
        if record.k != before.k:
            found.append(f"k changes from {before.k} to {record.k}")
        gone, new = set(before.volumes) - set(record.volumes), set(record.volumes) - set(before.volumes)
        if len(gone) + len(new) != 1:
            found.append(f"more than one step: without {sorted(gone)}, with {sorted(new)}")
        if gone and s.setting is None:
            found.append(f"{sorted(gone)} are removed from the record while the setting is unknown")
        named = {x.volume for x in s.standbys if s.setting is not None and x.pod in s.setting.names}
        found += [f"{volume} leaves the record and still acknowledges" for volume in sorted(gone & named)]
    return found


def _setting_problems(s: Situation, setting: Setting) -> list[str]:
    if not setting.names:
        return []
    if s.record is None:
        return [f"{setting} without a record"]
    found = [] if setting.k == s.record.k else [f"k is {setting.k}, recorded is {s.record.k}"]
    known = set(s.setting.names) if s.setting is not None else set()
    allowed = set(names_of(s.record, s.own, s.standbys)) | known
    return found + [f"{name} may acknowledge and isn't recorded" for name in setting.names if name not in allowed]


def shortfall(record: SyncRecord, holder: str | None, reported: Collection[str]) -> str | None:
    """Return which positions a claimer lacks to know of everything acknowledged, None if it lacks none (rule 4E).

    holder: the last holder's volume; reported: volumes whose position is known under the Lease's present version.
    """
    if holder in reported:
        return None
    quorum = len(record.volumes) - record.k + 1
    there = [volume for volume in record.volumes if volume in reported]
    if len(there) >= quorum:
        return None
    missing = ", ".join(volume for volume in record.volumes if volume not in reported)
    return f"{len(there)} of {quorum} positions needed to know all acknowledged commits; missing: {missing}, or {holder} of the last leader"
