"""The write quorum: which standbys a COMMIT waits for, and what the Lease records about it (docs/protocol.md, rule 11).

Two values must go together. The *setting* is `synchronous_standby_names = ANY k (names)` on the primary: a commit is acknowledged once k of
these standbys have it on disk. The *record* {k, volumes} is in the Lease: a claimer must have seen the positions of n - k + 1 of its n
volumes, or that of the last holder. The two are changed separately and in small steps. Any step may be the last before a crash, and after a
crash it may or may not have taken place. Why no acknowledged commit is lost all the same:

1. A commit acknowledged under a setting is on k of its volumes. If these are all in a record with the same k, any n - k + 1 volumes of the
   record include one of the k, since k + (n - k + 1) > n. So whenever a commit is acknowledged, the setting must be part of the record
   (I1), with the same k (I2): to grow, the record is written first, and the setting is changed once that write has been answered; a setting
   that is being changed counts as both the old and the new one.
2. A volume leaves the record after it has left the setting, and after the *barrier*: k volumes of the new record, all of them in the
   setting, have flushed past the LSN at which the setting was found to be in effect. Commits acknowledged under earlier settings are before
   that LSN, and so are on these k; later commits are covered by 1. Either way, any n - k + 1 volumes of the new record include one that has
   the commit.
3. A setting is *in effect* when no process acts on the previous one. Each process reads `synchronous_standby_names` for itself: the
   postmaster signals its children after it has read the file, a walsender releases waiting commits according to its own reading, and the
   checkpointer turns waiting on and off altogether. Three checks follow. A connection opened after the change shows the new value, so
   all children have been signalled. Every walsender's sync_priority in pg_stat_replication is the one that the new value gives it, so no
   walsender counts a standby that has left (k never changes, so that is all a walsender reads). And, if nobody waited before, a CHECKPOINT
   has completed, which the checkpointer starts by reading its settings. Only then is the LSN taken.
4. A claim copies the record. The new holder's setting is the record without the holder itself, and is set before its server can write. Its
   volume had everything when it was promoted and isn't counted by its own setting, so it leaves the record by 2.
5. A pod whose volume was cloned again keeps its name, and so its place in the setting, with a volume that the record doesn't have yet. That
   hides nothing: for each such acknowledgement, a volume of the record no longer exists, and so can't be counted by a claimer either.

A server is started with a setting that names nobody, because a sealed server must not acknowledge commits. A later setting takes effect by
loosening the previous one, which is safe however late a process reads it. `preferred` drops the quorum when fewer than k standbys stream:
first the setting, then the record, so that earlier acknowledged commits are protected as long as possible. From then on, replication is
asynchronous.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from hapg_protocol.model import SyncRecord

from .timing import LET_GO_AFTER_S, SHRINK_AFTER_S

NOBODY = "-"


@dataclass(frozen=True)
class Policy:
    """The chart's settings. k: how many standbys must have a commit on disk, 0: asynchronous; strict: writes wait for them."""

    k: int = 0
    strict: bool = True


ASYNCHRONOUS = Policy()


@dataclass(frozen=True)
class Setting:
    """The value of `synchronous_standby_names`. k 0: commits wait for nobody; names () with k > 0: nobody can acknowledge: writes wait."""

    k: int
    names: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The parameter's value, as PostgreSQL shows it."""
        listed = ", ".join(f'"{name}"' for name in self.names or (NOBODY,))
        return f"ANY {self.k} ({listed})" if self.k else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments of a command to the supervisor: K and the names; none if a COMMIT waits for no standby."""
        return (str(self.k), *self.names) if self.k else ()

    def __str__(self) -> str:
        if not self.k:
            return "commits wait for no standby"
        return f"{self.k} of {', '.join(self.names)}" if self.names else "writes wait until there are standbys"


OFF = Setting(0)


@dataclass(frozen=True)
class Standby:
    """A standby as the primary sees it.

    volume: the one that its pod has now; silent: seconds since it last streamed; flushed: LSN in bytes, if known.
    """

    pod: str
    volume: str
    streams: bool
    silent: float
    flushed: int | None

    @property
    def live(self) -> bool:
        """It streams and reports what it has on disk."""
        return self.streams and self.flushed is not None


@dataclass(frozen=True)
class Situation:
    """Everything that the next step depends on.

    own: our volume; record: as last written *and answered*; setting: found to be in effect, None if not known; base: the LSN at which that
    was found, in bytes.
    """

    policy: Policy
    own: str
    record: SyncRecord | None
    setting: Setting | None
    base: int
    standbys: tuple[Standby, ...]


@dataclass(frozen=True)
class Stay:
    """Change nothing, for this reason."""

    reason: str


@dataclass(frozen=True)
class Record:
    """Write this record to the Lease."""

    record: SyncRecord | None
    reason: str


@dataclass(frozen=True)
class Set:
    """Make this setting take effect."""

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
    """The first record includes all live standbys at once: with fewer than k volumes, it would guarantee nothing."""
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
    """Return the pods of the record's volumes, except our own."""
    return tuple(sorted({x.pod for x in standbys if x.volume in record.volumes and x.volume != own}))


def not_in_force(setting: Setting, shown: str, priorities: Collection[tuple[str, int]]) -> str | None:
    """Return the sign that some process still acts on another setting, or None if there is none (point 3 above).

    setting: the one ordered; shown: the parameter's value in a connection opened after the change; priorities: (application_name,
    sync_priority) of the walsenders.
    """
    # Before version 10 there is no ANY: commits wait for the first k streaming standbys, which are also k of them.
    if shown.removeprefix("ANY ") != setting.text.removeprefix("ANY "):
        return f"synchronous_standby_names is {shown!r}, not yet {setting.text!r}"
    late = sorted(name for name, priority in priorities if priority and name not in setting.names)
    return f"the walsender of {', '.join(late)} hasn't read the new setting yet" if late else None


def check_invariants(s: Situation, move: Move) -> list[str]:
    """Return the invariants that `move` would break, in words; empty if it is sound."""
    match move:
        case Record(record):
            return _record_problems(s, record)
        case Set(setting):
            return _setting_problems(s, setting)
        case Stay():
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
    """Return the positions that a claimer lacks to know every acknowledged commit, or None if it lacks none (rule 4E).

    record: in the Lease; holder: the last holder's volume; reported: volumes whose position is known for the Lease's current version.
    """
    if holder in reported:
        return None
    quorum = len(record.volumes) - record.k + 1
    there = [volume for volume in record.volumes if volume in reported]
    if len(there) >= quorum:
        return None
    missing = ", ".join(volume for volume in record.volumes if volume not in reported)
    return f"{len(there)} of {quorum} positions needed to know all acknowledged commits; missing: {missing}, or {holder} of the last leader"
