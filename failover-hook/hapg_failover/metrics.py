"""The agent's metrics in the Prometheus text format; docs/operations.md lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hapg_protocol.recovery import Progress

from .core.election import Block
from .core.state.lease_view import LeaseView
from .core.state.memory import Memory, PromotionCause
from .core.state.phases import Phase
from .core.timing import Timing


def render(memory: Memory, lease: LeaseView | None, timing: Timing, now: float, wall: float, requests: Mapping[str, int]) -> str:
    """Return the metrics.

    now: CLOCK_BOOTTIME in seconds; wall: seconds since the epoch at that instant; requests: number of API requests so far, by verb.
    """
    m, state = memory, lease.state if lease else None
    held = max(0.0, m.hold.renewed_at + timing.usable_lease(m.hold.recorded_ttl) - now) if m.hold.held_term is not None else 0.0
    promoted = {m.reign.cause: wall - (now - m.reign.promoted_at)} if m.reign.promoted_at else {}
    parts = [
        _metric("phase", "Phase of this member: 1 for the current one.", _one("phase", (p.value for p in Phase), m.phase.value)),
        _metric("primary", "1 while this member's server is the primary.", {"": int(m.phase is Phase.PRIMARY)}),
        _metric("term", "Term of the Lease as last read.", {"": state.term if state else 0}),
        _metric("eligible_replicas", "Eligible replicas listed in the Lease.", {"": len(state.eligible) if state else 0}),
        _metric(
            "lease_age_seconds", "Time since the Lease was last seen to change.", {"": f"{now - lease.first_seen if lease else 0:.3f}"}
        ),
        _metric(
            "lease_remaining_seconds",
            "How much longer the Lease allows this member to write; 0 if it is not the leader.",
            {"": f"{held:.3f}"},
        ),
        _metric("renewals_failed_total", "Lease renewals that were refused or not answered.", {"": m.writes.renewals_failed}, "counter"),
        _metric("claim_blocked", "1 if this condition keeps this member from becoming primary.", _one("why", Block, m.telling.blocked)),
        _metric("not_following", "1 while this replica has not streamed for longer than expected.", {"": int(bool(m.telling.apart.told))}),
        *_recovery(state.recovery if state is not None else None),
        _metric(
            "promoted_timestamp_seconds",
            "Time of this member's last promotion, by cause; 0 if this agent has not promoted it.",
            {f'cause="{cause}"': f"{promoted.get(cause, 0):.0f}" for cause in PromotionCause},
        ),
        _metric(
            "api_requests_total",
            "Requests sent to the Kubernetes API.",
            {f'verb="{verb}"': count for verb, count in sorted(requests.items())},
            "counter",
        ),
    ]
    return "".join(parts)


def _recovery(recovery: Progress | None) -> list[str]:
    left = max(0, recovery.target - recovery.replayed) if recovery is not None else 0
    return [
        _metric(
            "recovery_remaining_bytes",
            "WAL that the leader has yet to replay before it accepts writes; 0 if it is not recovering.",
            {"": left},
        ),
        _metric("recovery_bytes_per_second", "Replay rate of the recovering leader.", {"": recovery.rate if recovery is not None else 0}),
    ]


def _one(label: str, names: Iterable[str], present: str | None) -> dict[str, object]:
    return {f'{label}="{name}"': int(name == present) for name in names}


def _metric(name: str, text: str, values: Mapping[str, object], kind: str = "gauge") -> str:
    full = f"ha_postgres_{name}"
    lines = [f"{full}{{{labels}}} {value}" if labels else f"{full} {value}" for labels, value in values.items()]
    return "\n".join([f"# HELP {full} {text}", f"# TYPE {full} {kind}", *lines]) + "\n"
