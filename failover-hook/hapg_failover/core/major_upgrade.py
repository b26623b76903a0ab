"""Whose data becomes that of the new major, and when (docs/protocol.md, rule 17)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.hand_over import VerifiedBackup
from hapg_protocol.lsn import Position, format_lsn
from hapg_protocol.model import LeaseState

from . import election
from .state.actions import Announce, Look, Op, Upgrade
from .state.decision import Step
from .state.phases import Phase
from .state.results import OpResult, Outcome
from .state.volume import FormerData

LONGEST_RECORD = 256
"""More bytes than the record of a shutdown checkpoint takes, with the headers of a page."""


@dataclass(frozen=True)
class Verdict:
    """timeline: the data may be upgraded, and its WAL continues on this timeline; None: it may not, for this reason. begun: the upgrade was
    begun, so what it needs was looked at then.
    """

    timeline: int | None
    reason: str
    begun: bool = False


def judge(former: FormerData, state: LeaseState | None) -> Verdict:
    """Decide whether our data is to be upgraded. state: of the Lease as it is now, None if there is none.

    It is the last primary's, all of it: the Lease was released after a clean shutdown, names this volume, and the shutdown checkpoint that
    the release names is the last thing in this data. The former server may have run here since, but only as a part of the upgrade.
    """
    if state is None:
        return Verdict(None, f"there is no Lease, which names the last primary: {START_FIRST}")
    if not former.own or former.system_identifier != state.system_identifier:
        return Verdict(None, "the volume was not made for this pod and this release")
    if state.release is None or not state.release.clean or state.release.position is None:
        return Verdict(None, f"the last primary, {state.holder.pod}, was not shut down in order: {PAUSE_FIRST}")
    if state.volume != former.volume:
        return Verdict(None, f"the data of {state.holder.pod}, the last primary, is upgraded first")
    end = state.release.position
    if former.begun == (state.term, state.serial):
        return Verdict(end.timeline, f"the upgrade of PostgreSQL {former.major} was begun: go on", begun=True)
    if former.shut_down is None or end.timeline != state.timeline or not _ends_at(former.shut_down, end):
        return Verdict(None, f"this data does not end with the last primary's shutdown at {format_lsn(end.lsn)}: {PAUSE_FIRST}")
    return Verdict(end.timeline, f"this is the last primary's data, shut down in order: upgrade it from PostgreSQL {former.major}")


START_FIRST = "go back to the former chart and start the release with it"
PAUSE_FIRST = "go back to the former chart, pause the release (pause: true), and upgrade from there"


def _ends_at(checkpoint: Position, end: Position) -> bool:
    """True if the record of the shutdown checkpoint that begins at `checkpoint` may end at `end`: there is no room for another."""
    return checkpoint.timeline == end.timeline and 0 < end.lsn - checkpoint.lsn < LONGEST_RECORD


def unverified(found: VerifiedBackup | None, now: float, within_s: float) -> str:
    """Return why the repository has no backup that could replace the data if the upgrade goes wrong, '' if it has one.

    found: the backup whose restore was verified last; now: in seconds since the epoch; within_s: how many seconds ago that may have been.
    """
    if found is None:
        return "no restore of a backup was ever verified"
    age = now - found.at
    if age > within_s:
        return f"the last verified restore, of {found.backup}, is {age / 3600:.0f} h old, and may be {within_s / 3600:.0f} h old at most"
    return ""


VERIFY_FIRST = (
    "go back to the former chart, start the release, have a restore verified, and pause it again; "
    "or upgrade without a backup: set majorUpgrade.withoutVerifiedBackup to true"
)


def attend(step: Step) -> None:
    """Handle data of another major: upgrade the last primary's; clone the others' once there is a primary; else touch nothing."""
    o, s, former = step.o, step.state, step.o.former
    if step.m.retry.looked != step.m.nonce:
        step.keep(replace(step.m.retry, looked=step.m.nonce))
        step.run(Look(), "data of another major: its supervisor may have put an interrupted upgrade right since it was read")
        return
    why = o.volume_reason or "the data is of another major of PostgreSQL"
    if former is None or former.major != o.upgrades_from:
        _refuse(step, why)
        step.because(why)
        return
    if o.lease is None or o.lease.missing_since is not None:
        step.because("the Lease, which names the last primary, hasn't been read yet or is missing")
        return
    if s is not None and step.live_holder and s.holder != o.me and former.own and former.system_identifier == s.system_identifier:
        step.go(Phase.DAMAGED, f"the data is of PostgreSQL {former.major}, and there is a primary to clone")
        return
    too_new = election.too_new(s)
    if s is not None and o.max_term > s.term:
        verdict = Verdict(None, f"this volume has obeyed term {o.max_term}, and the Lease is of term {s.term}: {START_FIRST}")
    else:
        verdict = judge(former, s) if too_new is None else Verdict(None, too_new.reason)
    if s is None or verdict.timeline is None:
        if s is None or s.volume == former.volume:
            _refuse(step, f"{why}: {verdict.reason}")
        step.because(verdict.reason)
        return
    verified_s = None if verdict.begun else o.verified_s
    step.run(Upgrade(former.major, verdict.timeline, former.system_identifier, (s.term, s.serial), verified_s), verdict.reason)


def _refuse(step: Step, why: str) -> None:
    step.tell("OtherMajor", why)
    step.keep(replace(step.m.telling, not_upgraded=why))


def answered(step: Step, result: OpResult) -> None:
    """Handle the end of a look, or of the upgrade: the data is the new major's, or it is the former's as before."""
    if result.op is Op.LOOK:
        step.because("the volume was read again")
        return
    step.forget_server()
    if result.outcome is Outcome.OK:
        step.actions.append(Announce("Normal", "MajorUpgraded", result.text))
    else:
        pause = step.m.retry.retry_at - step.o.now
        step.actions.append(Announce("Warning", "MajorUpgradeFailed", f"{result.text}; the data is kept; next attempt in {pause:.0f} s"))
        step.keep(replace(step.m.telling, not_upgraded=result.text))
    step.go(Phase.BOOT, f"{result.op.value}: {result.outcome.value} {result.text}".rstrip())
