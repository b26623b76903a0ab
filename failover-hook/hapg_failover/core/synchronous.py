"""The write quorum within the primary's decisions: how its state is observed, and how its steps are ordered (rule 11)."""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from hapg_protocol.model import EligibleReplica, LeaseState, SyncRecord

from .state.actions import Announce, SetStandbys
from .state.decision import Step, busy
from .state.results import OpResult, Outcome
from .timing import LET_GO_AFTER_S
from .write_quorum import OFF, Record, Set, Setting, Situation, Standby, Stay, check_invariants, names_of, next_move


def unguarded(step: Step) -> bool:
    """True if our server was started without a guard, and must be restarted before it may be promoted."""
    return not step.m.sync.guarded and step.guard > 0


def at_promotion(step: Step, claimed: LeaseState) -> Setting:
    """Return the setting for the server that is about to be promoted: the recorded quorum without itself."""
    o = step.o
    if claimed.sync is not None:
        names = names_of(claimed.sync, claimed.volume or "", _standbys(step, claimed.eligible))
        return Setting(claimed.sync.k, names)
    return Setting(o.policy.k) if o.policy.k and o.policy.strict else OFF


def promoted(step: Step, result: OpResult) -> None:
    """Remember that the promotion made the setting take effect; the claim has already copied the record."""
    base = result.position.lsn if result.position is not None else 0
    step.keep(replace(step.m.sync, setting=step.m.sync.ordered, base=base, recorded=True))


def answered(step: Step, result: OpResult) -> None:
    """Handle the result of SetStandbys: the setting is in effect, or its state is unknown."""
    if result.outcome is Outcome.OK and result.position is not None:
        step.keep(replace(step.m.sync, setting=step.m.sync.ordered, base=result.position.lsn))
        step.because(f"in force: {result.text}")
    else:
        step.keep(replace(step.m.sync, setting=None))
        step.tell("SyncStandbyNamesNotApplied", result.text)
        step.because(result.text)


def next_record(step: Step, eligible: tuple[EligibleReplica, ...]) -> SyncRecord | None:
    """Return the record to write along with `eligible`; if the next step is a change of the setting, order it."""
    o, m, s = step.o, step.m, step.state
    assert s is not None
    if (o.policy.k == 0 and s.sync is None and not o.standby_names and m.sync.setting in (None, OFF)) or o.volume is None:
        return s.sync
    if not m.sync.recorded:
        return s.sync
    situation = _situation(step, s, eligible)
    move = next_move(situation)
    _announce(step, situation)
    broken = check_invariants(situation, move)
    if broken:
        step.tell("WriteQuorumUnsound", f"{move}: {'; '.join(broken)}")
        return s.sync
    match move:
        case Record(record):
            return record
        case Set(setting, reason) if not busy(step) and o.now >= m.retry.retry_at:
            order(step, setting, reason)
        case Set() | Stay():
            pass
        case _:
            assert_never(move)
    return s.sync


def order(step: Step, setting: Setting, reason: str) -> None:
    """Order a setting to take effect; until that is answered, the previous one may still be in effect too."""
    before = step.m.sync.setting
    step.keep(replace(step.m.sync, setting=None, ordered=setting))
    step.run(SetStandbys(setting, waited=before is not None and before != OFF), f"synchronous standbys: {setting}: {reason}")


def keep_recorded(
    eligible: tuple[EligibleReplica, ...], wanted: tuple[EligibleReplica, ...], record: SyncRecord | None
) -> tuple[EligibleReplica, ...]:
    """Return `wanted` plus the replicas in `eligible` that the record names: every volume of the quorum may claim, and is waited for."""
    if record is None:
        return wanted
    known = {m.volume for m in wanted}
    kept = [m for m in eligible if m.volume in record.volumes and m.volume not in known]
    return tuple(sorted((*wanted, *kept), key=lambda m: (m.pod, m.volume)))


def _situation(step: Step, s: LeaseState, eligible: tuple[EligibleReplica, ...]) -> Situation:
    o, m = step.o, step.m
    return Situation(o.policy, o.volume or "", s.sync, m.sync.setting, m.sync.base, _standbys(step, eligible))


def _standbys(step: Step, eligible: tuple[EligibleReplica, ...]) -> tuple[Standby, ...]:
    """Return the eligible replicas as standbys, each pod with the volume that it shows; a pod that shows none stands for all its recorded
    volumes.

    None of those is live then: a pod that is being cloned has its predecessor's name, but not yet its data.
    """
    o, m = step.o, step.m
    shown = {p.name: p.report.volume for p in o.pods if p.report is not None and p.report.volume is not None}
    held_for = o.now - m.phase_since
    live = {x.pod: x for x in o.streaming}
    found = []
    for member in eligible:
        if shown.get(member.pod, member.volume) != member.volume:
            continue
        x = live.get(member.pod)
        silent = held_for if x is None else min(held_for, o.now - x.seen)
        is_live = x is not None and x.since is not None and member.pod in shown
        found.append(Standby(member.pod, member.volume, is_live, silent, x.flushed if x else None))
    return tuple(found)


def _announce(step: Step, situation: Situation) -> None:
    """Report each change for commits once: they wait for standbys, they hang because standbys are missing, or they don't wait.

    A standby that is away for a moment is not reported, nor is the absence of standbys just after a promotion.
    """
    setting, settled = situation.setting, step.o.now - step.m.phase_since >= LET_GO_AFTER_S
    if setting is None or not settled:
        return
    live = sorted(x.pod for x in situation.standbys if x.live and x.pod in setting.names)
    lively = [x for x in situation.standbys if x.pod in setting.names and (x.live or x.silent < LET_GO_AFTER_S)]
    if not setting.k:
        told = Announce("Warning", "Asynchronous", "too few standbys stream: commits don't wait for any")
    elif len(lively) < setting.k:
        told = Announce(
            "Warning", "WaitingForSyncStandbys", f"commits wait: {setting.k} synchronous standbys are needed, {len(live)} stream"
        )
    elif situation.record is not None and len(live) >= setting.k:
        told = Announce("Normal", "Synchronous", f"commits wait for {setting}")
    else:
        return
    if told.reason != step.m.sync.sync_told and situation.policy.k:
        step.keep(replace(step.m.sync, sync_told=told.reason))
        step.actions.append(told)


def record_sent(step: Step, state: LeaseState) -> None:
    """Note that a write of the Lease is being sent: if it changes the record, the record is unknown until the write is answered."""
    s = step.state
    if s is None or s.sync != state.sync:
        step.keep(replace(step.m.sync, recorded=False))


def record_answered(step: Step) -> None:
    """Note that a write of ours was answered: its content is recorded, and no earlier write can take effect any more."""
    step.keep(replace(step.m.sync, recorded=True))
