"""How the primary keeps its Lease: when it writes it, with what content, and when it asks the replicas for lease extensions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hapg_protocol.model import EligibleReplica, LeaseState, SyncRecord

from . import disk_space, lease_extension, switchover, synchronous
from .eligible_replicas import is_news, next_eligible, with_streaming
from .state.actions import PutKind
from .state.decision import Step
from .state.phases import Phase
from .timing import PROMPT_S, RETRY_PUT_S


def ill_health(step: Step) -> str | None:
    """Return what is wrong with our server, or None if it is healthy."""
    o = step.o
    if not step.supervised:
        return "the supervisor is not responding"
    if step.m.phase is Phase.PRIMARY and o.now - o.probe_at > step.patience:
        return f"the {o.probe_on} has not answered a write yet" if o.probe_at < step.m.phase_since else disk_space.nothing_written(o)
    return None


@dataclass(frozen=True)
class Content:
    """What a renewal would change in the Lease. named: the successor changes; writes: our server has finished recovering and writes;
    gone_back: the API shows an older Lease.
    """

    eligible: tuple[EligibleReplica, ...]
    record: SyncRecord | None
    successor: str | None
    named: bool
    writes: bool
    gone_back: bool


def renew(step: Step) -> None:
    """Write the Lease if our server is healthy and either a renewal is due or the content has changed."""
    o, m, s = step.o, step.m, step.state
    if s is None or m.writes.put is not None or not step.holds:
        return
    content = content_of(step, s)
    if not _is_due(step) and not _is_news(step, s, content):
        return
    change = _change(s, content)
    why = change or "renew the Lease"
    trouble = ill_health(step)
    if trouble is not None:
        step.because(f"not renewed: {trouble}")
        return
    if content.eligible and not s.eligible:
        step.fence(True)
    term = s.term
    if content.gone_back:
        term, why = s.term + 1, f"the Lease was rolled back: rewritten under term {s.term + 1}"
        step.tell("LeaseRolledBack", f"the Lease in the API is an older version, for example after a restore of etcd; {why}")
    lease_extension.remember_written(step, content.eligible)
    state = replace(
        s,
        term=term,
        eligible=content.eligible,
        sync=content.record,
        ttl_s=o.timing.ttl,
        address=o.address,
        position=o.position or s.position,
        successor=content.successor,
        recovery=step.progress,
        hangs=0 if _writes_are_prompt(step) else s.hangs,
    )
    synchronous.record_sent(step, state)
    step.put(PutKind.RENEW, state, why, routine=change is None and not content.gone_back)
    if content.named:
        switchover.asked(step)


def _writes_are_prompt(step: Step) -> bool:
    """True if no write to our volumes has taken longer than usual for some time."""
    m = step.m
    return m.phase is Phase.PRIMARY and step.o.now - max(m.phase_since, m.storage.slow_at) >= PROMPT_S


def content_of(step: Step, s: LeaseState) -> Content:
    """Return the content that a renewal would write now; if the synchronous setting must change first, order that change."""
    o, m = step.o, step.m
    eligible, record = s.eligible, s.sync
    if m.phase is Phase.PRIMARY and not o.blind:
        flushed = o.position.lsn if o.position else None
        eligible = next_eligible(s.eligible, o.streaming, o.pods, flushed, o.now, o.now - m.phase_since, m.hold.former)
        eligible = synchronous.keep_recorded(s.eligible, eligible, s.sync)
        if o.now - m.hold.renewed_at >= o.timing.renew:
            eligible = with_streaming(s.eligible, eligible)
        record = synchronous.next_record(step, eligible)
    successor = step.m.succession.successor if step.m.succession.switchover is not None else None
    named = successor != s.successor and switchover.may_ask(step)
    writes = m.phase is Phase.PRIMARY and s.recovery is not None
    return Content(eligible, record, successor, named, writes, o.lease is not None and o.lease.instead is not None)


def _is_due(step: Step) -> bool:
    o, m = step.o, step.m
    return o.now - m.hold.renewed_at >= o.timing.renew and o.now - m.writes.put_at >= RETRY_PUT_S


def _is_news(step: Step, s: LeaseState, content: Content) -> bool:
    """True if something must be written before the next renewal is due."""
    changed = content.gone_back or is_news(s.eligible, content.eligible) or content.record != s.sync or content.writes
    return content.named or (changed and step.o.now - step.m.writes.put_at >= RETRY_PUT_S)


def _change(s: LeaseState, content: Content) -> str | None:
    """Return in words what changes in the Lease besides the time of its renewal; None if nothing does."""
    record = content.record
    if record != s.sync:
        return f"synchronous volumes are {', '.join(record.volumes) if record is not None else 'none'}"
    if is_news(s.eligible, content.eligible):
        return f"eligible replicas are {', '.join(x.pod for x in content.eligible) or 'none'}"
    if content.writes:
        return "our server has recovered and writes"
    if content.named:
        return f"the Lease names {content.successor or 'nobody'} as the successor"
    return None


def ask_for_extensions(step: Step) -> None:
    """Ask the replicas for lease extensions while renewals aren't answered, if our server may write and is healthy."""
    may_write = step.o.server == "primary" or step.m.phase is Phase.PROMOTING
    if step.holds and may_write and ill_health(step) is None:
        lease_extension.ask(step)
