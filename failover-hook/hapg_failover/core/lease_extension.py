"""Lease extensions: the primary continues while the API is unavailable, because every eligible replica has promised not to claim
(docs/protocol.md, rule 8).

Why this is safe: an extension is a promise by a replica that might claim. The replica won't claim before its own `promised_until`, which is
later than the holder's deadline by the fence and the clock ratio. The holder continues only while *every* volume that the Lease may list
has promised, so every possible claimant has promised. Whether a replica's server follows, starts or is down makes no difference.

- A replica that doesn't follow yet also promises, once it has read that the Lease is the asker's. Otherwise a new primary whose first
  renewals aren't answered would be fenced, and so would the next one, because the list still contains the replicas that aren't back yet.
- A replica with a claim in progress promises nothing, unless it has read a later version than the one its claim was based on: such a claim
  is refused when it arrives.
- A replica that knows a newer term has seen the end of this one, and refuses. So does a replica that sees the Lease overdue: it is about to
  seal.
- An agent that restarts forgets its promise, and waits as if it had just made one.
"""

from __future__ import annotations

from dataclasses import replace

from hapg_protocol.model import EligibleReplica

from .state.actions import Announce, AnswerExtension, AskExtensions, Op
from .state.decision import Step, busy
from .state.extensions import ExtensionAnswer, ExtensionRequest
from .state.phases import Phase
from .timing import ASK_EVERY_S, LONGEST_EXTENSION_S

HOLDING = (Phase.PROMOTING, Phase.PRIMARY, Phase.STOPPING)
NOT_YET_FOLLOWING = (Phase.BOOT, Phase.EMPTY, Phase.DAMAGED, Phase.SEALED, Phase.DOWN)


def remember_written(step: Step, eligible: tuple[EligibleReplica, ...]) -> None:
    """Remember the eligible replicas in a write of the Lease that is about to be sent.

    Until another version is read, all of them may claim. After that, no write based on an earlier version can succeed any more, so only
    writes based on the current version count.
    """
    earlier = step.m.extensions.claimants if step.m.extensions.written_on == step.version else ()
    step.keep(replace(step.m.extensions, claimants=tuple(sorted({*earlier, *(x.volume for x in eligible)})), written_on=step.version))


def take(step: Step, answers: tuple[ExtensionAnswer, ...]) -> None:
    """Process the replicas' answers, and move the deadline if all of them granted an extension."""
    m = step.m
    if m.hold.held_term is None:
        return
    extensions = dict(m.extensions.granted_at)
    for answer in answers:
        if answer.granted and answer.term == m.hold.held_term:
            extensions[answer.volume] = max(answer.sent_at, extensions.get(answer.volume, answer.sent_at))
    step.keep(replace(step.m.extensions, granted_at=tuple(sorted(extensions.items()))))
    until = step.granted_until
    if until is not None and step.holds and step.m.phase in HOLDING and until > step.lease_until:
        step.keep(replace(step.m.extensions, by_extensions=True))
        step.fence(True)
        step.because("the API is unavailable; all eligible replicas have granted an extension")
    refusals = [f"{a.volume}: {a.reason}" for a in answers if not a.granted]
    if refusals:
        step.because(f"not granted: {'; '.join(refusals)}")


def ask(step: Step) -> None:
    """Ask every eligible replica if our last acknowledged write of the Lease is so old that at least one renewal has failed."""
    o, m, s = step.o, step.m, step.state
    volumes = step.claimants
    seconds = o.timing.usable_extension(m.hold.recorded_ttl)
    early = o.now - m.hold.renewed_at < o.timing.ask_after or o.now - m.extensions.asked_at < ASK_EVERY_S
    if s is None or m.hold.held_term is None or not volumes or early or seconds <= 0.0:
        return
    by_volume = {p.report.volume: p for p in o.pods if p.report is not None and p.report.volume is not None}
    by_name = {p.name: p for p in o.pods}
    found = {v: by_volume.get(v) or next((by_name.get(x.pod) for x in s.eligible if x.volume == v), None) for v in volumes}
    targets = tuple(sorted((v, p.ip) for v, p in found.items() if p is not None and p.ip is not None))
    step.keep(replace(step.m.extensions, asked_at=o.now, serial=m.extensions.serial + 1))
    step.actions.append(AskExtensions(ExtensionRequest(o.me, m.hold.held_term, m.extensions.serial + 1, seconds), targets))


def ended(step: Step) -> None:
    """Report how long extensions kept us running, now that the Lease has been renewed."""
    o, m = step.o, step.m
    if m.extensions.by_extensions:
        step.keep(replace(step.m.extensions, by_extensions=False))
        text = f"the Lease could not be renewed for {o.now - m.hold.renewed_at:.1f} s; all eligible replicas have extended it"
        step.actions.append(Announce("Warning", "LeaseExtendedByPeers", text))


def answer_all(step: Step) -> None:
    """Answer every peer that has asked us."""
    for request in step.o.asked:
        _answer(step, request)


def _answer(step: Step, request: ExtensionRequest) -> None:
    """Promise not to claim, or say why not."""
    trouble = _reason_against(step, request)
    if trouble is None:
        until = step.o.now + step.o.timing.promise(request.seconds)
        step.keep(
            replace(
                step.m.extensions,
                promised_until=max(until, step.m.extensions.promised_until or 0.0),
                heard=(request.term, request.serial),
            )
        )
    step.actions.append(AnswerExtension(request, trouble is None, trouble or "no claim before that"))


def _reason_against(step: Step, request: ExtensionRequest) -> str | None:
    o, m, s = step.o, step.m, step.state
    if not 0.0 < request.seconds <= LONGEST_EXTENSION_S:
        return f"{request.seconds:g} s is not a duration that can be granted"
    if not _follows(step) and not _stands_by(step, request):
        return f"we don't follow: {m.phase.value}"
    if request.term < step.term:
        return f"we know term {step.term}, newer than {request.term}"
    if s is not None and s.term == request.term and (s.holder != request.holder or s.release is not None):
        return f"term {s.term} is {s.holder.identity}'s" + (", released" if s.release is not None else "")
    if (request.term, request.serial) <= m.extensions.heard:
        return f"request {request.serial} is not newer than {m.extensions.heard[1]}"
    if o.lease is not None and o.lease.instead is not None and (gone := o.now - (o.lease.missing_since or o.now)) >= o.timing.overdue:
        return f"the Lease was rolled back in the API, and has not been rewritten for {gone:.1f} s"
    if o.lease is not None and step.age >= o.timing.overdue and o.lease.last_read >= o.lease.first_seen + o.timing.overdue:
        return f"we can read the Lease, and it is {step.age:.1f} s old"
    return None


def _follows(step: Step) -> bool:
    return step.m.phase is Phase.FOLLOW and not busy(step, Op.SEAL, Op.START, Op.STOP)


def _stands_by(step: Step, request: ExtensionRequest) -> bool:
    """True if we don't follow yet but have read that the Lease is the asker's, in a later version than any claim of ours was based on."""
    m, s = step.m, step.state
    stands_by = m.phase in NOT_YET_FOLLOWING or (m.phase is Phase.CLAIMING and m.writes.put_on != step.version)
    return stands_by and s is not None and (s.holder, s.term) == (request.holder, request.term)


def waits(step: Step) -> str | None:
    """Return why a promise keeps us from claiming, or None if none does (rule 4C)."""
    until = step.m.extensions.promised_until
    if until is None or step.o.now >= until:
        return None
    return f"we have promised not to claim for another {until - step.o.now:.1f} s"
